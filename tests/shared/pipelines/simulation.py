"""Drives a course in a time of its own: attempts last and end as a script says, nothing is waited for."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.runner.course import Course
from shared.pipelines.runner.orders import Begin, Cancel, Ticket
from shared.pipelines.runner.scope import RunFacts
from shared.pipelines.runner.states import Result
from shared.pipelines.values import resolve

START = datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
FACTS = RunFacts("r1", "p", "2026-11-20", "2026-11-20T10:15:00Z")


@dataclass(frozen=True)
class Act:
    """What an attempt does: lasts so long, then ends with the output or the error. `deaf`: not when told to."""

    seconds: float = 1.0
    output: Any = None
    error: str = ""
    deaf: bool = False


@dataclass
class Simulation:
    """A run of a plan; `begun` and `over` hold (time, key, attempt) of every attempt in order."""

    plan: Plan
    act: Callable[[str, int], Act] = lambda key, attempt: Act()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    most: int = 100
    kept: Mapping[str, Result] | None = None
    stop_at: float | None = None
    begun: list[tuple[float, str, int]] = field(default_factory=list)
    over: list[tuple[float, str, int]] = field(default_factory=list)
    payloads: dict[str, Any] = field(default_factory=dict)
    now: float = 0.0
    busiest: int = 0

    def run(self) -> Course:
        course = Course(
            self.plan,
            FACTS,
            parameters={p.name: p.default for p in self.plan.parameters} | dict(self.parameters),
            now=self.now,
            started=START,
            most=self.most,
            kept=self.kept,
        )
        coming: list[tuple[float, int, Ticket]] = []
        cut: set[Ticket] = set()
        reported: set[Ticket] = set()
        acts: dict[Ticket, Act] = {}
        number = itertools.count()
        for _ in range(100_000):
            for order in course.advance(self.now):
                match order:
                    case Begin(ticket, step, look_up):
                        self.begun.append((self.now, ticket.key, ticket.attempt))
                        payload = getattr(step.work, "payload", None) or getattr(step.work, "input", None)
                        self.payloads[ticket.key] = None if payload is None else resolve(payload, look_up)
                        acts[ticket] = self.act(ticket.key, ticket.attempt)
                        heapq.heappush(coming, (self.now + acts[ticket].seconds, next(number), ticket))
                    case Cancel(ticket) if not acts[ticket].deaf:
                        cut.add(ticket)
                        heapq.heappush(coming, (self.now, next(number), ticket))
            self.busiest = max(
                self.busiest, sum(phase in ("at work", "overdue") for _, phase, _ in course.at_work())
            )
            if course.is_over:
                return course
            times = [t for t in (course.wake_at(), self.stop_at) if t is not None] + [
                t for t, _, _ in coming[:1]
            ]
            assert times, "nothing will ever happen"
            self.now = max(self.now, min(times))
            if self.stop_at is not None and self.now >= self.stop_at:
                self.stop_at = None
                course.stop()
            while coming and coming[0][0] <= self.now:
                _, _, ticket = heapq.heappop(coming)
                if ticket in reported:
                    continue
                reported.add(ticket)
                self._report(course, ticket, acts[ticket], was_cut=ticket in cut)
        raise AssertionError("the run does not end")

    def _report(self, course: Course, ticket: Ticket, act: Act, *, was_cut: bool) -> None:
        self.over.append((self.now, ticket.key, ticket.attempt))
        if act.error or was_cut:
            course.broke(ticket, act.error or "was told to end", self.now)
        else:
            course.succeeded(ticket, act.output, self.now)
