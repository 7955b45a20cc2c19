"""Waiting that ends when somebody wants an end: a retry must not sleep through a Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.common.ports import Clock, Deadline

NAP = 0.2
"""Seconds between two looks at whether a stop was asked for."""


@dataclass(frozen=True, slots=True)
class StoppableClock:
    """A clock whose sleep ends early once `stop()` is true."""

    clock: Clock
    stop: Callable[[], bool]

    def now(self) -> datetime:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while not self.stop() and (left := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(left, NAP))


@dataclass(frozen=True, slots=True)
class StoppableDeadline:
    """A deadline that has come once `stop()` is true."""

    deadline: Deadline
    stop: Callable[[], bool]

    def remaining(self) -> float:
        return 0.0 if self.stop() else self.deadline.remaining()
