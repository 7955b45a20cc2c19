"""Commits whose records have drifted: the table gets the columns and types that were seen, before the transaction."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.columns import ColumnType
from shared.landing.commit import Commit, Draft
from shared.warehouse.drift import evolved, type_of
from tests.shared.warehouse.stream import Stream, columns

KINDS = columns(id="string", v="integer", due="date")


def commit(**seen: list[str]) -> Commit:
    draft = Draft(run="r", attempt=1, evolved={name: tuple(kinds) for name, kinds in seen.items()})
    return Commit("s", "t", 1, "", draft)


@pytest.mark.parametrize(
    ("kinds", "declared", "wanted"),
    [
        (["integer"], None, "integer"),
        (["integer", "number"], None, "number"),
        (["large", "number"], None, "string"),
        (["huge"], None, "string"),
        (["date", "timestamp"], None, "timestamp"),
        (["date", "integer"], None, "string"),
        (["json"], None, "json"),
        (["json", "string"], None, "string"),
        ([], None, "string"),
        (["string"], "integer", "string"),
        (["number"], "integer", "number"),
        (["timestamp", "date"], "date", "timestamp"),
        (["integer"], "decimal", "decimal"),
        ([], "boolean", "boolean"),
    ],
)
def test_the_type_is_the_narrowest_that_takes_all(
    kinds: list[str], declared: str | None, wanted: str
) -> None:
    (column,) = columns(x=declared) if declared else (None,)

    assert ColumnType(wanted) is type_of(kinds, column)


def test_without_drift_the_columns_are_the_contracts_own() -> None:
    assert KINDS == evolved(KINDS, [commit(), commit()])


def test_what_several_commits_saw_is_taken_together() -> None:
    found = evolved(KINDS, [commit(note=["integer"], v=["string"]), commit(note=["number"])])

    assert {"id": "string", "v": "string", "due": "date", "note": "number"} == {c.name: c.type for c in found}


def test_a_new_field_becomes_a_column_and_a_type_widens(stream: Stream) -> None:
    spec = stream.spec("merge", columns=KINDS, primary_key=("id",))
    stream.commit([{"id": "a", "v": 1, "due": "2026-01-01"}])
    stream.load(spec)
    stream.commit(
        [{"id": "b", "v": "n/a", "due": "2026-01-02T10:00:00Z", "note": 7}],
        evolved={"note": ("integer",), "v": ("integer", "string"), "due": ("timestamp",)},
    )
    stream.load(spec)
    stream.commit(
        [{"id": "c", "v": 3, "note": 1.5}],
        evolved={"note": ("integer", "number"), "v": ("integer", "string")},
    )
    stream.load(spec)

    found: list[Any] = stream.rows("id, v, note, CAST(due AS VARCHAR)")
    assert [
        ("a", "1", None, "2026-01-01 00:00:00+00"),
        ("b", "n/a", 7.0, "2026-01-02 10:00:00+00"),
        ("c", "3", 1.5, None),
    ] == found


def test_a_field_that_landed_before_it_evolved_comes_with_a_replay(stream: Stream) -> None:
    """Kept in the landing zone, not loaded; nothing is fetched again."""
    from shared.warehouse.replay import plan, rewind

    spec = stream.spec("merge", columns=KINDS, primary_key=("id",))
    stream.commit([{"id": "a", "v": 1, "note": "x"}], undeclared=("note",))
    stream.load(spec)
    stream.commit([{"id": "b", "v": 1, "note": "y"}], evolved={"note": ("string",)})
    stream.load(spec)
    assert [("a", None), ("b", "y")] == stream.rows("id, note")
    rewind(
        plan(spec, 2, 0), stream.log, stream.store, stream.warehouse, load_id=lambda: "b", clock=stream.clock
    )
    stream.load(spec, batch_bytes=1)

    assert [("a", "x"), ("b", "y")] == stream.rows("id, note")
