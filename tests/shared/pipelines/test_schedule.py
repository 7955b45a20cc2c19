"""Schedules: Unix cron, rates and instants, their faults, and the next runs across changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.schedule import (
    Cron,
    Event,
    Once,
    Rate,
    Schedule,
    is_unsteady,
    next_runs,
    parse_cron,
    parse_rate,
    parse_timezone,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("@Daily", "0 0 * * *"),
        (" */5  1-3 1,15 jan mon-fri ", "*/5 1-3 1,15 JAN MON-FRI"),
    ],
)
def test_cron_is_kept_in_its_plain_form(text: str, expected: str) -> None:
    assert Cron(expected) == parse_cron(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("61 * * * *", "bad minute"),
        ("0 3 * *", "five fields"),
        ("0 0 3 * * *", "five fields"),
        ("0 3 ? * MON", "which only some engines know"),
        ("0 3 L * *", "which only some engines know"),
        ("@reboot", "five fields"),
        ("0 0 31 4,6 *", "bad day-of-month"),
        ("0 3 * * *; rm", "five fields"),
        ("0 0 */2 * 1", "days that are either to others"),
        ("0 0 13 * */2", "days that are either to others"),
    ],
)
def test_bad_cron_is_refused(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        parse_cron(text)


@given(st.text(max_size=20))
def test_any_text_is_cron_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except Misconfigured:
        return
    assert cron == parse_cron(cron.expression)


def test_days_of_both_kinds_are_told() -> None:
    assert parse_cron("0 0 13 * 5").is_either_day
    assert not parse_cron("0 0 * * 5").is_either_day


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("rate(1 day)", 86400), ("6 hours", 21600), ("90m", 5400), ("1h30m", 5400), ("2 weeks", 1209600)],
)
def test_rates_are_whole_minutes(text: str, seconds: int) -> None:
    assert Rate(seconds) == parse_rate(text)


@pytest.mark.parametrize("text", ["0 hours", "90s", "rate(1 fortnight)", "", "-1 day", "sometimes"])
def test_bad_rates_are_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"is no rate|is not a duration"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("expression", "zone", "unsteady"),
    [
        ("30 2 * * *", "Europe/Berlin", True),
        ("0 0-5 * * *", "Europe/Berlin", True),
        ("@daily", "Europe/Berlin", False),
        ("59 1 * * *", "Europe/Berlin", False),
        ("0 3 * * *", "Europe/Berlin", False),
        ("*/5 * * * *", "Europe/Berlin", False),
        ("30 1 * * *", "America/New_York", True),
        ("0 3 * * *", "America/New_York", False),
        ("45 1 * * *", "Australia/Lord_Howe", True),
        ("@daily", "Africa/Cairo", True),
        ("30 2 * * *", "Asia/Tokyo", False),
    ],
)
def test_times_that_a_change_of_the_clock_skips_or_repeats_are_known(
    expression: str, zone: str, *, unsteady: bool
) -> None:
    assert unsteady == is_unsteady(parse_cron(expression), zone)


def test_the_zone_of_a_machine_is_none() -> None:
    with pytest.raises(Misconfigured, match="unknown time zone"):
        parse_timezone("localtime")


def test_an_unknown_zone_names_the_nearest() -> None:
    with pytest.raises(Misconfigured, match=r'did you mean "Europe/Berlin"'):
        parse_timezone("Europe/Berln")


def test_either_day_is_enough_where_both_are_given() -> None:
    runs = next_runs(Schedule(parse_cron("0 0 13 * 5")), at("2026-11-08"), count=3)

    assert [at("2026-11-13"), at("2026-11-20"), at("2026-11-27")] == runs


def test_a_skipped_hour_runs_right_after_and_a_doubled_one_once() -> None:
    berlin = Schedule(parse_cron("30 2 * * *"), "Europe/Berlin")

    assert [at("2026-03-28T01:30:00"), at("2026-03-29T01:00:00"), at("2026-03-30T00:30:00")] == next_runs(
        berlin, at("2026-03-27T12:00:00"), count=3
    )
    assert [at("2026-10-25T00:30:00"), at("2026-10-26T01:30:00")] == next_runs(
        berlin, at("2026-10-24T12:00:00"), count=2
    )


def test_next_runs_stay_between_start_and_end() -> None:
    daily = Schedule(parse_cron("@daily"), start=at("2026-01-03"), end=at("2026-01-04"))
    hourly = Schedule(Rate(3600), start=at("2026-01-01T00:30:00"))

    assert [at("2026-01-03"), at("2026-01-04")] == next_runs(daily, at("2026-01-01"))
    assert [at("2026-01-05T10:30:00")] == next_runs(hourly, at("2026-01-05T10:00:00"), count=1)
    assert [at("2026-01-02T01:00:00")] == next_runs(Schedule(Rate(3600)), at("2026-01-02"), count=1)
    assert [at("2026-02-01")] == next_runs(Schedule(Once(at("2026-02-01"))), at("2026-01-01"))
    assert [] == next_runs(Schedule(Once(at("2026-02-01"))), at("2026-02-01"))
    assert [] == next_runs(Schedule(Event("s3://lake/raw")), at("2026-01-01"))
