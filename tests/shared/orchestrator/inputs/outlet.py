"""An outlet that keeps what it is given, for inputs that are tested alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.common.fakes import FakeClock
from shared.orchestrator.event import Event


class Kept:
    """Waits move the clock; after `looks` of them the input shall stop. `between` is called at each."""

    def __init__(
        self,
        *,
        looks: int = 1,
        clock: FakeClock | None = None,
        bookmark: str = "",
        between: Callable[[int], None] = lambda look: None,
    ) -> None:
        self.name = "i"
        self.clock = clock or FakeClock()
        self.events: list[Event] = []
        self.keys: list[str] = []
        self._bookmark = bookmark
        self._looks = looks
        self._between = between
        self.waited = 0

    def emit(
        self,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
    ) -> int:
        fresh = [n for n in range(len(events)) if keys is None or keys[n] not in self.keys]
        self.events += [events[n] for n in fresh]
        self.keys += [keys[n] for n in fresh] if keys is not None else []
        if bookmark is not None:
            self._bookmark = bookmark
        return len(fresh)

    def bookmark(self) -> str:
        return self._bookmark

    def wait(self, seconds: float) -> bool:
        self.waited += 1
        self.clock.advance(seconds)
        self._between(self.waited)
        return self.stopping()

    def stopping(self) -> bool:
        return self.waited >= self._looks
