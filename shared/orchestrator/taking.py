"""How events come in: held back while too much waits, written to the journal, and put on the desk where there is room.

What does not fit into memory, or comes while older events are still only in the journal, stays there until its turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from shared.common.ports import Clock
from shared.orchestrator.configuration import Limits
from shared.orchestrator.desk import Desk
from shared.orchestrator.doors import Stopped
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Busy
from shared.orchestrator.graph import Graph, Route
from shared.orchestrator.group_commit import GroupCommit
from shared.orchestrator.intake import Intake
from shared.orchestrator.journal import Accept, Store
from shared.orchestrator.verdict import clean

CHUNK = 500
"""Events that are taken before it is looked again whether too much waits."""
TICK = 1.0
"""Seconds between looks at the journal: for events that others left, dead letters to be retried, heartbeats."""
HELD_UP = 0.05
"""Seconds between looks while events wait for another replica's turn at their key."""


class House(Protocol):
    """Where events are taken to; see `Supervisor`. What changes is read under its lock."""

    lock: threading.RLock
    clock: Clock
    limits: Limits
    desk: Desk
    graph: Graph
    draining: bool
    journal: Store

    @property
    def intake(self) -> Intake: ...
    @property
    def writer(self) -> GroupCommit: ...


class Taking:
    """`behind`: the journal may hold open events that are not on the desk. `spilled`: about how many.

    `lined_up`: it may hold some that stand in a line, which are claimed for the sake of their order and not for room.
    """

    def __init__(self, house: House, token: str, *, wake: Callable[[], None]) -> None:
        self._house = house
        self._token = token
        self._numbers = iter(range(1, 1 << 62))
        self._wake = wake
        self.room = threading.Condition(house.lock)
        self.behind = True
        self.spilling = 0
        """Calls that are about to leave events in the journal."""
        self.spilled = 0
        self.lined_up = False
        self.left = 0
        """How often events were left in the journal."""
        self.looked = 0
        """What `left` was when the journal was asked last."""

    @property
    def news(self) -> bool:
        return self.left != self.looked

    def found(self, events: int, *, all_of_it: bool) -> None:
        """So many came from the journal to the desk; the lock is held."""
        self.spilled = max(0, self.spilled - events)
        if all_of_it and not self.spilling and not self.news:
            self.behind, self.spilled = False, 0
            self.lined_up = self._house.journal.held_up

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
        taken = 0
        for begin in range(0, max(len(events), 1), CHUNK):
            last = begin + CHUNK >= len(events)
            some = events[begin : begin + CHUNK]
            own = keys[begin : begin + CHUNK] if keys is not None else [self._key() for _ in some]
            self._wait_for_room(source, patience, stopping)
            taken += self._take(source, some, own, bookmark if last else None)
        return taken

    def _take(self, source: str, events: Sequence[Event], keys: Sequence[str], bookmark: str | None) -> int:
        house = self._house
        graph, at = house.graph, house.clock.now().timestamp()
        raised = [(f"{source}:{clean(k)}", e.raised_by(source)) for e, k in zip(events, keys, strict=True)]
        routed = [(key, event, graph.route(source, event)) for key, event in raised]
        house.intake.saw(source, len(events))
        wanted = [one for one in routed if one[2]]
        if not wanted and bookmark is None:
            return 0
        with house.lock:
            mine = not self.behind and not self.spilling
            mine = mine and len(house.desk.open) + len(wanted) <= house.limits.window
            self.spilling += 0 if mine else 1
        accepts = [self._accept(*one, at, mine) for one in wanted]
        in_line = any(one.lines for one in accepts)
        try:
            future = house.writer.accept(accepts, None if bookmark is None else (source, bookmark))
            return sum(number > 0 for number in future.result())
        finally:
            if not mine or in_line:
                with house.lock:
                    self.spilling -= 0 if mine else 1
                    self.behind |= not mine
                    self.lined_up |= in_line
                    self.left += 1
                    self._wake()

    def _accept(self, key: str, event: Event, route: Route, at: float, mine: bool) -> Accept:
        """Among replicas, what has to be done in an order is nobody's until it is its turn."""
        lines = self._house.desk.lines(event, route) if self._house.journal.shared else ()
        return Accept(key, event, route, at, mine and not lines, lines)

    def _wait_for_room(self, source: str, patience: float | None, stopping: threading.Event | None) -> None:
        house = self._house
        until = None if patience is None else house.clock.monotonic() + patience
        with house.lock:
            processes = house.graph.reachable(source)
            while True:
                if house.draining or (stopping is not None and stopping.is_set()):
                    raise Stopped
                full = house.desk.pressed(processes)
                if not full and len(house.desk.open) + self.spilled < house.limits.max_open:
                    return
                left = TICK if until is None else min(TICK, until - house.clock.monotonic())
                if left <= 0:
                    what = f'"{full}" has as much to do as may wait' if full else "as much waits as may"
                    raise Busy(what, hint="try again later", retry_after=1.0, input=source)
                self.room.wait(left)

    def _key(self) -> str:
        return f"{self._token}-{next(self._numbers)}"
