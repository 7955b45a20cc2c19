"""Keeps a source's readers inside what its API allows: requests per time, requests at once, and what its headers say.

One `Limiter` is shared by all streams of a source. It slows down before the limit is hit: when the API says that few
requests remain, those are spread over the time until it counts anew; when none remains, all wait for that moment.
What headers say is waited for within bounds only, and a long wait is told: a run must not sleep without a word.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
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


BELIEVED = 7200.0
"""Seconds; a reset further away than this is not believed. Limits of requests count by the hour at most, the rest of
the time is for clocks that differ; beyond it stand days, other units and mistakes, and whether the API answers all the
same shows when it is asked."""

LONG = 30.0
"""Seconds from which on a wait is told …"""

_QUIET = 300.0
"""… and those until the next one is told."""

_DIGITS = 15

_log = logging.getLogger(__name__)


class RateLimit(Document):
    """At most `requests` in any window of `per` seconds, and at most `concurrency` under way at once.

    `requests: null` leaves the rate to the API's own headers (X-RateLimit-Limit, -Remaining and -Reset).
    """

    requests: int | None = Field(default=None, ge=1)
    per: Seconds = Field(default=60.0, gt=0)
    concurrency: int = Field(default=16, ge=1, le=256)


class Limiter:
    """The places and moments of a source's requests; safe to share between threads.

    `patience` bounds, in seconds, every wait that the API's headers ask for, but not those of the source's own `limit`.
    `say` is told in one sentence when a wait is long.
    """

    def __init__(
        self,
        limit: RateLimit,
        clock: Clock,
        *,
        patience: float = math.inf,
        say: Callable[[str], None] = _log.warning,
    ) -> None:
        self.limit = limit
        self._clock = clock
        self._patience = patience
        self._say = say
        self._quiet = -math.inf
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

        Raises `Transient` with `retry_after` when the moment lies behind `remaining` seconds, or when the API's headers
        ask for more patience than there is.
        """
        if not self._places.acquire(timeout=None if math.isinf(remaining) else max(0.0, remaining)):
            raise Transient("no place among the requests under way became free in time", retry_after=1.0)
        try:
            wait = self._reserve(remaining)
            try:
                if wait > 0:
                    self._tell(wait)
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
        if not _is_count(remaining):
            return
        seconds = reset_after(headers, self._clock.now())
        if seconds is None or seconds > BELIEVED:
            return
        allowed = headers.get("x-ratelimit-limit") or headers.get("ratelimit-limit") or ""
        reset = self._clock.monotonic() + seconds
        with self._lock:
            self._few = max(_FEW, int(allowed) * _LOW) if _is_count(allowed) else _FEW
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
            told = max(self._paused, self._by_headers(now))
            moment = max(now, told, self._by_window(now))
            if moment - now > remaining:
                _refuse(moment - now, "which is behind the deadline")
            if told - now > self._patience:
                _refuse(
                    told - now,
                    f"which is longer than this source is waited for ({self._patience:.0f} s)",
                    hint="call again then, or raise `retry.budget` in the source's document",
                )
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
        spread = max(now, self._paced) + (self._reset - now) / (self._left + 1)
        return min(spread, self._reset, now + self._patience)

    def _tell(self, wait: float) -> None:
        if wait < LONG:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now < self._quiet:
                return
            self._quiet = now + _QUIET
        self._say(f"the rate limit allows the next request in {wait:.0f} s: waiting")


def _is_count(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS


def _refuse(wait: float, why: str, *, hint: str = "") -> NoReturn:
    raise Transient(
        f"the rate limit allows the next request in {wait:.0f} s, {why}",
        hint=hint,
        retry_after=wait,
    )
