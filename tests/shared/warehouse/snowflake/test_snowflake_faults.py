"""Whatever dies, breaks or is answered by nobody: the final table is the source's, row for row.

A fault ends the session in Snowflake: what was not committed is undone there and temporary tables are gone, and the
loader hears of it before or after its statement was run, or never.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from shared.common.errors import Transient
from shared.warehouse.ports import Step
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.model import Landed, expected
from tests.shared.warehouse.snowflake.account import Account, Fault
from tests.shared.warehouse.snowflake.house import SnowflakeHouse
from tests.shared.warehouse.stream import Stream, columns

KINDS = columns(id="string", v="integer", c="integer")
KEYED: dict[str, Any] = {"columns": KINDS, "primary_key": ("id",), "cursor_field": "c"}

# Every statement of a load, by what tells it from the others.
STATEMENTS = [
    r"MAX\(sequence\)",
    "information_schema",
    "QUERY_TAG",
    "DESCRIBE TABLE",
    "CREATE TEMPORARY TABLE .*load:",
    "SHOW STAGES",
    "CREATE TEMPORARY TABLE .*raw:",
    "COPY INTO",
    "GROUP BY _sluice_file",
    "COUNT_IF",
    r'INSERT INTO _sluice\."load:',
    "DROP TABLE .*raw:",
    "GROUP BY _sluice_part",
    "HAVING",
    "BEGIN",
    r"_sluice\.ledger SET",
    'INTO "s|FROM "s',
    "INSERT INTO _sluice.loads",
    "COMMIT",
    "DROP TABLE .*load:",
]


class Died(BaseException):
    """The loader's process is gone."""


@pytest.fixture
def house(snowflake: Snowflake, account: Account, database: str, bucket: str, s3: Any) -> SnowflakeHouse:
    return SnowflakeHouse(snowflake, account.url(database), s3=s3, bucket=bucket)


@pytest.fixture
def stream(house: SnowflakeHouse) -> Stream:
    return house.stream(None)  # type: ignore[arg-type]


def land(stream: Stream, chance: random.Random, landed: list[Landed], *, snapshot: bool) -> None:
    run, some = f"r{len(landed)}", range(chance.randrange(1, 25))
    rows = [{"id": f"k{chance.randrange(12)}", "v": n, "c": chance.choice([None, *range(9)])} for n in some]
    commit = stream.commit(rows[:9], rows[9:] or rows[:1], run=run, snapshot=snapshot)
    landed.append(Landed(commit.sequence, run, (*rows[:9], *(rows[9:] or rows[:1]))))


def table(house: SnowflakeHouse, stream: Stream) -> list[tuple[Any, ...]]:
    return house.rows(stream, "id", "v", "c", "_sluice_run", "_sluice_commit")


