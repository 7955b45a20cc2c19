"""What fails its checks stays out, is kept, and is let in by nobody but a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.common.instants import format_instant
from shared.contracts import expectations as e
from shared.contracts.expectation import Expectation
from shared.landing.commit import Draft
from shared.warehouse import release as releases
from shared.warehouse.checks.dialect import DUCKDB
from shared.warehouse.checks.verdict import Verdict, verdicts
from shared.warehouse.gate import CheckedGate
from shared.warehouse.ports import TableSpec
from tests.shared.warehouse.stream import Stream, columns

POSITIVE = e.ExpectColumnValuesToBeBetween(column="v", min_value=0)
UNIQUE = e.ExpectColumnValuesToBeUnique(column="id")
KINDS = columns(id="string", v="integer", at="timestamp")


class Bench:
    """A stream with checks, and what its loader was told."""

    def __init__(self, stream: Stream, *checks: Expectation, disposition: str = "append") -> None:
        self.stream, self.checks = stream, checks
        self.spec: TableSpec = stream.spec(disposition, columns=KINDS, primary_key=("id",), cursor_field="at")
        self.told: list[Verdict] = []

    def land(self, *rows: tuple[str, int], **draft: Any) -> None:
        at = format_instant(self.stream.clock.now())
        self.stream.commit([{"id": id, "v": v, "at": at} for id, v in rows], **draft)
        self.stream.clock.advance(60)

    def move(self, kind: Any, cursor: str | None) -> None:
        self.stream.append(Draft(run="cli", attempt=1, kind=kind, cursor=cursor))

    def gate(self) -> CheckedGate:
        return CheckedGate(
            self.stream.store, self.spec, self.checks, DUCKDB, self.stream.clock, tell=self.told.append
        )

    def load(self, **options: Any) -> Any:
        return self.stream.load(self.spec, gate=self.gate(), **options)

    def fails(self) -> Violation:
        with pytest.raises(Violation) as caught:
            self.load()
        return caught.value

    def release(self, name: str, reason: str = "looked at, all is well") -> Any:
        return releases.release(self.stream.store, "recurly", self.stream.stream, name=name, reason=reason)

    def documents(self) -> list[Verdict]:
        return list(verdicts(self.stream.store, "recurly", self.stream.stream))

    def position(self) -> int:
        with self.stream.warehouse.session(self.spec) as session:
            return session.position()


@pytest.fixture
def bench(stream: Stream) -> Callable[..., Bench]:
    return lambda *checks, **how: Bench(stream, *checks, **how)


def test_rows_that_pass_are_loaded_and_their_verdict_is_beside_the_commit(
    bench: Callable[..., Bench],
) -> None:
    here = bench(POSITIVE)
    here.land(("a", 1), run="r1")
    report = here.load()

    (verdict,) = here.documents()
    assert ("loaded", 1) == (report.status, report.inserted)
    assert ("ok", 1, "r1", 1) == (verdict.status, verdict.sequence, verdict.run, verdict.rows)


def test_rows_that_fail_stay_out_and_the_error_says_what_to_do(bench: Callable[..., Bench]) -> None:
    """Final table and ledger are as they were; stage and verdict are kept."""
    here = bench(POSITIVE)
    here.land(("a", 1))
    here.load()
    here.land(("b", -1), ("c", 2), run="r2")
    error = here.fails()

    assert [("a", 1)] == here.stream.rows("id, v")
    assert 1 == here.position()
    assert "1 of 1 checks of recurly.accounts does not hold (2 rows)" in error.message
    assert "v: expect_column_values_to_be_between: 1 of 2 unexpected (50%)" in error.message
    assert "sluice checks show" in error.hint
    assert "--release" in error.hint
    kept = error.hint.splitlines()[0].rpartition(" in ")[2]
    assert [("b", -1), ("c", 2)] == here.stream.ask(f"SELECT id, v FROM {kept} ORDER BY id")


def test_later_loads_stop_at_the_same_rows_whatever_lands_behind_them(bench: Callable[..., Bench]) -> None:
    """A thousand good rows must not thin out a bad one; and nothing new is written down about the old ones."""
    check = e.ExpectColumnValuesToBeBetween(column="v", min_value=0, mostly=0.9)
    here = bench(check)
    here.land(("a", -1), run="r1")
    first = here.fails()
    here.land(*((f"b{i}", 1) for i in range(50)), run="r2")
    second = here.fails()

    assert first.message == second.message
    assert 1 == len(here.documents())
    assert 1 == len(here.told)
    assert 0 == here.position()


def test_a_release_lets_in_just_those_rows_and_says_why(bench: Callable[..., Bench]) -> None:
    here = bench(POSITIVE)
    here.land(("a", -1), run="r1")
    here.fails()
    here.land(("b", -2), run="r2")
    here.release("r1", "refunds are negative")
    error = here.fails()

    assert [("a", -1)] == here.stream.rows("id, v")
    assert "r2" == error.where["run"]
    assert ["released: refunds are negative"] == [
        note for (note,) in here.stream.ask("SELECT note FROM _sluice.loads")
    ]
    assert [False, True, False] == [bool(verdict.released) for verdict in here.documents()]


def test_a_release_names_a_load_too_and_twice_is_once(bench: Callable[..., Bench]) -> None:
    here = bench(POSITIVE)
    here.land(("a", -1))
    here.fails()
    (verdict,) = here.documents()

    assert here.release(verdict.load).released
    assert here.release(verdict.load).released
    assert 2 == len(here.documents())
    assert "loaded" == here.load().status


def test_a_release_needs_a_reason_and_something_held(bench: Callable[..., Bench]) -> None:
    here = bench(POSITIVE)
    here.land(("a", 1), run="r1")
    here.load()

    with pytest.raises(Misconfigured, match="needs a reason"):
        here.release("r1", " ")
    with pytest.raises(Misconfigured, match="did not hold back r1"):
        here.release("r1")
    assert here.release("r9") is None
    with pytest.raises(Misconfigured, match='unknown load or run that was held back "r9"'):
        releases.find(here.stream.store, [("recurly", "accounts")], name="r9", reason="so")


def test_corrected_checks_let_the_rows_in(bench: Callable[..., Bench]) -> None:
    """The check was wrong, not the data: nobody has to release anything."""
    here = bench(POSITIVE)
    here.land(("a", -1))
    here.fails()
    here.checks = (e.ExpectColumnValuesToBeBetween(column="v", min_value=-5),)

    assert "loaded" == here.load().status
    assert ["fail", "ok"] == [verdict.status for verdict in here.documents()]


def test_a_warning_is_told_and_the_rows_go_in(bench: Callable[..., Bench]) -> None:
    here = bench(e.ExpectColumnValuesToBeBetween(column="v", min_value=0, severity="warn"))
    here.land(("a", -1))

    assert "loaded" == here.load().status
    assert ["warn"] == [verdict.status for verdict in here.told]


def test_a_key_that_lands_twice_is_no_duplicate_where_rows_are_merged(bench: Callable[..., Bench]) -> None:
    """The checks see the rows that the table would get."""
    count = e.ExpectTableRowCountToEqualCommit()
    merged = bench(UNIQUE, count, disposition="merge")
    merged.land(("a", 1))
    merged.land(("a", 2), ("b", 1))

    assert "loaded" == merged.load().status
    assert [("a", 2), ("b", 1)] == merged.stream.rows("id, v")


def test_a_key_that_lands_twice_fails_where_rows_are_appended(bench: Callable[..., Bench]) -> None:
    here = bench(UNIQUE)
    here.land(("a", 1), ("a", 2))

    assert "2 of 2 unexpected" in here.fails().message


@pytest.mark.parametrize(("back_to", "inserted"), [("before", 1), ("behind", None), (None, 1)])
def test_rows_that_are_landed_anew_take_the_place_of_held_ones(
    bench: Callable[..., Bench], back_to: str | None, inserted: int | None
) -> None:
    """Only when the rewind goes back to before them: else some of them would be lost without a word."""
    here = bench(POSITIVE)
    here.land(("a", 1), cursor="2024-01-05")
    here.load()
    here.land(("b", -1), cursor="2024-01-09")
    here.fails()
    match back_to:
        case "before":
            here.move("rewind", "2024-01-05")
        case "behind":
            here.move("rewind", "2024-01-07")
        case _:
            here.move("reset", None)
    here.land(("b", 1), cursor="2024-01-09")

    if inserted is None:
        here.fails()
        return
    report = here.load()
    assert [("a", 1), ("b", 1)] == here.stream.rows("id, v")
    assert ("commit 2 left out: they were held, and commit 3 lands them anew",) == report.notes


def test_a_newer_snapshot_takes_the_place_of_one_that_was_held(bench: Callable[..., Bench]) -> None:
    here = bench(POSITIVE, disposition="replace")
    here.land(("a", 1), snapshot=True)
    here.load()
    here.land(("a", -1), snapshot=True, run="r2")
    here.fails()
    assert [("a", 1)] == here.stream.rows("id, v")
    here.land(("a", 2), snapshot=True, run="r3")

    assert "loaded" == here.load().status
    assert [("a", 2)] == here.stream.rows("id, v")


def test_what_was_released_stays_so_in_a_replay(bench: Callable[..., Bench]) -> None:
    from shared.warehouse.replay import plan, rewind

    here = bench(POSITIVE)
    for rows in (("a", 1), ("b", -1), ("c", 2)):
        here.land(rows, run=f"r-{rows[0]}")
        if rows[1] < 0:
            here.fails()
            here.release(f"r-{rows[0]}")
        here.load()
    stream = here.stream
    moved = rewind(
        plan(here.spec, 3, 0),
        stream.log,
        stream.store,
        stream.warehouse,
        load_id=lambda: "back",
        clock=stream.clock,
    )

    assert moved
    assert [] == stream.rows("id")
    assert "loaded" == here.load().status
    assert [("a", 1), ("b", -1), ("c", 2)] == stream.rows("id, v")
