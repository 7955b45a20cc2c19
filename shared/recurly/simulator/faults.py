"""Faults on demand, and the API's rate limit: what goes wrong between a client and the simulated site."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

KINDS = (
    "status",  # answer `status` (default 503) with `headers`
    "reset",  # close the connection in the middle of the body
    "truncate",  # a body cut short, with a Content-Length that agrees
    "hang",  # no answer for `seconds`, then the connection closes
    "html",  # 200 with a page of HTML
    "expired_cursor",  # 400: the cursor of the next request is refused
    "repeated_cursor",  # `next` leads to the page it stands on
    "duplicate_page",  # `next` leads to this page once more, under another cursor
    "empty_page",  # no records, though has_more is true
    "corrupt",  # an export file with other bytes than its MD5 sum says
    "expired_link",  # an export file whose link is too old
)


@dataclass(slots=True)
class Fault:
    """One kind of fault for requests whose path begins with `path`: after `after` of them, the next `times`.

    With `rate`, instead of one after the other, that share of the requests at random (from `seed`), up to `times`.
    """

    kind: str
    times: int = 1
    after: int = 0
    path: str = "/"
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 30.0
    rate: float | None = None
    seed: int = 1
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; known: {', '.join(KINDS)}")
        self._random = Random(self.seed)

    def strikes(self, path: str) -> bool:
        """Whether this request fails; counts it."""
        if not self.times or not path.startswith(self.path):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.rate is not None and self._random.random() >= self.rate:
            return False
        self.times -= 1
        return True


class FaultPlan:
    """The faults that wait for their request."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, document: Mapping[str, Any]) -> None:
        """Raises `TypeError` or `ValueError` for a document that names no fault."""
        self._faults.append(Fault(**document))

    def clear(self) -> None:
        self._faults.clear()

    def waiting(self) -> int:
        return sum(fault.times for fault in self._faults)

    def take(self, path: str) -> Fault | None:
        """The fault of this request, if it has one."""
        return next((fault for fault in self._faults if fault.strikes(path)), None)


class SlidingLimit:
    """At most `requests` within any `seconds`; 0 means no limit."""

    def __init__(self, requests: int, *, seconds: float) -> None:
        self.requests, self.seconds = requests, seconds
        self._seen: deque[float] = deque()

    def enter(self, now: float) -> tuple[bool, int, float]:
        """Count a request at `now`; returns whether it may pass, how many are left, and seconds until one more is."""
        if not self.requests:
            return True, 1_000_000, 0.0
        while self._seen and self._seen[0] <= now - self.seconds:
            self._seen.popleft()
        allowed = len(self._seen) < self.requests
        if allowed:
            self._seen.append(now)
        return allowed, self.requests - len(self._seen), self._seen[0] + self.seconds - now


def parse_limit(text: str) -> tuple[int, float]:
    """`1000` means 1,000 a minute over five minutes, as Recurly counts; `20/3` means 20 in 3 seconds.

    >>> parse_limit("400"), parse_limit("20/3")
    ((2000, 300.0), (20, 3.0))
    """
    requests, slash, seconds = text.partition("/")
    window = float(seconds) if slash else 300.0
    if not math.isfinite(window) or window <= 0:
        raise ValueError(f"{text!r} is not a limit such as 1000 or 20/3")
    return (int(requests), window) if slash else (int(requests) * 5, window)
