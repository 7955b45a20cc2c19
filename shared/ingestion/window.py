"""Windows of time: half-open ranges that cover [since, until) without a gap or an overlap.

Pure: no clock, no requests. Inside Sluice a window is always [since, until); an API that reads its bounds otherwise is
asked for a little more, and `Window.holds` drops what belongs to a neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shared.common.instants import format_instant, parse_instant


class Bounds(StrEnum):
    """How an API reads the two parameters of a window."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"
    SINCE_INCLUSIVE = "since_inclusive"
    UNTIL_INCLUSIVE = "until_inclusive"


class TimeFormat(StrEnum):
    """How an API writes a time in a parameter, and how fine that is."""

    RFC3339 = "rfc3339"
    SECONDS = "seconds"
    DATE = "date"
    EPOCH = "epoch"
    EPOCH_MS = "epoch_ms"

    @property
    def step(self) -> timedelta:
        match self:
            case TimeFormat.RFC3339:
                return timedelta(microseconds=1)
            case TimeFormat.EPOCH_MS:
                return timedelta(milliseconds=1)
            case TimeFormat.DATE:
                return timedelta(days=1)
            case _:
                return timedelta(seconds=1)

    def floor(self, instant: datetime) -> datetime:
        """The latest instant not after `instant` that this format can write."""
        instant = instant.astimezone(UTC)
        match self:
            case TimeFormat.RFC3339:
                return instant
            case TimeFormat.EPOCH_MS:
                return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
            case TimeFormat.DATE:
                return instant.replace(hour=0, minute=0, second=0, microsecond=0)
            case _:
                return instant.replace(microsecond=0)

    def write(self, instant: datetime) -> str:
        """`instant` as text; it must lie on the format's grid (see `floor`)."""
        match self:
            case TimeFormat.RFC3339 | TimeFormat.SECONDS:
                return format_instant(instant)
            case TimeFormat.DATE:
                return instant.astimezone(UTC).strftime("%Y-%m-%d")
            case TimeFormat.EPOCH:
                return str(int(instant.timestamp()))
            case TimeFormat.EPOCH_MS:
                return str(round(instant.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Window:
    """The range [since, until); an open end is None."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, instant: datetime | None) -> bool:
        """Whether a row of that time belongs here; a row without a time belongs everywhere."""
        if instant is None:
            return True
        if self.since is not None and instant < self.since:
            return False
        return self.until is None or instant < self.until

    def parameters(self, *, bounds: Bounds, form: TimeFormat) -> tuple[str | None, str | None]:
        """What to send for the two bounds so that the API's answer covers the whole window."""
        first = last = None
        if self.since is not None:
            open_start = bounds in (Bounds.EXCLUSIVE, Bounds.UNTIL_INCLUSIVE)
            since = form.floor(self.since)
            first = form.write(since - form.step if open_start else since)
        if self.until is not None:
            until = form.floor(self.until)
            if until != self.until:
                until += form.step
            last = form.write(until)
        return first, last

    def to_json(self) -> dict[str, str | None]:
        return {
            "since": None if self.since is None else format_instant(self.since),
            "until": None if self.until is None else format_instant(self.until),
        }

    @classmethod
    def from_json(cls, document: dict[str, str | None]) -> Window:
        since, until = document.get("since"), document.get("until")
        return cls(parse_instant(since) if since else None, parse_instant(until) if until else None)


def split(whole: Window, step: timedelta | None) -> Iterator[Window]:
    """Cut a window into pieces of `step`; the last may be shorter. A window with an open end is not cut.

    >>> from datetime import datetime, timedelta, UTC
    >>> day = datetime(2024, 3, 1, tzinfo=UTC)
    >>> [str(w.since.time()) for w in split(Window(day, day + timedelta(hours=5)), timedelta(hours=2))]
    ['00:00:00', '02:00:00', '04:00:00']
    """
    if step is None or whole.since is None or whole.until is None or step <= timedelta(0):
        yield whole
        return
    since = whole.since
    while since < whole.until:
        until = min(since + step, whole.until)
        yield Window(since, until)
        since = until
