"""Runs a graph: inputs and processes in threads, what they do in the journal, nothing lost between the two.

    input ── emit ──> group commit ──> journal          (durable: the input may acknowledge)
                            │
                          desk ──> lanes ──> workers ──> process.execute
                            ^                              │
                            └──────── group commit <───────┘   (what came of it is durable: the next stop may start)

What it promises: every pair of event and process is started at least once, with the same key each time. Durations are
counted by the monotonic clock, so that a jump of the wall clock neither holds anything up nor lets it run too early.
What it does not: that a Python function can be interrupted; one that does not return in time is left alone and its
result ignored.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.common.clock import SystemClock, random_token
from shared.common.errors import Transient
from shared.common.ports import Clock
from shared.orchestrator.configuration import Limits
from shared.orchestrator.desk import Desk
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Fenced
from shared.orchestrator.graph import Graph
from shared.orchestrator.group_commit import GroupCommit
from shared.orchestrator.intake import Intake
from shared.orchestrator.journal import Accept, Claimed, Outcome, Phase, Standing, Store
from shared.orchestrator.lane import Job
from shared.orchestrator.policy import Chance
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.taking import HELD_UP, TICK, Taking
from shared.orchestrator.verdict import Verdict, clean, judge
from shared.orchestrator.worker import Crew

LOG = logging.getLogger("sluice.dispatch")
HOUSEKEEPING = 5.0


class Supervisor:
    """One running dispatcher. `start`, `change` as often as one likes, `drain`."""

    def __init__(
        self,
        journal: Store,
        *,
        limits: Limits | None = None,
        around: Surroundings | None = None,
        clock: Clock | None = None,
        chance: Chance = random.random,
        token: str = "",
    ) -> None:
        self.journal = journal
        self.limits = limits or Limits()
        self.around = around or Surroundings()
        self.clock = clock or SystemClock()
        self._chance = chance
        self.lock = threading.RLock()
        self._alarm = threading.Condition(self.lock)
        self.desk = Desk()
        self.graph = Graph.build([], [], [])
        self.processes: dict[str, Process] = {}
        self.trouble: Transient | None = None
        self.draining = False
        self._registered = True
        self._alarm_at = 0.0
        self.recent: dict[str, deque[Outcome]] = {}
        self.writer = GroupCommit(
            journal, on_written=self._written, on_trouble=self._troubled, on_fenced=self._fenced
        )
        self.taking = Taking(self, token or random_token(12), wake=self._alarm.notify_all)
        self.crew = Crew(self)
        self.intake = Intake(self)
        self._ticker = threading.Thread(target=self._tick, name="dispatch-ticker", daemon=True)

    def start(self, graph: Graph) -> None:
        """Open the journal, go on where it stands, and begin. Raises `Misconfigured` before anything began."""
        opened = self._opened(graph)
        self.journal.open()
        self.writer.start()
        with self.lock:
            self._arrange(graph, opened)
        self._claim()
        self.crew.hire(self.limits.concurrency)
        self._ticker.start()
        self.intake.arrange(graph)

    def check(self, graph: Graph) -> None:
        """Raises `Misconfigured` when a process of the graph cannot be opened."""
        self._opened(graph)

    def change(self, graph: Graph) -> None:
        """Go on with another graph. Events under way keep the way that they had when they were taken.

        Raises `Misconfigured` when a process cannot be opened; all is as it was then.
        """
        opened = self._opened(graph)
        with self.lock:
            self._arrange(graph, opened)
            self.crew.call(len(self.desk.lanes))
        self._bury()
        self.intake.arrange(graph)

    def drain(self, grace: float | None = None) -> bool:
        """Take nothing new, let what runs end, write it down and leave. False when something had to be left running."""
        grace = self.limits.grace if grace is None else grace
        with self.lock:
            self.draining = True
            self.taking.room.notify_all()
            self._alarm.notify_all()
        until = self.clock.monotonic() + grace
        self.intake.ask_to_stop()
        quiet = self.crew.dismiss(grace)
        self.intake.stop(max(until - self.clock.monotonic(), 1.0))
        self.writer.flush(max(grace, 5.0))
        self.writer.stop()
        with self.lock:
            self._alarm.notify_all()
        if self._ticker.is_alive():
            self._ticker.join(timeout=10)
        self.journal.close()
        return quiet

    def idle(self) -> bool:
        """Whether every input has returned and every event has come to an end."""
        with self.lock:
            taking = self.taking
            busy = self.desk.open or taking.behind or taking.lined_up or taking.spilling or self.desk.lost
        return not busy and self.intake.done() and self.writer.idle()

    def emit(
        self,
        source: str,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
        stopping: threading.Event | None = None,
    ) -> int:
        """See `Outlet.emit`."""
        return self.taking.emit(
            source, events, keys=keys, bookmark=bookmark, patience=patience, stopping=stopping
        )

    def next_job(self) -> Job | None:
        """What a worker shall do now; the lock is held."""
        if self.draining or self.trouble is not None:
            return None
        now = self.clock.monotonic()
        job = self.desk.take(now)
        if job is None:
            self._look_at_alarm(now)  # a lane that waits for a token or its breaker has set a timer
        return job

    def announced(self, job: Job) -> bool:
        """Write down that an attempt begins whose event a dispatcher died with; False when that cannot be written."""
        underway = job.underway
        began = Outcome(
            underway.id, job.lane.name, Phase.STARTED, job.attempt, self.clock.now().timestamp(),
            error="the dispatcher ended while this ran", deaths=job.deaths,
        )  # fmt: skip
        try:
            self.writer.begin(began).result()
        except Transient:
            return False  # told by `_troubled` or `_fenced`
        return True

    def put_back(self, job: Job) -> None:
        """A job that was taken has not begun; the lock is held."""
        self.desk.put_back(job)

    def perform(self, job: Job, run: Run) -> tuple[Any, BaseException | None]:
        """One attempt; what the process returned or raised."""
        try:
            return self.processes[job.lane.name].execute(job.underway.event, run), None
        except BaseException as error:  # noqa: BLE001 - a process may raise anything, and nothing of it may end a worker
            return None, error

    def ended(self, job: Job, seconds: float, verdict: Verdict) -> None:
        """An attempt is over: write down what came of it; the desk hears of it when that is durable."""
        at = self.clock.now().timestamp()
        outcome = Outcome(
            job.underway.id, job.lane.name, verdict.phase, job.attempt, at,
            seconds=seconds,
            due=at + verdict.pause if verdict.phase is Phase.RETRY else 0.0,
            error=verdict.error,
            logs=verdict.logs,
        )  # fmt: skip
        with self.lock:
            self.desk.ended(job, self.clock.monotonic(), well=verdict.phase is Phase.DONE)
            self._tell(job, outcome)
        self.writer.record(outcome, (job, verdict.pause))

    def gave_back(self, job: Job, seconds: float, logs: str) -> None:
        """An attempt was ended with the dispatcher: the pair is open again, and the attempt does not count."""
        error = "the dispatcher was stopped before this was done: it begins again at the next start"
        at = self.clock.now().timestamp()
        outcome = Outcome(
            job.underway.id, job.lane.name, Phase.RETRY, job.attempt - 1, at, seconds=seconds, error=error, logs=logs
        )  # fmt: skip
        with self.lock:
            self.desk.gave_back(job)
            where = {"process": outcome.process, "event": outcome.event, "attempt": job.attempt}
            LOG.warning(
                "%s, event %d, attempt %d: given back after %.1f s, as the dispatcher ends",
                *(*where.values(), seconds), extra={"where": where},
            )  # fmt: skip
        self.writer.record(outcome, (job, 0.0))

    def _tell(self, job: Job, outcome: Outcome) -> None:
        tally = job.lane.tally
        tally.seconds += outcome.seconds
        tally.last_at = outcome.at
        if outcome.phase is Phase.DONE:
            tally.done += 1
        else:
            tally.failed += 1
            tally.dead += outcome.phase is Phase.DEAD
            tally.last_error = outcome.error
            where = {"process": outcome.process, "event": outcome.event, "attempt": outcome.attempt}
            LOG.warning(
                "%s, event %d, attempt %d: %s", *where.values(), outcome.error, extra={"where": where}
            )
        self.recent.setdefault(outcome.process, deque(maxlen=50)).append(outcome)

    def judged(self, job: Job, status: Any, error: BaseException | None) -> Verdict:
        verdict = judge(
            status, error, attempt=job.attempt, retry=job.lane.policy.retry, chance=self._chance()
        )
        masked = self.around.masked
        return replace(verdict, error=masked(verdict.error), logs=masked(verdict.logs))

    def _written(self, accepts: list[tuple[Accept, int]], outcomes: list[tuple[Outcome, Any]]) -> None:
        """The journal has it: now it counts."""
        closings: list[tuple[int, Standing]] = []
        with self.lock:
            now = self.clock.monotonic()
            for accept, number in accepts:
                if not number:
                    continue
                if not accept.mine:
                    self.taking.spilled += 1
                    continue
                claimed = Claimed(number, accept.key, accept.event, accept.route, accept.at)
                self._admit(claimed, now, accept.at, closings)
            for outcome, (job, pause) in outcomes:
                standing = self.desk.settle(job, outcome.phase, now, pause=pause)
                if standing is not None:
                    closings.append((job.underway.id, standing))
            self._look_at_alarm(now)
            self.crew.call(len(accepts) + len(outcomes))
            if outcomes:
                self.taking.room.notify_all()
        if closings:
            self.writer.close_events(closings)
        self._bury()

    def _admit(self, claimed: Claimed, now: float, wall: float, closings: list[tuple[int, Standing]]) -> None:
        standing = self.desk.admit(claimed, now, wall)
        if standing is not None:
            closings.append((claimed.id, standing))

    def _bury(self) -> None:
        """What can never start becomes a dead letter: its process is gone, or its filter failed."""
        with self.lock:
            lost, self.desk.lost = self.desk.lost, []
        at = self.clock.now().timestamp()
        for job in lost:
            error = job.fault or f'unknown process "{job.lane.name}"'
            job.lane.tally.dead += 1
            outcome = Outcome(job.underway.id, job.lane.name, Phase.DEAD, job.attempt, at, error=clean(error))
            self.writer.record(outcome, (job, 0.0))

    def _claim(self) -> None:
        """Fill the window with events that belong to nobody, the oldest first."""
        while not self.draining:
            with self.lock:
                room = min(self.limits.window - len(self.desk.open), 1000)
                spilling, self.taking.looked = self.taking.spilling, self.taking.left
            if room <= 0:
                return
            claimed = self.journal.claim(room)
            closings: list[tuple[int, Standing]] = []
            with self.lock:
                now, wall = self.clock.monotonic(), self.clock.now().timestamp()
                for one in claimed:
                    self._admit(one, now, wall, closings)
                self.taking.found(len(claimed), all_of_it=len(claimed) < room and not spilling)
                self.crew.call(len(claimed))
            if closings:
                self.writer.close_events(closings)
            self._bury()
            if len(claimed) < room:
                return

    def _tick(self) -> None:
        """Timers, timeouts, the journal's heartbeat and its housekeeping."""
        looked = kept = self.clock.monotonic()
        while not self.draining:
            with self.lock:
                now = self.clock.monotonic()
                due = self.desk.wake(now)
                self.crew.call(len(self.desk.lanes))
                self.crew.watch(now)
                self._alarm_at = min(due if due is not None else now + TICK, now + TICK)
            try:
                if not self._registered:
                    self._register()
                if self.taking.behind or self.taking.lined_up or now - looked >= TICK:
                    looked = now
                    self._claim()
                if now - kept >= min(HOUSEKEEPING, self.journal.lease / 4):
                    kept = now
                    self._keep_house()
            except Fenced as error:
                self._fenced(error)
            except Transient as error:
                LOG.warning("the journal: %s", error)
            self._bury()
            with self.lock:
                pause = self._alarm_at - self.clock.monotonic()
                if not self._registered:
                    pause = TICK
                elif self.taking.news:
                    pause = 0.0
                elif self.taking.lined_up:
                    pause = min(pause, HELD_UP)
                if pause > 0 and not self.draining:
                    self._alarm.wait(pause)

    def _keep_house(self) -> None:
        self.journal.beat()
        for _ in range(10):
            if self.journal.trim(self.limits.keep_events) < 2000:
                return

    def _look_at_alarm(self, now: float) -> None:
        """A timer that is due before the ticker wakes up must wake it."""
        due = self.desk.next_due()
        if due is not None and due < self._alarm_at:
            self._alarm_at = due
            self._alarm.notify_all()

    def _troubled(self, error: Transient | None) -> None:
        """While the journal cannot be written nothing new is started, as its outcome could not be kept."""
        with self.lock:
            before, self.trouble = self.trouble, error
            if error is None:
                LOG.warning("the journal can be written again")
                self.crew.call(self.limits.concurrency)
            elif before is None:
                LOG.error("nothing new is started: %s", error)

    def _fenced(self, error: Fenced) -> None:
        """Others have our events now: forget them, and begin anew as a new replica."""
        LOG.error("%s", error)
        with self.lock:
            self.crew.abandon_all()
            fresh = Desk()
            fresh.arrange(self.graph)
            self.desk, self.taking.behind, self.taking.spilled = fresh, True, 0
            self.writer.forget()
            self._registered = False
            self.trouble = Transient("this replica has to register again")
            self._alarm_at = 0.0
            self._alarm.notify_all()

    def _register(self) -> None:
        """After `_fenced`; until it works nothing is started."""
        self.journal.open()
        with self.lock:
            self._registered, self.trouble = True, None
            self.crew.call(self.limits.concurrency)

    def _opened(self, graph: Graph) -> dict[str, Process]:
        found = {}
        for name, node in graph.processes.items():
            known = self.graph.processes.get(name)
            keep = known is not None and known.mark == node.mark and known.mark and name in self.processes
            found[name] = self.processes[name] if keep else node.open(self.around)
        return found

    def _arrange(self, graph: Graph, opened: dict[str, Process]) -> None:
        self.graph, self.processes = graph, opened
        self.desk.arrange(graph)
