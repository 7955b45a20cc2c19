"""What tests of running dispatchers share: waiting for something with an end, and processes that remember."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event


def until(true: Callable[[], object], *, seconds: float = 20.0, what: str = "it") -> None:
    """Wait until something holds; a test fails when it never does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.005)


class Remembering:
    """A process that keeps what it was given, in the order in which it began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events: list[Event] = []
        self.runs: list[Run] = []

    def execute(self, event: Event, run: Run) -> None:
        with self.lock:
            self.events.append(event)
            self.runs.append(run)

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.location, one.operation.text, one.id) for one in self.events]
