"""Decides whether a failed request is sent again, and when: full-jitter backoff inside a budget of time.

Retried: 429 and all 5xx, and everything the transport or the page parser calls `Transient` (timeouts, resets, cut or
non-JSON bodies). Never retried: every other status. The decision is a pure function of its arguments.
Source of full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter". Source of Retry-After: RFC 9110, 10.2.3.

>>> Retry().decide(1, Response(503, {"retry-after": "7"}), spent=0.0, random=lambda: 0.0)
Wait(seconds=7.0, reason='status 503')
>>> Retry().decide(1, Response(404), spent=0.0)
GiveUp(reason='status 404', final=True, retry_after=None)
"""

from __future__ import annotations

import math
import random as chance
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import Field

from shared.common.errors import Transient
from shared.rest.document import Document, Seconds
from shared.rest.message import Response

THROTTLED = (429, 503)
"""The statuses whose answer may say when to come back."""

FURTHEST = 86_400.0
"""Seconds; a wait that the API asks for and that is longer counts as this: it may be asked again after a day."""

_EPOCH = 10**9
"""A reset value from here on is a point in time, below it a number of seconds: 10**9 seconds are 31 years."""

_SPREAD = 0.1
"""Up to this part is added to the wait that the API asks for, so that its readers do not come back all at once."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Send again after `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send again: the failure is `final`, or attempts or time are used up.

    `retry_after` is when it may work again, in seconds, where that is known.
    """

    reason: str
    final: bool = False
    retry_after: float | None = None


class Retry(Document):
    """How patient a source is: at most `attempts` sends, waits of up to `base` * 2^n seconds each but not above `cap`,
    and `budget` seconds for all waits and sends of one request together.

    `statuses` are retried besides 429 and 5xx. `throttle_statuses` (GitHub: 403) count as 429 when the answer has a
    Retry-After, or says that no request remains.
    """

    attempts: int = Field(default=8, ge=1, le=100)
    base: Seconds = 0.5
    cap: Seconds = 60.0
    budget: Seconds = 300.0
    statuses: tuple[int, ...] = ()
    throttle_statuses: tuple[int, ...] = ()

    def retries(self, outcome: Response | Exception) -> bool:
        """Whether this outcome is one that a second try may better."""
        if isinstance(outcome, Exception):
            return isinstance(outcome, Transient)
        return outcome.status >= 500 or outcome.status in self.statuses or self.throttled(outcome)

    def throttled(self, response: Response) -> bool:
        """Whether the answer means "too fast"."""
        if response.status == 429:
            return True
        headers = response.headers
        told = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
        return response.status in self.throttle_statuses and told

    def decide(
        self,
        attempt: int,
        outcome: Response | Exception,
        *,
        spent: float,
        remaining: float = math.inf,
        now: datetime | None = None,
        random: Callable[[], float] = chance.random,
    ) -> Wait | GiveUp:
        """What to do after the attempt number `attempt` (from 1) ended with `outcome`.

        `spent` are the seconds since the first attempt began, `remaining` those that the deadline leaves, `now` the
        time against which dates are read, `random` gives numbers in [0, 1).
        """
        reason = (
            f"status {outcome.status}" if isinstance(outcome, Response) else str(outcome).split("\n", 1)[0]
        )
        if not self.retries(outcome):
            return GiveUp(reason, final=True)
        told = self._told(outcome, now or datetime.now(UTC))
        delay = random() * min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))
        if told:
            delay = told + random() * max(_SPREAD * told, min(self.base, 1.0))
        if attempt >= self.attempts:
            return GiveUp(f"{reason}, {attempt} times", retry_after=told)
        left = min(self.budget - spent, remaining)
        if told is not None and told > left:
            return GiveUp(
                f"{reason}, and the API asks to wait {told:.0f} s of which {max(left, 0):.0f} s are left",
                False,
                told,
            )
        if delay > left and told is None:
            # Only what the API says about when to come back is worth telling; our own backoff is not.
            return GiveUp(f"{reason}, and the time is used up after {attempt} attempts")
        return Wait(min(delay, left), reason)

    def _told(self, outcome: Response | Exception, now: datetime) -> float | None:
        if isinstance(outcome, Transient):
            return outcome.retry_after
        if not isinstance(outcome, Response):
            return None
        if self.throttled(outcome):
            return retry_after(outcome.headers, now)
        return retry_after(outcome.headers, now, throttled=False) if outcome.status in THROTTLED else None


def retry_after(headers: Mapping[str, str], now: datetime, *, throttled: bool = True) -> float | None:
    """Seconds to wait, from Retry-After (seconds or HTTP date), else from X-RateLimit-Reset when nothing remains.

    An answer that is not `throttled` (a 503) must say that nothing remains; a 429 means it unless it says otherwise.

    None when the answer does not say, or says what nobody can read. Never negative, nor beyond `FURTHEST`.
    """
    said = headers.get("retry-after", "").strip()
    if said:
        seconds = _number(said)
        if seconds is None:
            seconds = _until(said, now)
        if seconds is not None:
            return min(max(0.0, seconds), FURTHEST)
    remaining = _number(headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining") or "")
    exhausted = throttled if remaining is None else remaining <= 0
    return reset_after(headers, now) if exhausted else None


def reset_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until X-RateLimit-Reset (or RateLimit-Reset): Unix seconds or milliseconds, or a number of seconds.

    At most `FURTHEST`; None when there is no such header, or not with a number.
    """
    value = _number(headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or "")
    if value is None or value < 0:
        return None
    if value < _EPOCH:
        return min(value, FURTHEST)
    if value > _EPOCH * 100:
        value /= 1000
    return min(max(0.0, value - now.timestamp()), FURTHEST)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
