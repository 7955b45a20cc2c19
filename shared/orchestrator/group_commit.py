"""Puts what many threads have to write into few transactions: while one waits for the disk, the next one fills up.

What is accepted is waited for by whoever hands it over; outcomes are not, they come back through `on_written`. When the
journal cannot be written, those who wait hear it, and outcomes are kept and written again: nothing that was done is
forgotten while this process lives.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from shared.common.errors import Transient
from shared.orchestrator.faults import Fenced
from shared.orchestrator.journal import Accept, Batch, Journal, Outcome, Standing

LOG = logging.getLogger("sluice.dispatch")
MOST = 2000
"""Records of a transaction: enough to be quick, few enough that nobody waits long."""
PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
PROBE = ""
"""The bookmark of no input: written to learn whether the journal can be written again, where nothing else waits."""

Taken = Future[list[int]]
Written = Callable[[list[tuple[Accept, int]], list[tuple[Outcome, Any]]], None]


class Submission:
    """What somebody waits for: what is handed over, and where the numbers of its events go."""

    __slots__ = ("accepts", "beginning", "bookmark", "future")

    def __init__(
        self,
        accepts: list[Accept],
        bookmark: tuple[str, str] | None = None,
        beginning: Outcome | None = None,
    ) -> None:
        self.accepts = accepts
        self.bookmark = bookmark
        self.beginning = beginning
        self.future: Taken = Future()


class GroupCommit:
    """One thread that writes. `on_written` runs in it, after each commit, before those who wait are told."""

    def __init__(
        self,
        journal: Journal,
        *,
        on_written: Written,
        on_trouble: Callable[[Transient | None], None],
        on_fenced: Callable[[Fenced], None],
    ) -> None:
        self._journal = journal
        self._on_written = on_written
        self._on_trouble = on_trouble
        self._on_fenced = on_fenced
        self._condition = threading.Condition()
        self._submissions: list[Submission] = []
        self._outcomes: list[tuple[Outcome, Any]] = []
        self._closings: list[tuple[int, Standing]] = []
        self._busy = False
        self._ending = False
        self._failures = 0
        self._thread = threading.Thread(target=self._work, name="dispatch-journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def accept(self, accepts: list[Accept], bookmark: tuple[str, str] | None = None) -> Taken:
        """The numbers of the events once they are durable (0 for known ones), or the error of the journal."""
        return self._submit(Submission(accepts, bookmark))

    def begin(self, outcome: Outcome) -> Taken:
        """Write that an attempt begins; it may begin once the future is done."""
        return self._submit(Submission([], beginning=outcome))

    def _submit(self, one: Submission) -> Taken:
        with self._condition:
            if self._ending:
                one.future.set_exception(Transient("the dispatcher is ending"))
                return one.future
            self._submissions.append(one)
            self._condition.notify()
        return one.future

    def record(self, outcome: Outcome, token: Any) -> None:
        """Write what came of an attempt; `token` comes back with it."""
        with self._condition:
            self._outcomes.append((outcome, token))
            self._condition.notify()

    def close_events(self, closings: list[tuple[int, Standing]]) -> None:
        with self._condition:
            self._closings += closings
            self._condition.notify()

    def idle(self) -> bool:
        with self._condition:
            return not (self._submissions or self._outcomes or self._closings or self._busy)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was handed over is written; False when that takes too long."""
        with self._condition:
            return self._condition.wait_for(
                lambda: not (self._submissions or self._outcomes or self._closings or self._busy), timeout
            )

    def forget(self) -> None:
        """Drop what is not written: it belongs to somebody else now."""
        with self._condition:
            self._outcomes.clear()
            self._closings.clear()

    def stop(self) -> None:
        with self._condition:
            self._ending = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                while not (self._submissions or self._outcomes or self._closings or self._failures):
                    if self._ending:
                        return
                    self._condition.wait()
                submissions, outcomes, closings = self._grab()
                self._busy = bool(submissions or outcomes or closings)
                if self._ending and not self._busy:
                    return
            self._write(submissions, outcomes, closings)

    def _grab(
        self,
    ) -> tuple[list[Submission], list[tuple[Outcome, Any]], list[tuple[int, Standing]]]:
        submissions, size = [], 0
        while self._submissions and size < MOST:
            one = self._submissions.pop(0)
            submissions.append(one)
            size += len(one.accepts)
        outcomes, self._outcomes = self._outcomes[:MOST], self._outcomes[MOST:]
        closings, self._closings = self._closings[:MOST], self._closings[MOST:]
        return submissions, outcomes, closings

    def _write(
        self,
        submissions: list[Submission],
        outcomes: list[tuple[Outcome, Any]],
        closings: list[tuple[int, Standing]],
    ) -> None:
        batch = Batch(
            [accept for one in submissions for accept in one.accepts],
            [
                *(one.beginning for one in submissions if one.beginning is not None),
                *(outcome for outcome, _ in outcomes),
            ],
            closings,
            dict(one.bookmark for one in submissions if one.bookmark),
        )
        if not batch and not submissions:
            batch.bookmarks[PROBE] = str(self._failures)
        try:
            numbers = self._journal.write(batch)
        except Fenced as error:
            for one in submissions:
                one.future.set_exception(Transient(str(error)))
            self._failures = 0  # it is not the journal that has to recover
            self._on_fenced(error)
            return
        except Exception as error:  # noqa: BLE001 - those who wait must hear it, whatever it is
            self._failed(error, submissions, outcomes, closings)
            return
        if self._failures:
            self._failures = 0
            self._on_trouble(None)
        self._on_written(list(zip(batch.accepts, numbers, strict=True)), outcomes)
        place = 0
        for one in submissions:
            one.future.set_result(numbers[place : place + len(one.accepts)])
            place += len(one.accepts)

    def _failed(
        self,
        error: Exception,
        submissions: list[Submission],
        outcomes: list[tuple[Outcome, Any]],
        closings: list[tuple[int, Standing]],
    ) -> None:
        if not isinstance(error, Transient):
            LOG.error("the journal refused a batch: %s", error, exc_info=error)
            error = Transient(f"the journal refused a batch: {type(error).__name__}: {error}")
        for one in submissions:
            one.future.set_exception(error)
        self._on_trouble(error)
        with self._condition:
            self._outcomes[:0] = outcomes
            self._closings[:0] = closings
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            if not self._ending:
                self._condition.wait_for(lambda: self._ending, pause)
            elif self._failures > len(PAUSES):
                LOG.error("%d outcomes could not be written: they will be tried again", len(outcomes))
                self._outcomes.clear()
                self._closings.clear()
