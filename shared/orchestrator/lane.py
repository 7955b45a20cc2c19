"""The queue before one process: what may start there now, and what has to wait for a slot, a token, a pause or a key.

Pure: time is passed in (seconds of a monotonic clock), nothing sleeps, and whoever calls holds the lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shared.orchestrator.event import Event
from shared.orchestrator.graph import Route
from shared.orchestrator.policy import Breaker, Policy

ROUNDING = 1e-6
"""The part of a token that sums of floats may lack."""


@dataclass(slots=True, eq=False)
class Underway:
    """An open event in memory. `missing` counts, per stop of its route, the stops before it that are not done."""

    id: int
    key: str
    event: Event
    route: Route
    at: float
    suspect: bool
    """A replica ended while it had this event: an attempt is written down before it begins."""
    missing: list[int]
    left: int
    """Stops that are neither done nor given up."""
    stuck: bool = False
    """Some stop is dead."""
    held: dict[int, Job] = field(default_factory=dict)
    """Jobs that wait for other stops of this event, by the number of their stop."""


@dataclass(slots=True, eq=False)
class Job:
    """A stop of an event that is waited for, or at work."""

    underway: Underway
    stop: int
    lane: Lane
    attempt: int = 1
    key: str | None = None
    began: float = 0.0
    fault: str = ""
    """Why it can never start."""
    deaths: int = 0
    """How often in a row the dispatcher has ended while this ran."""

    @property
    def on_its_last(self) -> bool:
        """Whether one more end of the dispatcher makes it a dead letter."""
        return self.deaths >= self.lane.policy.retry.deaths - 1


@dataclass
class Tally:
    """What a process has done since the dispatcher began."""

    started: int = 0
    done: int = 0
    failed: int = 0
    dead: int = 0
    seconds: float = 0.0
    last_error: str = ""
    last_at: float = 0.0


@dataclass(eq=False)
class Lane:
    """`pending` counts all pairs of this process that are not final, wherever they are."""

    name: str
    policy: Policy
    order: Callable[[Event], str] | None = None
    paused: bool = False
    closed: bool = False
    """The process is no longer part of the graph."""
    ready: deque[Job] = field(default_factory=deque)
    running: int = 0
    pending: int = 0
    later: int = 0
    tally: Tally = field(default_factory=Tally)
    queued: bool = False
    tokens: float = 0.0
    filled: float = 0.0
    failures: int = 0
    asleep_until: float = 0.0
    trial: bool = False
    timer: float = 0.0
    """When somebody looks after this lane next."""
    keys: dict[str, deque[Job]] = field(default_factory=dict)

    def may_start(self, now: float) -> bool:
        if not self.ready or self.paused or self.running >= self.policy.concurrency:
            return False
        if self.asleep_until > now or (self.trial and self.running):
            return False
        return self.policy.rate is None or self._token(now)

    def start(self) -> Job:
        """The next job; `may_start` was true."""
        job = self.ready.popleft()
        self.running += 1
        self.tally.started += 1
        if self.policy.rate is not None:
            self.tokens -= 1
        return job

    def put_back(self) -> None:
        """What `start` gave has not begun."""
        self.running -= 1
        self.tally.started -= 1

    def wakes_at(self, now: float) -> float | None:
        """When a lane that has work and slots, and may not start, may."""
        if not self.ready or self.paused or self.running >= self.policy.concurrency:
            return None
        if self.asleep_until > now:
            return self.asleep_until
        rate = self.policy.rate
        if rate is not None and self.tokens < 1:
            return now + (1 - self.tokens) * rate.seconds / rate.starts
        return None

    def ended(self, now: float, *, well: bool) -> None:
        """A slot is free; a row of failures opens the breaker."""
        self.running -= 1
        breaker = self.policy.breaker
        if breaker is None:
            return
        if well:
            self.failures, self.trial = 0, False
            return
        self.failures += 1
        if self.trial or self.failures >= breaker.failures:
            self._open(breaker, now)

    def _open(self, breaker: Breaker, now: float) -> None:
        self.asleep_until = now + breaker.cool_down
        self.trial = True

    @property
    def broken(self) -> bool:
        """The breaker is open, or one attempt is to decide whether it closes."""
        return self.trial

    def enter(self, job: Job) -> bool:
        """Whether the job, all before it being done, may be ready: with an order, only the first of its key."""
        if job.key is None:
            return True
        line = self.keys[job.key]
        return bool(line) and line[0] is job

    def line_up(self, job: Job) -> None:
        """Give a job its place among those of the same key, as the events came."""
        if self.order is not None:
            job.key = self.order(job.underway.event)
            self.keys.setdefault(job.key, deque()).append(job)

    def leave_line(self, job: Job) -> Job | None:
        """A job is final: the next of its key, if it waits for nothing else."""
        if job.key is None:
            return None
        line = self.keys[job.key]
        first = line[0] is job
        line.remove(job)
        if not line:
            del self.keys[job.key]
            return None
        following = line[0]
        return following if first and not following.underway.missing[following.stop] else None

    def _token(self, now: float) -> bool:
        rate = self.policy.rate
        assert rate is not None
        if not self.filled:
            self.tokens, self.filled = float(rate.starts), now
        gained = max(0.0, now - self.filled) * rate.starts / rate.seconds
        self.tokens, self.filled = min(float(rate.starts), self.tokens + gained), now
        return self.tokens >= 1 - ROUNDING
