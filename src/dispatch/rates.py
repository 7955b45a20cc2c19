"""Events per second, from counts that were seen at different times."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

WINDOW = 15.0
"""Seconds over which a rate is taken."""
APART = 0.9
"""Seconds between two samples that are kept."""
SHORTEST = 0.4
"""Seconds over which a rate means something."""


class Rates:
    """Pure but for its lock: times are seconds of a monotonic clock.

    >>> rates = Rates()
    >>> rates.note(0.0, {"a": 10})
    >>> rates.note(10.0, {"a": 30, "b": 5})
    >>> rates.of(10.0, {"a": 30, "b": 5})
    {'a': 2.0, 'b': 0.5}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, dict[str, float]]] = deque()

    def due(self, now: float) -> bool:
        """Whether a sample would be kept."""
        with self._lock:
            return not self._samples or now - self._samples[-1][0] >= APART

    def note(self, now: float, counts: Mapping[str, float]) -> None:
        with self._lock:
            if self._samples and now - self._samples[-1][0] < APART:
                return
            self._samples.append((now, dict(counts)))
            while len(self._samples) > 2 and self._samples[1][0] < now - WINDOW:
                self._samples.popleft()

    def of(self, now: float, counts: Mapping[str, float]) -> dict[str, float]:
        """The rate of each count since the oldest sample of the window; what began anew counts from 0."""
        with self._lock:
            old, before = next(iter(self._samples), (now, {}))
        if (passed := now - old) < SHORTEST:
            return dict.fromkeys(counts, 0.0)
        found = {}
        for name, count in counts.items():
            first = before.get(name, 0.0)
            found[name] = round((count - first if count >= first else count) / passed, 3)
        return found
