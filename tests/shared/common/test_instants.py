"""Times and lengths of time: what no calendar holds is refused as what it is, a mistake in a document."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.common.instants import format_instant, parse_duration, parse_instant


@pytest.mark.parametrize(
    "text",
    [
        "99999999999999d",
        "4000000000d",
        "36526d",
        "1" * 400 + "s",
        1e300,
        float("inf"),
        float("-inf"),
        10**400,
    ],
)
def test_a_length_beyond_a_hundred_years_is_refused(text: str | float) -> None:
    with pytest.raises(Misconfigured, match="is longer than 100 years"):
        parse_duration(text)


def test_no_number_is_no_length() -> None:
    with pytest.raises(Misconfigured, match='"nan" is not a duration'):
        parse_duration(float("nan"))


@pytest.mark.parametrize("text", ["36525d", "5217w", 36525 * 86400])
def test_a_hundred_years_are_a_length(text: str | float) -> None:
    assert timedelta(days=36_500) <= parse_duration(text) <= timedelta(days=36_525)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+01:00"])
def test_a_time_outside_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="lies outside of the years 1 to 9999"):
        parse_instant(text)


@given(st.text(max_size=40) | st.floats() | st.integers())
def test_a_length_is_read_or_refused(text: str | float) -> None:
    try:
        length = parse_duration(text)
    except Misconfigured:
        return

    assert abs(length) <= timedelta(days=36_525)


@given(st.text(max_size=40) | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str))
def test_a_time_is_read_or_refused(text: str) -> None:
    try:
        instant = parse_instant(text)
    except Misconfigured:
        return

    assert parse_instant(format_instant(instant)) == instant
