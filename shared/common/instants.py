"""Points in time and lengths of time as text: RFC 3339 in, RFC 3339 out, always with a zone."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo

from shared.common.errors import Misconfigured

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")

LONGEST = timedelta(days=36_525)
"""A hundred years: more is a slip, and neither calendars nor timers of the system hold all that could be written."""


def parse_instant(text: str, *, zone: tzinfo = UTC) -> datetime:
    """An instant in UTC from RFC 3339 text or a bare date; without an offset it is local in `zone`.

    Raises `Misconfigured` for text that is no time, or one outside of the years 1 to 9999 in UTC.

    >>> parse_instant("2024-03-01T01:23:45+01:00").isoformat()
    '2024-03-01T00:23:45+00:00'
    """
    try:
        instant = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise Misconfigured(
            f'"{text}" is not a time', hint="write it like 2024-03-01 or 2024-03-01T01:23:45Z"
        ) from None
    try:
        return (instant.replace(tzinfo=zone) if instant.tzinfo is None else instant).astimezone(UTC)
    except OverflowError:
        raise Misconfigured(f'"{text}" lies outside of the years 1 to 9999 in UTC') from None


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, with `Z`, microseconds only when there are any.

    >>> format_instant(parse_instant("2024-03-01T01:23:45.5Z"))
    '2024-03-01T01:23:45.500000Z'
    """
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_duration(text: str | int | float) -> timedelta:
    """A length of time from `90s`, `15m`, `1h30m`, `7d`, `2w`, `500ms`, or a number of seconds.

    Raises `Misconfigured` for anything else, and for more than `LONGEST`.

    >>> parse_duration("1h30m").total_seconds()
    5400.0
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _length(text, text)
    compact = str(text).replace(" ", "")
    found = _DURATION.findall(compact)
    if not found or "".join(number + unit for number, unit in found) != compact:
        raise _no_length(text)
    return _length(sum(float(number) * _UNITS[unit] for number, unit in found), text)


def _length(seconds: float, text: object) -> timedelta:
    if abs(seconds) > LONGEST.total_seconds():
        raise Misconfigured(
            f'"{str(text)[:40]}" is longer than {LONGEST.days // 365} years',
            hint="write it like 90s, 15m, 7d or 2w",
        )
    if math.isnan(seconds):
        raise _no_length(text)
    return timedelta(seconds=seconds)


def _no_length(text: object) -> Misconfigured:
    return Misconfigured(
        f'"{str(text)[:40]}" is not a duration', hint="write it like 500ms, 90s, 15m, 1h30m, 7d or 2w"
    )
