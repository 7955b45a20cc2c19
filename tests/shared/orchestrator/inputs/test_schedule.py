"""The clock as an input: times in zones, changes of the clock, and what was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, Literal

import pytest

from shared.common.fakes import START, FakeClock
from shared.orchestrator.inputs.schedule import MOST, ScheduleInput
from shared.orchestrator.settings import Surroundings
from tests.shared.orchestrator.inputs.outlet import Kept


def schedule(text: str, **more: Any) -> ScheduleInput:
    return ScheduleInput(name="i", type="schedule", connection_string=text, **more)


def times(one: ScheduleInput, begin: datetime, number: int) -> list[str]:
    return [at.isoformat() for at in islice(one.after(begin), number)]


def test_cron_goes_by_its_zone_across_a_change_of_the_clock() -> None:
    """02:30 does not exist on 29 March 2026 in Vienna, and exists twice on 25 October."""
    one = schedule("cron(30 2 * * *)", timezone="Europe/Vienna")

    assert ["2026-03-28T01:30:00+00:00", "2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"] == times(
        one, datetime(2026, 3, 28, tzinfo=UTC), 3
    )
    assert ["2026-10-24T00:30:00+00:00", "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"] == times(
        one, datetime(2026, 10, 24, tzinfo=UTC), 3
    )


def test_rates_stand_still_when_the_program_starts_anew() -> None:
    begin = datetime(2026, 11, 20, 10, 3, 7, tzinfo=UTC)

    assert ["2026-11-20T10:05:00+00:00", "2026-11-20T10:10:00+00:00"] == times(
        schedule("rate(5 minutes)"), begin, 2
    )


@pytest.mark.parametrize(
    "text",
    [
        "cron(61 * * * *)",
        "cron(0 0 31 2 *)",
        "rate(0 minutes)",
        "rate(5 weeks)",
        "5 minutes",
        "cron(* * * *)",
        "cron(* * * * * *)",
        "cron(0 0 6 * * *)",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|is no|never comes"):
        schedule(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match='unknown time zone "Europe/Wien"'):
        schedule("rate(1 day)", timezone="Europe/Wien")


def test_each_time_is_one_event() -> None:
    outlet = Kept(looks=40)
    schedule("rate(1 minute)").open(Surroundings()).run(outlet)

    minutes = [datetime.fromisoformat(event.id) for event in outlet.events]
    assert len(minutes) >= 10
    assert {timedelta(minutes=1)} == {b - a for a, b in pairwise(minutes)}
    assert [event.id for event in outlet.events] == outlet.keys


@pytest.mark.parametrize(("missed", "number"), [("once", 1), ("all", 3), ("skip", 0)])
def test_times_that_nobody_saw(missed: Literal["once", "all", "skip"], number: int) -> None:
    """The program was down for three hours."""
    clock = FakeClock(START)
    outlet = Kept(looks=1, clock=clock, bookmark=(START - timedelta(hours=3)).isoformat())
    schedule("rate(1 hour)", missed=missed).open(Surroundings()).run(outlet)

    assert number == len(outlet.events)
    assert "2026-11-20T10:00:00+00:00" == outlet.bookmark()


def test_what_is_not_made_up_for_is_told(caplog: pytest.LogCaptureFixture) -> None:
    outlet = Kept(looks=1, clock=FakeClock(START), bookmark=(START - timedelta(hours=30)).isoformat())
    schedule("rate(1 minute)", missed="all").open(Surroundings()).run(outlet)

    assert MOST == len(outlet.events)
    assert "1800 times were missed, and the newest 1000 are made up for" in caplog.text


def test_a_clock_that_is_set_back_raises_nothing_twice() -> None:
    clock = FakeClock(START)

    def between(look: int) -> None:
        if look == 12:
            clock.advance(-600)

    outlet = Kept(looks=60, clock=clock, between=between)
    schedule("rate(1 minute)").open(Surroundings()).run(outlet)

    assert len(outlet.keys) == len(set(outlet.keys)) == len(outlet.events) > 5
