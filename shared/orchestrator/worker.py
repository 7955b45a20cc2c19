"""The threads in which processes run, and the watch over those that take too long."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

from shared.common.ports import Clock
from shared.orchestrator.doors import Run
from shared.orchestrator.faults import TimedOut
from shared.orchestrator.journal import Phase
from shared.orchestrator.lane import Job
from shared.orchestrator.verdict import Verdict

OVERTIME = 5.0
"""Seconds between asking a process to stop (`Run.cancelled`) and going on without it; more than `Run.last_words`."""
ENDING = 5.0
"""The last seconds of `grace` at most, in which what still runs is ended."""


class Work(Protocol):
    """What a crew does; see `Supervisor`."""

    clock: Clock
    lock: threading.RLock

    def next_job(self) -> Job | None: ...

    def announced(self, job: Job) -> bool: ...

    def put_back(self, job: Job) -> None: ...

    def perform(self, job: Job, run: Run) -> tuple[Any, BaseException | None]: ...

    def judged(self, job: Job, status: Any, error: BaseException | None) -> Verdict: ...

    def ended(self, job: Job, seconds: float, verdict: Verdict) -> None: ...

    def gave_back(self, job: Job, seconds: float, logs: str) -> None: ...


@dataclass(slots=True, eq=False)
class Running:
    job: Job
    run: Run
    deadline: float
    stopped: bool = False
    """It was asked to stop because the dispatcher ends."""


class Crew:
    """A fixed number of workers; one that hangs is replaced."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._call = threading.Condition(work.lock)
        self._idle = 0
        self._hired = 0
        self._ending = False
        self.running: dict[Job, Running] = {}

    def hire(self, number: int) -> None:
        for _ in range(number):
            self._hired += 1
            threading.Thread(target=self._labour, name=f"dispatch-{self._hired}", daemon=True).start()

    def call(self, number: int) -> None:
        """Up to `number` workers look for a job; the lock is held."""
        if number > 0 and self._idle:
            self._call.notify(min(number, self._idle))

    def watch(self, now: float) -> None:
        """Ask whoever is over time to stop, and go on without who does not; the lock is held."""
        for one in list(self.running.values()):
            if now < one.deadline:
                continue
            one.run.cancelled.set()
            if now >= one.deadline + OVERTIME:
                self._abandon(one)
                error = TimedOut(one.run.timeout or 0.0)
                verdict = self._work.judged(one.job, None, error)
                self._work.ended(one.job, now - one.job.began, verdict)

    def abandon_all(self) -> None:
        """What runs belongs to somebody else now; the lock is held."""
        for one in list(self.running.values()):
            one.run.cancelled.set()
            self._abandon(one)

    def dismiss(self, grace: float) -> bool:
        """No new jobs; wait for those at work, and end them before `grace` is over. False when some do not end.

        What has to be ended is given back: it did nothing wrong, so its attempt does not count.
        """
        ending = min(ENDING, grace / 4)
        with self._call:
            self._ending = True
            self._call.notify_all()
            if self._call.wait_for(lambda: not self.running, grace - ending):
                return True
            for one in self.running.values():
                one.stopped, one.run.last_words = True, ending / 2
                one.run.cancelled.set()
            self._call.wait_for(lambda: not self.running, max(ending, 0.5))
            now, left = self._work.clock.monotonic(), list(self.running.values())
            for one in left:
                self._abandon(one)
                self._work.gave_back(one.job, now - one.job.began, "")
            return not left

    def _abandon(self, one: Running) -> None:
        del self.running[one.job]
        self.hire(1)

    def _labour(self) -> None:
        work = self._work
        while True:
            with self._call:
                job = work.next_job()
                while job is None:
                    if self._ending:
                        return
                    self._idle += 1
                    self._call.wait()
                    self._idle -= 1
                    job = work.next_job()
                one = self._begin(job)
            if job.underway.suspect:
                announced = work.announced(job)
                with self._call:
                    if job not in self.running:
                        return
                    if not announced:
                        work.put_back(job)
                        self._leave(job)
                        continue
            status, error = work.perform(job, one.run)
            seconds = work.clock.monotonic() - job.began
            verdict = work.judged(job, status, error)
            with self._call:
                if job not in self.running:
                    return  # somebody gave it up, and hired another worker
                if one.stopped and verdict.phase is not Phase.DONE and seconds < job.lane.policy.timeout:
                    work.gave_back(job, seconds, verdict.logs)
                else:
                    work.ended(job, seconds, verdict)
                self._leave(job)

    def _leave(self, job: Job) -> None:
        del self.running[job]
        if self._ending and not self.running:
            self._call.notify_all()

    def _begin(self, job: Job) -> Running:
        policy = job.lane.policy
        run = Run(job.lane.name, f"{job.underway.key}:{job.lane.name}", job.attempt, policy.timeout)
        one = self.running[job] = Running(job, run, job.began + policy.timeout)
        return one
