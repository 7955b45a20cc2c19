"""Whatever dies, breaks or is answered by nobody: the final table is the source's, row for row.

A fault ends the session in Snowflake: what was not committed is undone there and temporary tables are gone, and the
loader hears of it before or after its statement was run, or never.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from shared.common.errors import SluiceError, Transient
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ports import Step, TableSpec
from shared.warehouse.snowflake_session import SnowflakeSession
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.snowflake.account import Account, Fault
from tests.shared.warehouse.snowflake.house import SnowflakeHouse
from tests.shared.warehouse.stream import Stream, columns
from tests.shared.warehouse.test_protocol import WAYS, Died, History, a_few

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


@pytest.fixture
def house(snowflake: Snowflake, account: Account, database: str, bucket: str, s3: Any) -> SnowflakeHouse:
    return SnowflakeHouse(snowflake, account.url(database), s3=s3, bucket=bucket)


@pytest.fixture
def stream(house: SnowflakeHouse) -> Stream:
    return house.stream(None)  # type: ignore[arg-type]


def table(house: SnowflakeHouse, stream: Stream) -> list[tuple[Any, ...]]:
    return house.rows(stream, "id", "v", "c", "_sluice_run", "_sluice_commit")


@pytest.mark.parametrize("seed", range(42))
def test_after_any_fault_the_table_is_the_source(
    seed: int, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """Each trial breaks another statement, in another way, of a load of another disposition."""
    chance = random.Random(seed)
    history = History(house, stream, WAYS[(3 * seed + seed // len(STATEMENTS)) % len(WAYS)])
    history.land(a_few(chance), whole=True)
    if seed % 2:
        stream.load(history.spec)
        history.land(a_few(chance), whole=True)
    pattern = STATEMENTS[seed % len(STATEMENTS)]
    kind = chance.choice(["before", "after", "after", "busy"] if seed % 7 else ["lost"])
    account.faults.append(
        Fault(pattern, kind, skip=chance.randrange(2) if pattern == "DESCRIBE TABLE" else 0)
    )

    with suppress(Transient):
        stream.load(history.spec)
    hit = not account.faults
    account.faults.clear()
    history.check()

    # Only keyed tables look for rows that repeat a key.
    assert hit or (pattern, history.way) in {("HAVING", "append"), ("HAVING", "replace")}


@pytest.mark.parametrize("step", list(Step), ids=lambda step: step.name)
def test_killed_behind_every_step(
    step: Step, house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """As kill -9, twice: nothing of what the loader does afterwards arrives, and Snowflake undoes what it left open."""
    chance = random.Random(step.value)
    history = History(house, stream, WAYS[list(Step).index(step) % len(WAYS)])

    def die(passed: Step) -> None:
        if passed is step:
            account.cut()
            raise Died

    for _ in range(2):
        history.land(a_few(chance), whole=True)
        with pytest.raises((Died, Transient)):
            stream.load(history.spec, on_step=die)
    history.check()


def test_ddl_in_the_transaction_is_refused_and_nothing_of_the_load_is_there(
    house: SnowflakeHouse, stream: Stream, account: Account, snowflake: Snowflake
) -> None:
    """Snowflake would commit half of the load with it, and so would this account."""
    stream.commit([{"id": "a", "v": 1, "c": 1}])
    spec, sessions = stream.spec("merge", **KEYED), list[SnowflakeSession]()

    class Seen:
        held, positions = snowflake.held, snowflake.positions

        @contextmanager
        def session(self, table: TableSpec) -> Iterator[SnowflakeSession]:
            with snowflake.session(table) as session:
                sessions.append(session)
                yield session

    def interfere(step: Step) -> None:
        if step is Step.APPLIED:
            sessions[0].query("CREATE TABLE _sluice.audit (a INT)")

    stream.warehouse = Seen()
    with pytest.raises(SluiceError, match="CREATE in a transaction of a load"):
        stream.load(spec, on_step=interfere)
    stream.warehouse = snowflake
    before = (table(house, stream), {"accounts": 0} == snowflake.positions(house.source))
    done = stream.load(spec)

    assert ([], True) == before
    assert not [sql for sql in account.seen if "_sluice.audit" in sql]
    assert (1, 1) == (done.inserted, len(table(house, stream)))


def test_a_session_that_ends_while_a_second_stage_is_filled_takes_the_first_one_with_it(
    house: SnowflakeHouse, stream: Stream, account: Account
) -> None:
    """A row of a snapshot that no column can hold is staged by its key, beside the others: both or none."""
    kinds = (*columns(id="string"), Column("v", ColumnType.DECIMAL, precision=9, scale=2))
    spec = stream.spec("scd2", columns=kinds, primary_key=("id",))
    stream.commit([{"id": "a", "v": "1"}, {"id": "b", "v": "1"}], snapshot=True)
    stream.load(spec)
    stream.commit([{"id": "a", "v": "2"}, {"id": "b", "v": "0.001"}], run="r2", snapshot=True)
    account.faults.append(Fault(r"COPY INTO .*-keys:", "after"))

    with pytest.raises(Transient):
        stream.load(spec)
    missed = list(account.faults)
    stream.load(spec)

    assert [] == missed
    assert [("a", 1, 0), ("a", 2, 1), ("b", 1, 1)] == house.rows(stream, "id", "v", "is_current")


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
