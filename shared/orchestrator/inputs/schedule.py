"""Input `schedule`: a clock. `cron(0 6 * * MON-FRI)` in a time zone, or `rate(5 minutes)`.

Cron is Debian's: five fields; when both days are restricted, either fits; a local time that a change of the clock skips
comes right after it, and one that it repeats comes once. When several times have passed unseen (the program was down,
the machine slept, the clock was set), `missed` says what becomes of them. The key of an event is its time, so that
several replicas over one journal raise it once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.settings import InputSettings, Surroundings

_FORM = re.compile(r"\s*(cron|rate)\((.*)\)\s*")
_RATE = re.compile(r"\s*([1-9][0-9]{0,6})\s+(second|minute|hour|day)s?\s*")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
LOG = logging.getLogger("sluice.dispatch")
MOST = 1000
"""Missed times that are raised at most; the latest of them."""
LOOK = 30.0
"""Seconds between looks at the wall clock, which somebody may set meanwhile."""


class ScheduleInput(InputSettings):
    """`connection_string` is `cron(minute hour day month weekday)` or `rate(n seconds|minutes|hours|days)`."""

    type: Literal["schedule"]
    connection_string: str = Field(min_length=1)
    timezone: str = "UTC"
    missed: Literal["once", "all", "skip"] = "once"
    """For times that nobody saw: one event for the latest, one for each, or none."""

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f'unknown time zone "{value}"; for example Europe/Vienna') from None
        return value

    @field_validator("connection_string")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        found = _FORM.fullmatch(value)
        if found is None:
            raise ValueError(
                'expected cron(…) or rate(…), for example "cron(0 6 * * MON-FRI)" or "rate(5 minutes)"'
            )
        if found[1] == "rate" and _RATE.fullmatch(found[2]) is None:
            raise ValueError(f'"{found[2]}" is no rate; for example rate(5 minutes)')
        if found[1] == "cron":
            if len(fields := found[2].split()) != 5:
                raise ValueError(
                    f'"{found[2]}" is no cron expression: it has {len(fields)} fields; '
                    "five are right: minute hour day month weekday"
                )
            try:
                next(CronSim(found[2].strip(), datetime(2026, 1, 1, tzinfo=UTC)))
            except CronSimError as error:
                raise ValueError(f'"{found[2]}" is no cron expression: {error}; five fields') from None
            except StopIteration:
                raise ValueError(f'"{found[2]}" never comes') from None
        return value

    def open(self, around: Surroundings) -> Input:
        return Ticking(self)

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, in UTC, earliest first."""
        kind, text = self._parts
        if kind == "cron":
            for local in CronSim(text.strip(), moment.astimezone(ZoneInfo(self.timezone))):
                if local.astimezone(UTC) > moment:
                    yield local.astimezone(UTC)
            return
        found = _RATE.fullmatch(text)
        assert found is not None
        step = int(found[1]) * _SECONDS[found[2]]
        number = int(moment.timestamp() // step) + 1
        while True:
            yield datetime.fromtimestamp(number * step, UTC)
            number += 1

    @cached_property
    def _parts(self) -> tuple[str, str]:
        found = _FORM.fullmatch(self.connection_string)
        assert found is not None
        return found[1], found[2]


@dataclass(frozen=True, slots=True)
class Ticking:
    settings: ScheduleInput

    def run(self, outlet: Outlet) -> None:
        text = outlet.bookmark()
        # From the first start on: what was before it, nobody asked for.
        last = datetime.fromisoformat(text) if text else outlet.clock.now()
        if not text:
            outlet.emit([], bookmark=last.isoformat())
        first = True
        while not outlet.stopping():
            now = outlet.clock.now()
            due = [*islice(_until(self.settings.after(last), now), 100_000)]
            if due:
                self._raise(outlet, due, first and bool(text))
                last = due[-1]
            first = False
            following = next(self.settings.after(max(last, outlet.clock.now())))
            outlet.wait(min(LOOK, max(0.0, (following - outlet.clock.now()).total_seconds())))

    def _raise(self, outlet: Outlet, due: list[datetime], begin: bool) -> None:
        """`begin`: the program was down before. A time that is over for less than a look was not missed."""
        fresh = (
            [one for one in due if outlet.clock.now() - one < timedelta(seconds=LOOK)] if not begin else []
        )
        match self.settings.missed:
            case "all":
                raised = due[-MOST:]
                if len(due) > MOST:
                    text = "input %s: %d times were missed, and the newest %d are made up for"
                    LOG.warning(text, self.settings.name, len(due), MOST)
            case "once":
                raised = due[-1:]
            case _:
                raised = fresh[-1:]
        events = [Event(self.settings.connection_string, Operation.READ, one.isoformat()) for one in raised]
        outlet.emit(events, keys=[one.isoformat() for one in raised], bookmark=due[-1].isoformat())


def _until(times: Iterator[datetime], now: datetime) -> Iterator[datetime]:
    for one in times:
        if one > now:
            return
        yield one
