"""The course of a run as a machine without threads, clock or I/O: told what happened and when, it says what to do
next.

Whoever drives it (threads.py; a simulation in the tests) calls `advance`, carries out the orders, reports how
attempts ended, and calls `advance` again then and at `wake_at`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from shared.common.errors import Misconfigured
from shared.common.instants import parse_instant
from shared.common.types import JSON
from shared.pipelines.conditions import holds
from shared.pipelines.plan import Plan
from shared.pipelines.runner.orders import Begin, Cancel, Ended, Order, Ticket
from shared.pipelines.runner.scope import RunFacts, Scope, looker
from shared.pipelines.runner.states import FAILURES, Result, State, Verdict, verdict
from shared.pipelines.step import ForEach, Step
from shared.pipelines.values import Reference, resolve
from shared.pipelines.work import Branch, Wait

GRACE_SECONDS = 30.0
"""How long an attempt that was told to end may take to do so; then it is left to itself."""


Phase = Literal["queued", "at work", "overdue", "resting", "waiting", "each"]


@dataclass(slots=True)
class _Active:
    """A step that has begun and not ended. `due` is when its phase is over by itself."""

    step: Step
    scope: Scope
    phase: Phase
    began: float
    look_up: Callable[[Reference], Any]
    attempt: int = 0
    due: float | None = None
    error: str = ""
    items: list[JSON] = field(default_factory=list)
    inner: list[Scope] = field(default_factory=list)


class Course:
    """A run of a plan. `most`: how many steps may be at work at once; `kept`: results of an earlier run, by key."""

    def __init__(
        self,
        plan: Plan,
        facts: RunFacts,
        *,
        parameters: Mapping[str, JSON],
        now: float,
        started: datetime,
        most: int = 8,
        kept: Mapping[str, Result] | None = None,
    ) -> None:
        self.plan = plan
        self.facts = facts
        self.parameters = dict(parameters)
        self.root = Scope("", plan.steps)
        self._kept = dict(kept or {})
        self._most = min(most, plan.max_parallel or most)
        self._slots = {pool.name: pool.slots for pool in plan.pools}
        self._zero = (now, started)
        self._deadline = None if plan.deadline_seconds is None else now + plan.deadline_seconds
        self._active: dict[str, _Active] = {}
        self._scopes = [self.root]
        self._ended: list[Ended] = []
        self._orders: list[Order] = []
        self._closed = ""
        self.is_stopping = False
        self._fill(self.root)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen: all has ended, or it was stopped and nothing is at work."""
        if self.is_stopping:
            return not any(one.phase in ("at work", "overdue") for one in self._active.values())
        return self.root.is_over

    @property
    def failed(self) -> list[str]:
        """The keys of the steps of the plan that failed, tolerated ones too."""
        return [name for name, result in self.root.results.items() if result.state in FAILURES]

    def wake_at(self) -> float | None:
        """When to call `advance` again even if nothing happens."""
        times = [one.due for one in self._active.values() if one.due is not None]
        if self._deadline is not None and not self._closed:
            times.append(self._deadline)
        return min(times, default=None)

    def drain(self) -> list[Ended]:
        """What has ended since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    def results(self) -> dict[str, Result]:
        """All results so far by key, those inside a foreach too."""
        return {
            f"{scope.key}{name}": result for scope in self._scopes for name, result in scope.results.items()
        }

    def stop(self) -> None:
        """Begin nothing more, tell what is at work to end. It has not ended then, and a resumed run does it anew."""
        self.is_stopping = True
        for key, one in self._active.items():
            if one.phase == "at work":
                one.phase, one.due = "overdue", None
                self._orders.append(Cancel(Ticket(key, one.attempt)))

    def succeeded(self, ticket: Ticket, output: JSON, now: float) -> None:
        """An attempt has ended well. One that was told to end because it took too long has failed all the same."""
        one = self._reported(ticket)
        if one is None:
            return
        if one.phase == "overdue" and one.error:
            self._attempt_failed(ticket.key, one, one.error, now)
        else:
            self._end(ticket.key, one, State.SUCCEEDED, now, output=output)

    def broke(self, ticket: Ticket, error: str, now: float) -> None:
        """An attempt has failed."""
        one = self._reported(ticket)
        if one is None:
            return
        if self.is_stopping and not one.error:
            del self._active[ticket.key]
        else:
            self._attempt_failed(ticket.key, one, one.error or error, now)

    def advance(self, now: float) -> list[Order]:
        """What is to be done now."""
        self._timers(now)
        if not self.is_stopping:
            while self._begin_what_can(now) or self._end_foreach(now):
                pass
            self._admit(now)
        orders, self._orders = self._orders, []
        return orders

    def _reported(self, ticket: Ticket) -> _Active | None:
        """The attempt of a ticket; None when it was given up and nobody waits for it."""
        one = self._active.get(ticket.key)
        return one if one and one.attempt == ticket.attempt and one.phase in ("at work", "overdue") else None

    def _fill(self, scope: Scope) -> None:
        for step in scope.steps:
            if (kept := self._kept.get(f"{scope.key}{step.name}")) is not None:
                scope.results[step.name] = kept

    def _timers(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline and not self._closed:
            self._closed = "the deadline of the run is over"
            for key, one in list(self._active.items()):
                self._cut_off(key, one, now)
        for key, one in list(self._active.items()):
            if one.phase == "overdue" and one.due is None:  # told to end by `stop`, which knows no time
                one.due = now + GRACE_SECONDS
            if one.due is None or now < one.due or self._active.get(key) is not one:
                continue
            match one.phase:
                case "waiting":
                    self._end(key, one, State.SUCCEEDED, now)
                case "resting":
                    one.phase, one.due = "queued", None
                case "at work":
                    limit = one.step.timeout_seconds or 0
                    self._overdue(key, one, f"took longer than {limit:g} s", now)
                case "overdue":
                    self._attempt_failed(
                        key, one, f"{one.error or 'was stopped'}, and did not end when it was told to", now
                    )

    def _overdue(self, key: str, one: _Active, error: str, now: float) -> None:
        one.phase, one.error, one.due = "overdue", error, now + GRACE_SECONDS
        self._orders.append(Cancel(Ticket(key, one.attempt)))

    def _cut_off(self, key: str, one: _Active, now: float) -> None:
        """At the deadline: what is at work is told to end, what rests has failed, what has not begun is blocked."""
        match one.phase:
            case "at work":
                self._overdue(key, one, self._closed, now)
            case "waiting":
                self._end(key, one, State.FAILED, now, error=self._closed)
            case "queued" | "resting" if one.attempt == 0:
                self._end(key, one, State.BLOCKED, now, error=self._closed)
            case "queued" | "resting":
                self._end(key, one, State.FAILED, now, error=f"{one.error}; {self._closed}")

    def _begin_what_can(self, now: float) -> bool:
        began = False
        for scope in [scope for scope in self._scopes if not scope.is_over]:
            for step in scope.steps:
                key = f"{scope.key}{step.name}"
                if step.name in scope.results or key in self._active:
                    continue
                found = verdict(step, scope.results)
                if found is Verdict.WAIT:
                    continue
                began = True
                look_up = looker(scope, self.facts, self.parameters)
                one = _Active(step, scope, "queued", now, look_up)
                if found is Verdict.GO:
                    self._go(key, one, now)
                else:
                    self._end(key, one, State(found.value), now)
        return began

    def _go(self, key: str, one: _Active, now: float) -> None:
        step = one.step
        if self._closed:
            self._end(key, one, State.BLOCKED, now, error=self._closed)
            return
        if step.condition is not None and not holds(step.condition, one.look_up):
            self._end(key, one, State.PASSED_OVER, now)
            return
        match step.work:
            case Branch(condition):
                self._end(key, one, State.SUCCEEDED, now, output=holds(condition, one.look_up))
            case Wait():
                self._wait(key, one, step.work, now)
            case ForEach():
                self._each(key, one, step.work, now)
            case _:
                self._active[key] = one

    def _wait(self, key: str, one: _Active, work: Wait, now: float) -> None:
        seconds = work.seconds
        if work.until is not None:
            try:
                until = parse_instant(str(resolve(work.until, one.look_up)))
            except Misconfigured as error:
                self._end(key, one, State.FAILED, now, error=error.message)
                return
            zero, started = self._zero
            seconds = (until - started.astimezone(UTC)).total_seconds() - (now - zero)
        one.phase, one.due = "waiting", now + max(0.0, seconds or 0.0)
        self._active[key] = one

    def _each(self, key: str, one: _Active, work: ForEach, now: float) -> None:
        items = resolve(work.items, one.look_up)
        if items is None:
            items = []
        if not isinstance(items, list):
            state = State.TOLERATED if one.step.continue_if_fail else State.FAILED
            self._end(key, one, state, now, error=f"its items are no list but {type(items).__name__}")
            return
        one.phase, one.items = "each", items
        self._active[key] = one
        self._open_items(key, one)

    def _open_items(self, key: str, one: _Active) -> bool:
        work = one.step.work
        assert isinstance(work, ForEach)
        most = work.max_parallel or len(one.items)
        opened = False
        while len(one.inner) < len(one.items) and sum(not scope.is_over for scope in one.inner) < most:
            number = len(one.inner)
            scope = Scope(f"{key}[{number}]/", work.steps, one.items[number], one.scope)
            self._fill(scope)
            one.inner.append(scope)
            self._scopes.append(scope)
            opened = True
        return opened

    def _end_foreach(self, now: float) -> bool:
        """Open the next items; end those foreach of which all items are over."""
        moved = False
        for key, one in list(self._active.items()):
            if one.phase != "each" or self._active.get(key) is not one:
                continue
            if not self._closed and self._open_items(key, one):
                moved = True
            elif all(scope.is_over for scope in one.inner):
                self._end_items(key, one, now)
                moved = True
        return moved

    def _end_items(self, key: str, one: _Active, now: float) -> None:
        wrong = [_first_failure(scope) for scope in one.inner]
        failed = [error for error in wrong if error]
        left = len(one.items) - len(one.inner)
        if failed or left:
            words = (
                f"{len(failed)} of {len(one.items)} items failed: {'; '.join(failed[:3])}" if failed else ""
            )
            rest = f"{left} items were not begun: {self._closed}" if left else ""
            state = State.TOLERATED if one.step.continue_if_fail else State.FAILED
            self._end(key, one, state, now, error="; ".join(filter(None, [words, rest])))
            return
        last = one.inner[0].steps[-1].name if one.inner else ""
        outputs: list[JSON] = [scope.results[last].output for scope in one.inner]
        self._end(key, one, State.SUCCEEDED, now, output=outputs)

    def _admit(self, now: float) -> None:
        """Begin queued attempts, in the order in which they came, as far as there is room."""
        at_work = [one for one in self._active.values() if one.phase in ("at work", "overdue")]
        room = self._most - len(at_work)
        used: dict[str, int] = {}
        for one in at_work:
            used[one.step.pool] = used.get(one.step.pool, 0) + 1
        for key, one in self._active.items():
            pool = one.step.pool
            is_full = pool in self._slots and used.get(pool, 0) >= self._slots[pool]
            if one.phase != "queued" or room <= 0 or is_full:
                continue
            room -= 1
            used[pool] = used.get(pool, 0) + 1
            after, one.error = one.error, ""
            one.phase, one.attempt = "at work", one.attempt + 1
            one.due = None if one.step.timeout_seconds is None else now + one.step.timeout_seconds
            self._orders.append(
                Begin(Ticket(key, one.attempt), self._within(one.step, now), one.look_up, after)
            )

    def _within(self, step: Step, now: float) -> Step:
        """The step with no more time than the run has left, so that a call that nobody can stop ends by itself."""
        if self._deadline is None:
            return step
        left = max(self._deadline - now, 0.1)
        return replace(step, timeout_seconds=min(step.timeout_seconds or left, left))

    def _attempt_failed(self, key: str, one: _Active, error: str, now: float) -> None:
        one.error = error
        if self.is_stopping:
            del self._active[key]
        elif one.attempt <= one.step.retry.count and not self._closed:
            one.phase, one.due = "resting", now + one.step.retry.delay_after(one.attempt)
        else:
            state = State.TOLERATED if one.step.continue_if_fail else State.FAILED
            self._end(key, one, state, now, error=error)

    def _end(
        self, key: str, one: _Active, state: State, now: float, *, output: JSON = None, error: str = ""
    ) -> None:
        self._active.pop(key, None)
        result = Result(state, output, error, one.attempt, one.began, now)
        one.scope.results[one.step.name] = result
        self._ended.append(Ended(key, one.step, result))

    def at_work(self) -> Iterator[tuple[str, str, float]]:
        """Key, phase and beginning of every step that has begun and not ended."""
        for key, one in self._active.items():
            yield key, one.phase, one.began


def _first_failure(scope: Scope) -> str:
    for step in scope.steps:
        result = scope.results.get(step.name)
        if result is not None and (result.state in FAILURES or result.error):
            return f"{scope.key}{step.name}: {result.error}"
    return ""