@pytest.mark.parametrize("seed", range(42))
def test_after_any_fault_the_table_is_the_source(
    seed: int, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """Each trial breaks another statement, in another way, of a load of another disposition."""
    chance = random.Random(seed)
    disposition = ("merge", "append", "replace")[seed % 3]
    spec, landed = stream.spec(disposition, **KEYED), list[Landed]()
    land(stream, chance, landed, snapshot=disposition == "replace")
    if seed % 2:
        stream.load(spec)
        land(stream, chance, landed, snapshot=disposition == "replace")
    pattern = STATEMENTS[seed % len(STATEMENTS)]
    kind = chance.choice(["before", "after", "after", "busy"] if seed % 7 else ["lost"])
    account.faults.append(
        Fault(pattern, kind, skip=chance.randrange(2) if pattern == "DESCRIBE TABLE" else 0)
    )

    with suppress(Transient):
        stream.load(spec)
    hit = not account.faults
    account.faults.clear()
    stream.load(spec)

    assert expected(landed, disposition) == table(house, stream)
    assert [] == house.left_stages(stream)
    assert hit or pattern in ("HAVING", 'INTO "s|FROM "s')


@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name)
def test_killed_behind_every_step(
    step: Step, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """As kill -9: nothing of what the loader does afterwards arrives, and Snowflake undoes what it left open."""
    chance, landed = random.Random(step.value), list[Landed]()
    spec = stream.spec("merge", **KEYED)
    land(stream, chance, landed, snapshot=False)

    def die(passed: Step) -> None:
        if passed is step:
            account.cut()
            raise Died

    with pytest.raises((Died, Transient)):
        stream.load(spec, on_step=die)
    land(stream, chance, landed, snapshot=False)
    stream.load(spec)

    assert expected(landed, "merge") == table(house, stream)


def test_a_copy_whose_answer_is_lost_is_never_in_the_stage_twice(
    house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    stream.commit([{"id": "a", "v": 1, "c": 1}], [{"id": "b", "v": 1, "c": 1}])
    account.faults.append(Fault("COPY INTO", "after"))

    report = stream.load(stream.spec("append", columns=KINDS))

    copies = [sql for sql in account.seen if sql.startswith("COPY")]
    assert (2, 2) == (report.inserted, len(copies))
    assert copies[0].split('"')[1] != copies[1].split('"')[1]
    assert 2 == len(table(house, stream))


def test_a_request_that_the_connector_repeats_is_run_once(
    house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    stream.commit([{"id": "a", "v": 1, "c": 1}])
    account.faults += [Fault("COPY INTO", "lost"), Fault("COMMIT", "lost")]

    report = stream.load(stream.spec("append", columns=KINDS))

    assert (1, 1) == (report.inserted, len(table(house, stream)))
    assert 1 == len([sql for sql in account.seen if sql.startswith("COPY")])


@pytest.mark.parametrize(("kind", "inserted"), [("after", 1), ("before", None)])
def test_a_commit_whose_answer_is_lost_is_looked_up(
    kind: str, inserted: int | None, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    stream.commit([{"id": "a", "v": 1, "c": 1}])
    account.faults.append(Fault("^COMMIT", kind))
    spec = stream.spec("append", columns=KINDS)

    if inserted is None:
        with pytest.raises(Transient, match="the session with Snowflake ended"):
            stream.load(spec)
        assert 1 == stream.load(spec).inserted
    else:
        assert inserted == stream.load(spec).inserted
    assert "nothing" == stream.load(spec).status
    assert 1 == len(table(house, stream))


def test_the_ledger_lets_one_of_two_loaders_win_although_no_key_is_enforced(
    house: SnowflakeHouse, stream: Stream, account: Account, open_snowflake: Callable[..., Snowflake]
) -> None:
    """Both are in the transaction at once: the second waits for the first one's lock, and finds the ledger moved."""
    stream.commit([{"id": "a", "v": 1, "c": 1}])
    spec, other = stream.spec("append", columns=KINDS), house.stream(None)  # type: ignore[arg-type]
    other.warehouse = open_snowflake()
    with stream.warehouse.session(
        spec
    ) as session:  # a second row for the stream, as two first sessions may make it
        session.query(
            "INSERT INTO _sluice.ledger (source, stream, sequence) SELECT source, stream, 0 FROM _sluice.ledger"
        )
    reports: dict[str, str] = {}
    second = threading.Thread(target=lambda: reports.update(second=other.load(spec).status))

    def meet(step: Step) -> None:
        if step is Step.MOVED:
            second.start()
            until = threading.Event()
            for _ in range(100):
                if len([sql for sql in account.seen if "_sluice.ledger SET" in sql]) == 2:
                    break
                until.wait(0.1)

    reports["first"] = stream.load(spec, on_step=meet).status
    second.join(30)

    assert {"first": "loaded", "second": "superseded"} == reports
    assert 1 == len(table(house, stream))
    assert [(1,), (1,)] == house.ask(stream, "SELECT sequence FROM _sluice.ledger")


@pytest.mark.parametrize("kind", ["before", "after"])
@pytest.mark.parametrize(
    "pattern",
    [
        "ADD COLUMN",
        'UPDATE "s[^;]*IS NOT NULL$',
        "RENAME COLUMN [^_]*TO",
        'UPDATE "s.*IS DISTINCT FROM',
        'RENAME COLUMN "_sluice_wide',
        'DROP COLUMN IF EXISTS "_sluice_old',
    ],
)
def test_a_column_that_is_being_widened_is_never_lost(
    pattern: str, kind: str, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """The loader dies at each of the steps that put a wider column in the place of a narrow one."""
    stream.commit([{"id": "a", "n": 1}, {"id": "b", "n": None}])
    stream.load(stream.spec(columns=columns(id="string", n="integer")))
    stream.commit([{"id": "c", "n": "x"}])
    account.faults.append(Fault(pattern, kind))
    spec = stream.spec(columns=columns(id="string", n="string"))

    with pytest.raises(Transient):
        stream.load(spec)
    stream.load(spec)

    assert [("a", "1"), ("b", None), ("c", "x")] == house.rows(stream, "id", "n")
    names = [row[0].lower() for row in house.ask(stream, f"DESCRIBE TABLE {house.table(stream)}")]
    assert ["_sluice_commit", "_sluice_loaded_at", "_sluice_run", "id", "n"] == sorted(names)


def test_rows_that_are_loaded_while_a_column_is_widened_come_along(
    house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    stream.commit([{"id": "a", "n": 1}])
    stream.load(stream.spec(columns=columns(id="string", n="integer")))
    stream.commit([{"id": "c", "n": "x"}])
    account.faults.append(Fault("RENAME COLUMN [^_]*TO", "before"))
    spec = stream.spec(columns=columns(id="string", n="string"))
    with pytest.raises(Transient):
        stream.load(spec)
    table = house.table(stream)
    house.ask(stream, f'UPDATE {table} SET "n" = 2')
    account.faults.append(Fault('UPDATE "s.*IS DISTINCT FROM', "before"))
    with pytest.raises(Transient):
        stream.load(spec)
    house.ask(stream, f'INSERT INTO {table} ("id", "_sluice_old:n") SELECT \'b\', 7')
    house.ask(stream, f'UPDATE {table} SET "_sluice_old:n" = 3 WHERE "id" = \'a\'')
    stream.load(spec)

    assert [("a", "3"), ("b", "7"), ("c", "x")] == house.rows(stream, "id", "n")
