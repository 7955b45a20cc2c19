"""Keeps a source's readers inside what its API allows: requests per time, requests at once, and what its headers say.

One `Limiter` is shared by all streams of a source. It slows down before the limit is hit: when the API says that few
requests remain, those are spread over the time until it counts anew; when none remains, all wait for that moment.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import NoReturn

from pydantic import Field

from shared.common.errors import Transient
from shared.common.ports import Clock
from shared.rest.document import Document, Seconds
from shared.rest.message import Response
from shared.rest.retry import reset_after

_LOW = 0.1
"""Spreading begins when this part of X-RateLimit-Limit remains …"""

_FEW = 10
"""… or this many requests, where the API does not name its limit."""


class RateLimit(Document):
    """At most `requests` in any window of `per` seconds, and at most `concurrency` under way at once.

    `requests: null` leaves the rate to the API's own headers (X-RateLimit-Limit, -Remaining and -Reset).
    """

    requests: int | None = Field(default=None, ge=1)
    per: Seconds = Field(default=60.0, gt=0)
    concurrency: int = Field(default=16, ge=1, le=256)


class Limiter:
    """The places and moments of a source's requests; safe to share between threads."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self.limit = limit
        self._clock = clock
        self._places = BoundedSemaphore(limit.concurrency)
        self._lock = Lock()
        self._window: deque[float] = deque(maxlen=limit.requests or 1)
        self._flying = 0
        self._left = math.inf
        self._few = float(_FEW)
        self._reset = -math.inf
        self._paced = -math.inf
        self._paused = -math.inf

    @contextmanager
    def slot(self, *, remaining: float = math.inf) -> Iterator[float]:
        """Wait for a place and a moment, and hold the place; yields the seconds that were waited for the moment.

        Raises `Transient` with `retry_after` when the moment lies behind `remaining` seconds.
        """
        if not self._places.acquire(timeout=None if math.isinf(remaining) else max(0.0, remaining)):
            raise Transient("no place among the requests under way became free in time", retry_after=1.0)
        try:
            wait = self._reserve(remaining)
            try:
                if wait > 0:
                    self._clock.sleep(wait)
                yield wait
            finally:
                with self._lock:
                    self._flying -= 1
        finally:
            self._places.release()

    def observe(self, response: Response) -> None:
        """Learn from the answer's rate-limit headers."""
        headers = response.headers
        remaining = headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining") or ""
        if not remaining.isdecimal():
            return
        seconds = reset_after(headers, self._clock.now())
        if seconds is None:
            return
        allowed = headers.get("x-ratelimit-limit") or headers.get("ratelimit-limit") or ""
        reset = self._clock.monotonic() + seconds
        with self._lock:
            self._few = max(_FEW, int(allowed) * _LOW) if allowed.isdecimal() else _FEW
            if reset <= self._reset + 1.0 and self._clock.monotonic() < self._reset:
                # The same window: answers overtake one another, so the smaller number is the newer one.
                self._left = min(self._left, int(remaining))
            else:
                self._left = max(0, int(remaining) - max(0, self._flying - 1))
                self._reset = reset

    def pause(self, seconds: float) -> None:
        """Let nobody send for this long, because the API said so to one of us; it counts more than older headers."""
        with self._lock:
            self._paused = max(self._paused, self._clock.monotonic() + seconds)
            self._reset = -math.inf

    def _reserve(self, remaining: float) -> float:
        """Take the next moment at which a request may go; returns the seconds until then."""
        with self._lock:
            now = self._clock.monotonic()
            moment = max(now, self._paused, self._by_window(now), self._by_headers(now))
            if moment - now > remaining:
                self._refuse(moment - now)
            if self.limit.requests is not None:
                self._window.append(moment)
            self._left -= 1
            self._paced = moment
            self._flying += 1
            return moment - now

    def _by_window(self, now: float) -> float:
        if self.limit.requests is None or len(self._window) < self.limit.requests:
            return now
        return self._window[0] + self.limit.per

    def _by_headers(self, now: float) -> float:
        if now >= self._reset:
            self._left = math.inf
            return now
        if self._left <= 0:
            return self._reset
        if self._left > self._few:
            return now
        return min(max(now, self._paced) + (self._reset - now) / (self._left + 1), self._reset)

    def _refuse(self, wait: float) -> NoReturn:
        raise Transient(
            f"the rate limit allows the next request in {wait:.0f} s, which is behind the deadline",
            retry_after=wait,
        )
