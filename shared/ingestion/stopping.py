"""Waiting that ends when somebody wants an end: a retry must not sleep through a Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.common.errors import Transient
from shared.common.ports import Clock

NAP = 0.2
"""Seconds between two looks at whether a stop was asked for."""


@dataclass(frozen=True, slots=True)
class StoppableClock:
    """A clock whose sleep ends with a `Transient` once `stop()` is true: the wait is left to the next run."""

    clock: Clock
    stop: Callable[[], bool]

    def now(self) -> datetime:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            if self.stop():
                raise Transient(f"stopped in a wait of {seconds:.0f} s")
            self.clock.sleep(min(left, NAP))
