"""What is to be done next: all open events in memory, and a lane before each process.

Pure and single-threaded: the supervisor holds a lock around each call and passes the time in. A stop of an event is
ready when all stops before it are done *and that is in the journal*; so the order of the graph holds across a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import count

from shared.common.errors import Violation
from shared.orchestrator.event import Event
from shared.orchestrator.filters import compiled, evaluate
from shared.orchestrator.graph import Graph, Link, Route, Stop
from shared.orchestrator.journal import Claimed, Outcome, Phase, Standing
from shared.orchestrator.lane import Job, Lane, Underway
from shared.orchestrator.policy import Policy

_FINAL = (Phase.DONE, Phase.DROPPED)
SOON = 1e-4
"""Seconds that a timer may be early."""


class Desk:
    """Admit events, take jobs, say how they ended."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.open: dict[int, Underway] = {}
        self._turn: deque[Lane] = deque()
        self._timers: list[tuple[float, int, Job | Lane]] = []
        self._count = count()
        self.lost: list[Job] = []
        """Jobs whose process is not in the graph (any more), or whose filter failed: they become dead letters."""
        self.passed: Counter[tuple[str, str]] = Counter()
        """How many events went along each link, by the names of its ends."""
        self._first: dict[tuple[str, str], Link] = {}
        self._alone: Job | None = None
        self._aside: list[Job] = []

    def arrange(self, graph: Graph) -> None:
        """Take the processes and policies of a graph over. What waits for a process that is gone goes to `lost`."""
        for name, node in graph.processes.items():
            lane = self.lanes.get(name)
            if lane is None or lane.closed:
                self.lanes[name] = lane = Lane(name, node.policy)
            lane.policy, lane.paused = node.policy, node.paused
            lane.order = _order(node.policy)
            self._offer(lane)
        self._first = {
            (link.source, link.target): link for link in graph.links if link.source in graph.inputs
        }
        for name in self.lanes.keys() - graph.processes.keys():
            lane = self.lanes.pop(name)
            lane.closed = True
            self.lost += lane.ready
            lane.ready.clear()

    def lines(self, event: Event, route: Route) -> tuple[int, ...]:
        """The numbers of the lines in which the event will stand: one for each order that a process keeps."""
        found = set[int]()
        for stop in route:
            lane = self.lanes.get(stop.process)
            if lane is not None and lane.order is not None:
                with contextlib.suppress(Violation):  # `_wait` makes a dead letter of it
                    found.add(_number(f"{lane.policy.order_by} {lane.order(event)}"))
        return tuple(sorted(found))

    def admit(self, claimed: Claimed, now: float, wall: float) -> Standing | None:
        """Begin with an event, or go on with it; returns how it is to be closed when there is nothing to do."""
        if claimed.id in self.open:
            return None
        known, done = _known(claimed)
        route = claimed.route
        missing = [sum(not done[before] for before in stop.after) for stop in route]
        left = len(route) - sum(done)
        underway = Underway(
            claimed.id, claimed.key, claimed.event, route, claimed.at, claimed.crashes > 0, missing, left
        )
        self.open[claimed.id] = underway
        for number, stop in enumerate(route):
            if not done[number]:
                self._wait(underway, number, known.get(stop.process), now, wall)
                if stop.process not in known and self._is_first(underway.event, stop):
                    self.passed[underway.event.trigger, stop.process] += 1
        return self._close(underway)

    def take(self, now: float) -> Job | None:
        """The next job to start, one lane after the other; None when nothing may start."""
        turn = self._turn
        while turn:
            lane = turn.popleft()
            lane.queued = False
            if not lane.may_start(now):
                self._sleep(lane, now)
                continue
            if self._set_aside(lane):
                continue
            job = lane.start()
            if job.on_its_last:
                self._alone = job
            if lane.ready:
                lane.queued = True
                turn.append(lane)
            job.began = now
            return job
        return None

    def ended(self, job: Job, now: float, *, well: bool) -> None:
        """An attempt is over and its slot is free; what came of it is settled when it is in the journal."""
        job.lane.ended(now, well=well)
        self._leave(job)

    def put_back(self, job: Job) -> None:
        """A job that was taken has not begun."""
        job.lane.put_back()
        self._ready(job)
        self._leave(job)

    def gave_back(self, job: Job) -> None:
        """A job was ended with the dispatcher: that says nothing about its process."""
        job.lane.running -= 1
        self._leave(job)

    def settle(self, job: Job, phase: Phase, now: float, *, pause: float = 0.0) -> Standing | None:
        """What came of an attempt is in the journal; returns how the event is to be closed when it is over."""
        underway, lane = job.underway, job.lane
        if phase is Phase.RETRY:
            job.attempt += 1
            self._later(job, now + pause)
            return None
        lane.pending -= 1
        if (following := lane.leave_line(job)) is not None:
            self._ready(following)
        if phase is Phase.DEAD:
            underway.stuck = True
            underway.left -= 1
        else:
            underway.left -= 1
            self._advance(underway, job.stop)
        return self._close(underway)

    def wake(self, now: float) -> float | None:
        """Put what is due into its lane; when to come again."""
        while self._timers and self._timers[0][0] <= now + SOON:
            _, _, one = heapq.heappop(self._timers)
            if isinstance(one, Lane):
                one.timer = 0.0
                self._offer(one)
            else:
                one.lane.later -= 1
                self._ready(one)
        return self.next_due()

    def next_due(self) -> float | None:
        return self._timers[0][0] if self._timers else None

    def pressed(self, processes: Iterable[str]) -> str:
        """The first of these processes before which too much waits; empty when there is none."""
        for name in processes:
            lane = self.lanes.get(name)
            if lane is not None and lane.pending >= lane.policy.max_pending:
                return name
        return ""

    def _set_aside(self, lane: Lane) -> bool:
        """On its last life a job runs while no other such job does.

        If the dispatcher ends then, the jobs that merely ran beside the one that ends it do not die with it.
        """
        if self._alone is None or not lane.ready[0].on_its_last:
            return False
        self._aside.append(lane.ready.popleft())
        self._offer(lane)
        return True

    def _leave(self, job: Job) -> None:
        """The slot of a job is free."""
        self._offer(job.lane)
        if job is self._alone:
            self._alone, aside, self._aside = None, self._aside, []
            for one in aside:
                self._ready(one)

    def _is_first(self, event: Event, stop: Stop) -> bool:
        """Whether a link leads from the event's input to this stop, and lets it pass."""
        if not stop.after:
            return True
        link = self._first.get((event.trigger, stop.process))
        if link is None:
            return False
        try:
            return link.filter.is_open or link.filter.lets_pass(event)
        except Violation:
            return False

    def _wait(self, underway: Underway, number: int, known: Outcome | None, now: float, wall: float) -> None:
        """Give a stop that is not done its place."""
        if known is not None and known.phase is Phase.DEAD:
            underway.stuck = True
            underway.left -= 1
            return
        stop = underway.route[number]
        lane = self.lanes.get(stop.process) or Lane(stop.process, Policy(), closed=True)
        job = Job(underway, number, lane, fault=stop.fault)
        due = _go_on(job, known) if known is not None else 0.0
        lane.pending += 1
        if not job.fault:
            try:
                lane.line_up(job)
            except Violation as error:
                job.fault = str(error)
        if underway.missing[number]:
            underway.held[number] = job
        elif due > wall and not job.fault:
            # Wall time may have jumped since: no pause is longer than the longest that the policy has.
            self._later(job, now + min(due - wall, lane.policy.retry.most))
        else:
            self._ready(job)

    def _advance(self, underway: Underway, done: int) -> None:
        if len(underway.route) == 1:
            return
        for number, stop in enumerate(underway.route):
            if done in stop.after:
                self.passed[underway.route[done].process, stop.process] += 1
                underway.missing[number] -= 1
                if not underway.missing[number] and (job := underway.held.pop(number, None)):
                    self._ready(job)

    def _ready(self, job: Job) -> None:
        if job.lane.closed and (lane := self.lanes.get(job.lane.name)):
            job.lane.pending -= 1
            lane.pending += 1
            job.lane, job.key = lane, None
        if job.lane.closed or job.fault:
            self.lost.append(job)
        elif job.lane.enter(job):
            job.lane.ready.append(job)
            self._offer(job.lane)

    def _later(self, job: Job, at: float) -> None:
        job.lane.later += 1
        heapq.heappush(self._timers, (at, next(self._count), job))

    def _offer(self, lane: Lane) -> None:
        if lane.ready and not lane.queued and not lane.paused:
            lane.queued = True
            self._turn.append(lane)

    def _sleep(self, lane: Lane, now: float) -> None:
        at = lane.wakes_at(now)
        if at is not None and not now < lane.timer <= at:
            lane.timer = at
            heapq.heappush(self._timers, (at, next(self._count), lane))

    def _close(self, underway: Underway) -> Standing | None:
        """How to close an event in which nothing can happen any more but by somebody's decision."""
        if underway.left and not (underway.stuck and underway.left == len(underway.held)):
            return None
        self.open.pop(underway.id, None)
        for job in underway.held.values():
            job.lane.pending -= 1
            if (following := job.lane.leave_line(job)) is not None:
                self._ready(following)
        return Standing.DEAD if underway.stuck else Standing.DONE


