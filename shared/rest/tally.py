"""Counts what a caller's requests cost; safe to share between threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Tally:
    """Requests sent, how many of them were repeats, bytes of bodies (decoded), seconds spent waiting to be allowed."""

    api_calls: int = 0
    retries: int = 0
    bytes: int = 0
    waited: float = 0.0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, *, api_calls: int = 0, retries: int = 0, bytes: int = 0, waited: float = 0.0) -> None:
        with self._lock:
            self.api_calls += api_calls
            self.retries += retries
            self.bytes += bytes
            self.waited += waited
