"""A journal that cannot be written: who is told, what is tried again, and when it is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from shared.common.errors import Transient
from shared.orchestrator.faults import Fenced
from shared.orchestrator.group_commit import PROBE, GroupCommit
from shared.orchestrator.journal import Batch, Outcome, Phase
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from tests.shared.orchestrator.running import until


class Failing(SqliteJournal):
    """Raises the next of `errors` instead of writing, as long as there are any."""

    def __init__(self) -> None:
        super().__init__(MEMORY)
        self.errors: list[Exception] = []
        self.seen: list[Batch] = []

    def write(self, batch: Batch) -> list[int]:
        self.seen.append(batch)
        if self.errors:
            raise self.errors.pop(0)
        return super().write(batch)


@pytest.fixture
def journal() -> Iterator[Failing]:
    one = Failing()
    one.open()
    yield one
    one.close()


def writing(journal: Failing, told: list[object]) -> GroupCommit:
    one = GroupCommit(
        journal, on_written=lambda accepts, outcomes: None, on_trouble=told.append, on_fenced=told.append
    )
    one.start()
    return one


def test_it_finds_out_by_itself_that_it_can_be_written_again(journal: Failing) -> None:
    """Nobody else may come meanwhile: inputs wait, and nothing runs."""
    told = list[object]()
    full = Transient("the disk is full")
    journal.errors = [full, full, full]
    writer = writing(journal, told)
    future = writer.accept([], ("i", "7"))
    with pytest.raises(Transient, match="the disk is full"):
        future.result(10)
    until(lambda: None in told)
    until(writer.idle)
    writer.stop()

    assert [full, full, full, None] == told
    assert [{"i": "7"}, {PROBE: "1"}, {PROBE: "2"}, {PROBE: "3"}] == [one.bookmarks for one in journal.seen]
    assert "" == journal.bookmark("i")


def test_what_was_done_is_written_when_that_works(journal: Failing) -> None:
    journal.errors = [Transient("the disk is full")]
    writer = writing(journal, [])
    writer.record(Outcome(1, "p", Phase.DONE, 1, 5.0), None)
    until(lambda: journal.runs("p"))
    writer.stop()

    assert 2 == len(journal.seen)


def test_a_replica_that_is_fenced_does_not_go_on_trying(journal: Failing) -> None:
    told = list[object]()
    journal.errors = [Transient("no answer"), Fenced("taken for dead"), Fenced("taken for dead")]
    writer = writing(journal, told)
    future = writer.accept([], ("i", "7"))
    with pytest.raises(Transient):
        future.result(10)
    until(lambda: len(told) == 2)
    time.sleep(0.3)
    writer.stop()

    assert 2 == len(journal.seen)
    assert [Transient, Fenced] == [type(one) for one in told]