def _go_on(job: Job, known: Outcome) -> float:
    """Where the attempts of a job stand; when the next one may begin."""
    retry = job.lane.policy.retry
    if known.phase is not Phase.STARTED:
        job.attempt = known.attempt + 1
        return known.due
    job.attempt, job.deaths = known.attempt, known.deaths + 1
    if job.deaths >= retry.deaths and not job.fault:
        job.fault = (
            f"the dispatcher ended {job.deaths} times in a row while this ran (in attempt {job.attempt})\n"
            "see whether it is what ends it, or took its memory; then retry it"
        )
    return known.at + retry.pause(job.deaths, 0.0)


def _known(claimed: Claimed) -> tuple[dict[str, Outcome], list[bool]]:
    """What came of the stops so far, and which of them need nothing more; behind what was dropped nothing does."""
    known = {one.process: one for one in claimed.outcomes}
    done: list[bool] = []
    dropped = set[int]()
    for number, stop in enumerate(claimed.route):
        phase = known[stop.process].phase if stop.process in known else None
        if phase is Phase.DROPPED or dropped.intersection(stop.after):
            dropped.add(number)
        done.append(phase in _FINAL or number in dropped)
    return known, done


def _number(line: str) -> int:
    """64 bits that fit into every database; two lines of the same number would only wait for each other."""
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big", signed=True)


def _order(policy: Policy) -> Callable[[Event], str] | None:
    if not policy.order_by:
        return None
    expression = compiled(policy.order_by)

    def key(event: Event) -> str:
        return json.dumps(evaluate(expression, policy.order_by, event), sort_keys=True, default=str)

    return key
