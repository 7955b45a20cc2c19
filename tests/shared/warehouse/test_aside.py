"""Rows that fit their contract and no column are set aside with the reason; those behind them are loaded."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.aside import home_of
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Step
from shared.warehouse.reconcile import reconcile
from shared.warehouse.replay import plan, rewind
from tests.shared.warehouse.stream import Stream

Columns = Callable[..., Any]


def left(stream: Stream) -> list[dict[str, Any]]:
    """What lies aside."""
    found = []
    for info in stream.store.list(home_of(stream.source, stream.stream)):
        found += [json.loads(line) for line in gzip.decompress(stream.store.get(info.key)).splitlines()]
    return found


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("decimal", "0.30000000000000004", "rounded to 9 digits"),
        ("decimal", '"0.30000000000000004"', "rounded to 9 digits"),
        ("decimal", "1e-300", "rounded to 9 digits"),
        ("decimal", "1e-999999999", "rounded to 9 digits"),
        ("decimal", "1" * 39, "more than 29 digits before the point"),
        ("decimal", "1e999999999", "more than 29 digits before the point"),
        ("decimal", "1e99999999999999999999", "beyond all bounds"),
        ("integer", str(10**40), "more than 38 digits"),
        ("integer", str(-(10**39)), "more than 38 digits"),
    ],
)
def test_a_value_beyond_its_column_blocks_nothing(
    stream: Stream, columns: Columns, kind: str, value: str, says: str
) -> None:
    spec = stream.spec(columns=columns(id="string", v=kind))
    stream.commit(['{"id":"a","v":1}', f'{{"id":"b","v":{value}}}', '{"id":"c","v":null}'], run="r1")
    stream.commit(['{"id":"d","v":2}'], run="r2")

    report = stream.load(spec)

    assert ("loaded", 3, 1, 2) == (report.status, report.rows, report.aside, report.to_sequence)
    assert [("a", 1), ("c", None), ("d", 2)] == stream.rows("id, v")
    (line,) = left(stream)
    assert ("/v", 1, 2) == (line["pointer"], line["commit"], line["row"])
    assert says in line["reason"]
    assert "1 rows set aside" in report.notes[0]
    assert "nothing" == stream.load(spec).status


def test_digits_are_kept_by_a_column_that_declares_them_and_a_replay(
    stream: Stream, columns: Columns
) -> None:
    stream.commit(['{"id":"a","v":0.30000000000000004}'])
    stream.load(stream.spec(columns=columns(id="string", v="decimal")))
    wide = (Column("id", ColumnType.STRING), Column("v", ColumnType.DECIMAL, precision=38, scale=18))
    spec = stream.spec(columns=wide)

    replayed = plan(spec, 1, 0)
    assert rewind(
        replayed, stream.log, stream.store, stream.warehouse, load_id=lambda: "R", clock=stream.clock
    )
    report = stream.load(spec)

    assert (1, 0) == (report.rows, report.aside)
    assert [("a", Decimal("0.300000000000000040"))] == stream.rows("id, v")
    assert () == reconcile(stream.log, stream.store, stream.warehouse, spec).differences


def test_what_lies_aside_is_no_difference(stream: Stream, columns: Columns) -> None:
    spec = stream.spec(columns=columns(id="string", v="integer"))
    stream.commit([{"id": "a", "v": 1}, {"id": "b", "v": 10**40}], [{"id": "c", "v": 10**41}])
    stream.commit([{"id": "d", "v": 10**40}])
    stream.load(spec)

    found = reconcile(stream.log, stream.store, stream.warehouse, spec)

    assert ((), 3, 1) == (found.differences, found.aside, found.table_rows)


def test_a_value_of_another_type_still_stops_the_load(stream: Stream, columns: Columns) -> None:
    stream.commit([{"id": "a", "v": "soon"}, {"id": "b", "v": 10**40}])

    with pytest.raises(Violation, match='values of column "v" are no integer'):
        stream.load(stream.spec(columns=columns(id="string", v="integer")))

    assert [] == left(stream)


def test_a_table_is_not_replaced_by_nothing(stream: Stream, columns: Columns) -> None:
    spec = stream.spec("replace", columns=columns(id="string", v="integer"), primary_key=("id",))
    stream.commit([{"id": "a", "v": 1}], snapshot=True)
    stream.load(spec)
    stream.commit([{"id": "a", "v": 10**40}], run="r2", snapshot=True)

    with pytest.raises(Violation, match='column "v"'):
        stream.load(spec)

    assert [("a", 1)] == stream.rows("id, v")


def test_csv_is_respelled_where_that_is_enough_and_set_aside_where_not(
    stream: Stream, columns: Columns
) -> None:
    stream.commit(
        [
            "id,v,at,any",
            '"a",1,"2016-12-31T23:59:60Z","hello"',
            f'"b",{10**40},,"{{""x"":1}}"',
            '"c,""q""\r\n",2,"2024-01-01T00:00:00Z",""',
            '"",,,"""text"""',
        ],
        format="csv.gz",
    )

    report = stream.load(stream.spec(columns=columns(id="string", v="integer", at="timestamp", any="json")))

    assert (3, 1) == (report.rows, report.aside)
    assert [
        ("", None, None, '"text"'),
        ("a", 1, "2016-12-31 23:59:59.999999+00", '"hello"'),
        ('c,"q"\r\n', 2, "2024-01-01 00:00:00+00", '""'),
    ] == stream.rows('id, v, CAST("at" AS VARCHAR), "any"', order="id")
    (line,) = left(stream)
    assert {"id": "b", "v": str(10**40), "at": None, "any": '{"x":1}'} == line["record"]


def test_without_a_contract_a_number_beyond_all_doubles_is_text(stream: Stream) -> None:
    stream.commit(['{"id":"a","v":1.5,"w":{"x":1e400}}', '{"id":"b","v":1e400}'])

    report = stream.load(stream.spec())

    assert (2, 0) == (report.rows, report.aside)
    assert [("a", "1.5"), ("b", "1e400")] == stream.rows("id, v")


def test_half_a_surrogate_pair_is_set_aside(stream: Stream, columns: Columns) -> None:
    stream.commit(['{"id":"a","v":"\\ud800"}', '{"id":"b","v":"well"}'])

    report = stream.load(stream.spec(columns=columns(id="string", v="string")))

    assert (1, 1) == (report.rows, report.aside)
    assert "it cannot be read" in left(stream)[0]["reason"]


def test_a_store_that_is_no_folder_keeps_nothing_but_what_was_set_aside(
    tmp_path: Path, columns: Columns
) -> None:
    stream = Stream(MemoryStore(), DuckDB(tmp_path / "db", clock=FakeClock()))
    stream.commit([{"id": "a", "v": 1}, {"id": "b", "v": 10**40}])
    report = stream.load(stream.spec(columns=columns(id="string", v="integer")))

    assert (1, 1) == (report.rows, report.aside)
    keys = [info.key for info in stream.store.list(home_of("recurly", "accounts"))]
    assert [f"{home_of('recurly', 'accounts')}{1:020d}/L1-1.jsonl.gz"] == keys


def test_what_a_load_set_aside_that_was_held_back_is_taken_away(stream: Stream, columns: Columns) -> None:
    spec = stream.spec("merge", columns=columns(id="string", v="integer"), primary_key=("id",))
    stream.commit([{"id": "a", "v": 10**40}, {"v": 1}])

    with pytest.raises(Violation, match="no primary key"):
        stream.load(spec)

    assert [] == left(stream)


def test_what_a_load_set_aside_that_was_killed_goes_with_the_next_but_one(
    stream: Stream, columns: Columns
) -> None:
    """The next one may be at work beside a loader that only seems to be dead."""
    spec = stream.spec(columns=columns(id="string", v="integer"))
    stream.commit([{"id": "a", "v": 1}, {"id": "b", "v": 10**40}])

    def kill(step: Step) -> None:
        if step is Step.APPLIED:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream.load(spec, on_step=kill)
    killed = len(left(stream))
    stream.load(spec)
    both = len(left(stream))
    stream.commit([{"id": "c", "v": 1}])
    stream.load(spec)

    assert (1, 2, 1) == (killed, both, len(left(stream)))
    assert 1 == reconcile(stream.log, stream.store, stream.warehouse, spec).aside


def test_what_a_load_set_aside_that_came_too_late_is_taken_away(stream: Stream, columns: Columns) -> None:
    spec = stream.spec(columns=columns(id="string", v="integer"))
    stream.commit([{"id": "a", "v": 1}, {"id": "b", "v": 10**40}])

    def overtake(step: Step) -> None:
        if step is Step.EVOLVED:
            assert "loaded" == stream.load(spec).status

    report = stream.load(spec, on_step=overtake)

    assert ("superseded", 1) == (report.status, len(left(stream)))
    assert 1 == reconcile(stream.log, stream.store, stream.warehouse, spec).aside


def test_copies_for_staging_that_a_dead_loader_left_go_when_they_are_a_day_old(
    stream: Stream, columns: Columns
) -> None:
    spec = stream.spec(columns=columns(id="string", v="integer"))
    copy = f"{home_of(stream.source, stream.stream)}staging/L9-1/00000.jsonl"
    stream.store.put_new(copy, b"{}")
    (info,) = stream.store.list(copy)
    there = []
    for hours in (23, 25):
        stream.clock.sleep((info.modified + timedelta(hours=hours) - stream.clock.now()).total_seconds())
        stream.commit([{"id": "a", "v": 1}])
        stream.load(spec)
        there.append(stream.store.head(copy) is not None)

    assert [True, False] == there
