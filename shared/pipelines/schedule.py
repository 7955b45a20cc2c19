"""When a pipeline runs: by a cron expression, at a rate, once, or on an event; and its next runs.

Cron is Unix cron with five fields. Times are local in the schedule's zone. Where a clock changes, this is what
Debian's cron does: a time that is skipped runs right after the change, one that comes twice runs once. Where both
the day of the month and the day of the week are restricted, either is enough; where one of them begins with a star
(`*/2`), crons differ, and the expression is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from shared.common.errors import Misconfigured, unknown
from shared.common.instants import parse_duration


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields, single spaces between them, names in capitals, no macros: minute, hour, day, month, day of
    week.
    """

    expression: str

    @property
    def fields(self) -> tuple[str, str, str, str, str]:
        minute, hour, day, month, weekday = self.expression.split(" ")
        return minute, hour, day, month, weekday

    @property
    def is_either_day(self) -> bool:
        """Whether both kinds of days are restricted, so that either is enough: not every engine can say this."""
        _, _, day, _, weekday = self.fields
        return not day.startswith("*") and not weekday.startswith("*")


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds (60 or more), from the start of the schedule or its deployment."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Once:
    """At one instant (UTC)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """When something happens: an object `s3://bucket/prefix`, the success of `pipeline:NAME`, or a name that
    somebody raises.
    """

    name: str


Trigger: TypeAlias = Cron | Rate | Once | Event


@dataclass(frozen=True, slots=True)
class Schedule:
    """A trigger in a time zone. `catch_up`: runs that were missed since `start` are made up for, one logical time
    each.

    `start` and `end` (UTC) bound the logical times, both included.
    """

    trigger: Trigger
    timezone: str = "UTC"
    catch_up: bool = False
    start: datetime | None = None
    end: datetime | None = None


_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_VALUE = "(?:[0-9]+|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC|SUN|MON|TUE|WED|THU|FRI|SAT)"
_ITEM = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/[0-9]+)?"
_FIELD = re.compile(rf"{_ITEM}(?:,{_ITEM})*")
_RATE = re.compile(r"(?:rate\()?\s*([0-9]{1,6})\s+(minute|hour|day|week)s?\s*\)?", re.IGNORECASE)
_UNITS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def parse_cron(text: str) -> Cron:
    """A cron expression in its plain form. Raises `Misconfigured`.

    >>> parse_cron("@daily"), parse_cron("*/15  6-8 * * mon-fri").expression
    (Cron(expression='0 0 * * *'), '*/15 6-8 * * MON-FRI')
    """
    from cronsim import CronSim, CronSimError

    expression = " ".join(_MACROS.get(text.strip().lower(), text).upper().split())
    fields = expression.split(" ")
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
        hint = "five fields of Unix cron: minute hour day month weekday, such as 0 3 * * *, or @daily"
        if any(mark in expression for mark in "?L#W"):
            hint += "; without ? L W #, which only some engines know"
        raise Misconfigured(f'"{text[:60]}" is no cron expression', hint=hint)
    try:
        CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - it wants a start; only the expression is looked at
    except CronSimError as error:
        raise Misconfigured(f'"{text[:60]}" is no cron expression: {str(error).lower()}') from None
    day, weekday = fields[2], fields[4]
    if "*" not in (day, weekday) and (day.startswith("*") or weekday.startswith("*")):
        raise Misconfigured(
            f'"{text[:60]}" means days that are both to Debian\'s cron, and days that are either to others',
            hint="write the days out (1-31/2 for */2) where either is enough, or restrict one kind only",
        )
    return Cron(expression)


def parse_rate(text: str) -> Rate:
    """A rate from `6 hours`, `rate(1 day)` or `90m`, whole minutes. Raises `Misconfigured`.

    >>> parse_rate("rate(1 day)"), parse_rate("90m")
    (Rate(seconds=86400), Rate(seconds=5400))
    """
    if found := _RATE.fullmatch(text.strip()):
        seconds = float(int(found.group(1)) * _UNITS[found.group(2).lower()])
    else:
        seconds = parse_duration(text).total_seconds()
    if seconds < 60 or seconds % 60:
        raise Misconfigured(
            f'"{text[:60]}" is no rate', hint="whole minutes, one or more: 15m, 6 hours, rate(1 day)"
        )
    return Rate(int(seconds))


_NO_ZONES = {"localtime", "Factory"}
"""Names in the database of zones that mean whatever a machine is set to."""


def parse_timezone(text: str) -> str:
    """The name of a time zone. Raises `Misconfigured` naming the nearest one."""
    zones = available_timezones() - _NO_ZONES
    if text not in zones:
        error = unknown("time zone", text, zones)
        near = error.hint.partition(" known:")[0] if error.hint.startswith("did you") else ""
        raise Misconfigured(error.message, hint=f"{near} names are such as UTC or Europe/Berlin".strip())
    return text


def next_runs(schedule: Schedule, after: datetime, *, count: int = 5) -> list[datetime]:
    """The next logical times (UTC) after an instant, at most `count`; none for an event.

    A rate without a `start` counts from `after`, since nobody knows yet when it will be deployed.
    """
    runs = (run for run in _runs(schedule, after) if run > after)
    if schedule.start is not None:
        start = schedule.start
        runs = (run for run in runs if run >= start)
    end = schedule.end
    return [run for run in islice(runs, count) if end is None or run <= end]


def is_unsteady(cron: Cron, timezone: str) -> bool:
    """Whether it names a time of the day that a change of the clock skips or repeats, on some day.

    Times of every hour (`*` for the hour) are not looked at: something is always run then.
    """
    from cronsim import CronSim

    minute, hour, *_ = cron.fields
    if hour.startswith("*"):
        return False
    day = datetime(2026, 1, 1)  # noqa: DTZ001 - times of any day
    times = {
        (run.hour, run.minute)
        for run in _until(day + timedelta(days=1), CronSim(f"{minute} {hour} * * *", day))
    }
    return bool(times & _changing(timezone))


def _until(end: datetime, runs: Iterator[datetime]) -> Iterator[datetime]:
    return takewhile(lambda run: run <= end, runs)


@cache
def _changing(timezone: str) -> frozenset[tuple[int, int]]:
    """The times of a day, hour and minute, that are skipped or come twice on some day of 2026 (PEP 495: there the two
    readings of a local time have different offsets).
    """
    zone = ZoneInfo(timezone)
    noons = [datetime(2025, 12, 31, 12, tzinfo=zone) + timedelta(days=days) for days in range(367)]
    days = [after for before, after in pairwise(noons) if before.utcoffset() != after.utcoffset()]
    times = (day.replace(hour=minute // 60, minute=minute % 60) for day in days for minute in range(1440))
    return frozenset(
        (time.hour, time.minute) for time in times if time.utcoffset() != time.replace(fold=1).utcoffset()
    )


def _runs(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    begin = max(after, schedule.start - timedelta(minutes=1)) if schedule.start else after
    match schedule.trigger:
        case Cron(expression):
            from cronsim import CronSim

            for run in CronSim(expression, begin.astimezone(ZoneInfo(schedule.timezone))):
                yield run.astimezone(UTC)
        case Rate(seconds):
            first = schedule.start or after
            step = timedelta(seconds=seconds)
            at = first + step * max(0, (begin - first) // step)
            while True:
                yield at
                at += step
        case Once(at):
            yield at
        case Event():
            return
