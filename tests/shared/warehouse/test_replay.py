"""Replay: the same table again, whatever way rows get into it; and nothing leaves that cannot come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.common.errors import Violation
from shared.warehouse.ports import Step, TableSpec
from shared.warehouse.replay import plan, rewind
from tests.shared.warehouse.stream import Stream, columns

KINDS = columns(id="string", v="integer")


class Died(BaseException):
    """A loader that dies, as far as its own code can tell."""


@pytest.fixture
def loaded(stream: Stream) -> Callable[..., TableSpec]:
    """Three commits, loaded; `b` is in two of them."""

    def make(disposition: str) -> TableSpec:
        snapshot = disposition == "replace"
        spec = stream.spec(disposition, columns=KINDS, primary_key=("id",))
        for run, rows in enumerate(([("a", 1), ("b", 1)], [("b", 2)], [("c", 3)])):
            stream.commit([{"id": id, "v": v} for id, v in rows], run=f"r{run}", snapshot=snapshot)
            stream.load(spec)
        return spec

    return make


def back(stream: Stream, spec: TableSpec, start: int, *, on_step: Any = lambda step: None) -> bool:
    with stream.warehouse.session(spec) as session:
        position = session.position()
    return rewind(
        plan(spec, position, start),
        stream.log,
        stream.store,
        stream.warehouse,
        load_id=lambda: "back",
        clock=stream.clock,
        on_step=on_step,
    )


@pytest.mark.parametrize("start", [0, 1, 2, 3])
@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_after_a_replay_the_table_is_what_it_was(
    stream: Stream, loaded: Callable[..., TableSpec], disposition: str, start: int
) -> None:
    spec = loaded(disposition)
    before = stream.rows("id, v")

    assert back(stream, spec, start)
    report = stream.load(spec)

    assert before == stream.rows("id, v")
    assert 3 == report.to_sequence


def test_only_the_rows_of_the_commits_to_come_leave_an_append_table(
    stream: Stream, loaded: Callable[..., TableSpec]
) -> None:
    spec = loaded("append")
    back(stream, spec, 2)

    assert [("a", 1), ("b", 1)] == stream.rows("id, v")


def test_readers_of_a_merged_table_miss_nothing_meanwhile(
    stream: Stream, loaded: Callable[..., TableSpec]
) -> None:
    spec = loaded("merge")
    back(stream, spec, 0)

    assert [("a", 1), ("b", 2), ("c", 3)] == stream.rows("id, v")


@pytest.mark.parametrize("step", [Step.BEGUN, Step.MOVED, Step.APPLIED, Step.RECORDED, Step.COMMITTED])
def test_a_replay_that_dies_has_happened_or_not(
    stream: Stream, loaded: Callable[..., TableSpec], step: Step
) -> None:
    spec = loaded("append")
    before = stream.rows("id, v")

    def die(at: Step) -> None:
        if at is step:
            raise Died

    with pytest.raises(Died):
        back(stream, spec, 0, on_step=die)
    stream.load(spec)

    assert before == stream.rows("id, v")


def test_rows_that_the_landing_zone_no_longer_has_stay_where_they_are(
    stream: Stream, loaded: Callable[..., TableSpec]
) -> None:
    spec = loaded("append")
    before = stream.rows("id, v")
    stream.store.delete(stream.log.read(1).draft.parts[0].key)

    with pytest.raises(Violation, match="1 parts of the commits to load again are not there"):
        back(stream, spec, 0)
    assert before == stream.rows("id, v")


def test_of_two_replays_one_moves_the_ledger(stream: Stream, loaded: Callable[..., TableSpec]) -> None:
    spec = loaded("append")
    stale = plan(spec, 3, 0)
    back(stream, spec, 2)

    assert not rewind(
        stale, stream.log, stream.store, stream.warehouse, load_id=lambda: "late", clock=stream.clock
    )
    assert [("a", 1), ("b", 1)] == stream.rows("id, v")


def test_it_says_what_it_will_do(stream: Stream) -> None:
    spec = stream.spec("append")

    assert (
        "recurly.accounts: commits 3 to 9 are loaded again; their rows leave the table first"
        == plan(spec, 9, 3).plan
    )
    assert "none is lost or doubled" in plan(stream.spec("merge"), 9, 0).plan
    assert not plan(spec, 2, 3).moves
