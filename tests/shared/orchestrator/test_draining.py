"""The end of a dispatcher: what it has to end is given back, uncounted, within `grace`."""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path

import pytest

from shared.common.errors import Transient
from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import TimedOut
from shared.orchestrator.journal import Batch, Phase, Standing
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.processes.command import Command
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.running import Remembering, until
from tests.shared.orchestrator.test_supervisor import raising

ONCE = Retry(attempts=1)


class Deaf:
    """A function that hears nothing, for longer than anybody waits."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.end = threading.Event()

    def execute(self, event: Event, run: Run) -> None:
        self.began.set()
        self.end.wait(30)


class Patient(Deaf):
    """One that ends when it is asked to."""

    def execute(self, event: Event, run: Run) -> None:
        self.began.set()
        run.cancelled.wait(30)
        raise TimedOut(run.timeout or 0.0, logs="as far as it came")


def stubborn(begun: Path) -> Command:
    """A command that does not end on SIGTERM."""
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"open({str(begun)!r}, 'w').close(); print('begun', flush=True); time.sleep(30)"
    )
    return Command("p", (sys.executable, "-c", code), {})


def built(process: Process, folder: Path, *, timeout: float = 60) -> Orchestrator:
    one = Orchestrator(SqliteJournal(folder / "j.db"), limits=Limits(concurrency=2))
    one.add_input("i", raising(1, keys=["k"]))
    one.add_process("p", process, policy=Policy(retry=ONCE, timeout=timeout))
    one.link("i", "p")
    return one


@pytest.mark.parametrize("kind", ["a function that is deaf", "a function that hears", "a command"])
def test_what_does_not_end_within_grace_is_given_back(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No attempt is used up, so that a process with a single one does not die of every deploy."""
    begun = tmp_path / "begun"
    function = Deaf() if "deaf" in kind else Patient()
    process: Process = stubborn(begun) if kind == "a command" else function
    one = built(process, tmp_path)
    one.start()
    until(lambda: begun.exists() or function.began.is_set())
    at = time.monotonic()
    with caplog.at_level(logging.WARNING, "sluice.dispatch"):
        quiet = one.stop(1.0)
    took = time.monotonic() - at
    archive = SqliteJournal(tmp_path / "j.db")
    counts, (run,) = archive.counts(), archive.runs("p")

    assert ("deaf" not in kind) is quiet
    assert took < 4, took  # what it would take without an end is 30 s
    assert {Standing.OPEN: 1, Standing.DONE: 0, Standing.DEAD: 0} == counts
    assert (Phase.RETRY, 0) == (run.phase, run.attempt)
    assert run.error.startswith("the dispatcher was stopped before this was done")
    assert ["p, event 1, attempt 1: given back"] == [text.partition(" after")[0] for text in caplog.messages]
    seen = Remembering()
    with built(seen, tmp_path) as two:
        two.run(timeout=20)

    assert [1] == [again.attempt for again in seen.runs]
    assert {Standing.OPEN: 0, Standing.DONE: 1, Standing.DEAD: 0} == archive.counts()
    archive.close()
    function.end.set()


def test_what_is_over_its_own_time_while_the_dispatcher_ends_has_failed(tmp_path: Path) -> None:
    """Its timeout is shorter than what is left of grace."""
    begun = tmp_path / "begun"
    one = built(stubborn(begun), tmp_path, timeout=1.0)
    one.start()
    until(begun.exists)
    one.stop(20)
    archive = SqliteJournal(tmp_path / "j.db")
    (run,) = archive.runs("p")
    archive.close()

    assert (Phase.DEAD, 1, "process took longer than 1 s") == (
        run.phase, run.attempt, run.error.splitlines()[0],
    )  # fmt: skip


def crashed(folder: Path) -> None:
    """What a dispatcher that was killed leaves behind: an event that is watched."""
    one = built(Remembering(), folder)
    one.pause("p")
    one.start()
    until(lambda: one.supervisor.journal.counts()[Standing.OPEN])
    with one.supervisor.journal._writing() as connection:  # type: ignore[attr-defined]
        connection.execute("UPDATE event SET crashes = 1")
    one.stop(1)


def test_an_attempt_that_was_given_back_is_no_end_of_the_dispatcher(tmp_path: Path) -> None:
    """However often it is stopped while it runs: only when it is killed that counts."""
    crashed(tmp_path)
    for _ in range(4):
        patient = Patient()
        one = built(patient, tmp_path)
        one.start()
        until(patient.began.is_set)
        one.stop(0.2)
    archive = SqliteJournal(tmp_path / "j.db")
    counts, (run,) = archive.counts(), archive.runs("p")
    archive.close()

    assert 1 == counts[Standing.OPEN]
    assert (Phase.RETRY, 0, 0, "as far as it came") == (run.phase, run.attempt, run.deaths, run.logs)


class Refusing(SqliteJournal):
    """A journal that cannot write the beginning of an attempt some times."""

    times = 3

    def write(self, batch: Batch) -> list[int]:
        if self.times and any(one.phase is Phase.STARTED for one in batch.outcomes):
            self.times -= 1
            raise Transient("the journal cannot be written: database or disk is full")
        return super().write(batch)


def test_an_attempt_whose_beginning_cannot_be_written_begins_later(tmp_path: Path) -> None:
    """No worker is lost of it, and nothing begins that is not written."""
    crashed(tmp_path)
    journal, seen = Refusing(tmp_path / "j.db"), Remembering()
    one = Orchestrator(journal, limits=Limits(concurrency=1))
    one.add_process("p", seen, policy=Policy(retry=ONCE))
    with one:
        one.run(timeout=20)

    assert (0, 1) == (journal.times, len(seen.runs))


def test_what_cannot_be_announced_holds_no_end_up(tmp_path: Path) -> None:
    """As long as the journal cannot be written it is not at work, so nobody waits for it."""
    crashed(tmp_path)
    journal, seen = Refusing(tmp_path / "j.db"), Remembering()
    journal.times = -1
    one = Orchestrator(journal, limits=Limits(concurrency=1))
    one.add_process("p", seen, policy=Policy(retry=ONCE))
    one.start()
    until(lambda: journal.times < -2)
    at = time.monotonic()

    assert one.stop(20)
    assert time.monotonic() - at < 15
    assert [] == seen.runs
