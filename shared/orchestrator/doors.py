"""The doors of the dispatcher: what an input and a process are, and what each of them is given.

A new kind of input or process implements one of these Protocols and knows nothing else of the dispatcher.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.common.ports import Clock
from shared.orchestrator.event import Event
from shared.orchestrator.status import Status


class Outlet(Protocol):
    """What an input is given: where its events go, and how it learns that it shall stop."""

    @property
    def name(self) -> str:
        """The name of the input; the `trigger` of its events."""

    @property
    def clock(self) -> Clock: ...

    def emit(
        self,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
    ) -> int:
        """Hand events over; when it returns they are in the journal and may be acknowledged where they came from.

        `keys` tell the events of this input apart: one whose key is in the journal already is not taken again.
        `bookmark` replaces the input's bookmark in the same transaction. Returns how many events were new.

        Waits while too much waits already, `patience` seconds at most. Raises `Busy` when that is over, `Transient`
        when the journal cannot be written, `Stopped` when the dispatcher ends: nothing of the call was taken then
        that a second call with the same keys would double.
        """

    def bookmark(self) -> str:
        """What was given to `emit` last as a bookmark, before any crash; empty in the beginning."""

    def wait(self, seconds: float) -> bool:
        """Sleep, and wake early when the input shall stop. True when it shall."""

    def stopping(self) -> bool: ...


class Stopped(Exception):
    """The input shall return."""


class Input(Protocol):
    """Raises events."""

    def run(self, outlet: Outlet) -> None:
        """Emit events until `outlet.stopping()`.

        What it raises is logged, and it is run again after a pause that grows; when it returns, it is done.
        """


@dataclass(slots=True)
class Run:
    """One attempt of a process at an event.

    `key` is the same for every attempt at this pair and for no other pair: a process that remembers it, or hands it on
    (`Idempotency-Key`), takes effect once. `cancelled` is set when the time is over or the dispatcher cannot wait;
    `last_words` is how many seconds may pass then before what runs is ended by force.
    """

    process: str
    key: str
    attempt: int = 1
    timeout: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    last_words: float = 3.0


class Process(Protocol):
    """Does something about an event."""

    def execute(self, event: Event, run: Run) -> Status | None:
        """Returns how it went; None is success.

        What it raises counts as failed: `Misconfigured`, `Refused` and `Violation` become a dead letter at once, all
        else is tried again as the process's `retry` says.
        """


Handler = Callable[[Event], "Status | None"]
"""A plain function that does a process's work."""
