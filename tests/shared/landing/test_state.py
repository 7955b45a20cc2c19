"""State is what the last commit says, and changing it is a commit."""

from __future__ import annotations

import pytest

from shared.common.errors import Superseded
from shared.common.fakes import FakeClock, MemoryStore
from shared.landing.commit import Draft
from shared.landing.log import CommitLog
from shared.landing.state import State, reset, rewind, show


@pytest.fixture
def log(memory: MemoryStore, clock: FakeClock) -> CommitLog:
    return CommitLog(memory, "recurly", "accounts", clock)


def test_a_stream_that_never_ran_stands_before_its_beginning(log: CommitLog) -> None:
    assert show(log) == State("recurly", "accounts")
    assert show(log).complete


def test_the_state_is_the_last_commits(log: CommitLog) -> None:
    log.append(Draft(run="r1", attempt=2, cursor="c1", resume={"url": "u"}, rejected=3), after=None)
    state = show(log)

    assert (state.sequence, state.run, state.attempt, state.cursor, state.rejected) == (1, "r1", 2, "c1", 3)
    assert not state.complete
    assert state.to_json()["complete"] is False
    assert state.to_json()["committed_at"] == "2026-11-20T10:15:00Z"


def test_rewinding_moves_the_cursor_and_drops_what_was_left_to_do(log: CommitLog) -> None:
    log.append(Draft(run="r1", attempt=1, cursor="c9", resume={"url": "u"}), after=None)
    rewind(log, "c5", run="by-hand", note="lost rows upstream")
    state = show(log)

    assert (state.kind, state.cursor, state.resume, state.sequence) == ("rewind", "c5", None, 2)
    assert log.read(2).draft.note == "lost rows upstream"


def test_resetting_begins_anew_and_keeps_the_log(log: CommitLog) -> None:
    log.append(Draft(run="r1", attempt=1, cursor="c9"), after=None)
    reset(log, run="by-hand")

    assert (show(log).kind, show(log).cursor) == ("reset", None)
    assert [commit.draft.cursor for commit in log.since(0)] == ["c9", None]


def test_a_stream_that_never_ran_can_be_told_where_to_begin(log: CommitLog) -> None:
    rewind(log, "c5", run="by-hand")

    assert show(log).cursor == "c5"


def test_a_run_that_commits_meanwhile_wins(memory: MemoryStore, clock: FakeClock) -> None:
    class Slow(CommitLog):
        def latest(self) -> None:
            CommitLog(memory, "recurly", "accounts", clock).append(Draft(run="r1", attempt=1), after=None)

    with pytest.raises(Superseded, match="run r1"):
        rewind(Slow(memory, "recurly", "accounts", clock), "c", run="by-hand")
