"""Windows cover a range without a gap or an overlap, whatever the API's bounds mean."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.instants import parse_instant
from shared.ingestion.window import Bounds, TimeFormat, Window, split

instants = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001  (hypothesis wants bounds without a zone)
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
lengths = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=40))
DAY = datetime(2024, 3, 1, tzinfo=UTC)


@given(since=instants, length=lengths, pieces=st.integers(1, 50))
def test_pieces_join_up_to_the_whole_without_gap_or_overlap(
    since: datetime, length: timedelta, pieces: int
) -> None:
    step = max(length / pieces, timedelta(microseconds=1))
    windows = list(split(Window(since, since + length), step))

    assert windows[0].since == since
    assert windows[-1].until == since + length
    assert all(one.until == two.since for one, two in itertools.pairwise(windows))
    assert all(w.since and w.until and w.since < w.until <= w.since + step for w in windows)


@given(since=instants, length=lengths, pieces=st.integers(1, 20), offset=st.floats(0, 1, exclude_max=True))
def test_every_instant_of_the_range_is_held_by_exactly_one_piece(
    since: datetime, length: timedelta, pieces: int, offset: float
) -> None:
    moment = since + length * offset
    windows = list(split(Window(since, since + length), max(length / pieces, timedelta(microseconds=1))))

    assert sum(window.holds(moment) for window in windows) == (1 if moment < since + length else 0)


@given(
    since=instants,
    length=lengths,
    bounds=st.sampled_from(Bounds),
    form=st.sampled_from(TimeFormat),
    at=st.floats(0, 1),
)
def test_the_parameters_ask_for_every_instant_of_the_window(
    since: datetime, length: timedelta, bounds: Bounds, form: TimeFormat, at: float
) -> None:
    window = Window(since, since + length)
    moment = since + length * at
    first, last = window.parameters(bounds=bounds, form=form)

    if window.holds(moment):
        assert answered(first, last, moment, bounds=bounds, form=form)


def answered(
    first: str | None, last: str | None, moment: datetime, *, bounds: Bounds, form: TimeFormat
) -> bool:
    """Whether an API that reads its parameters as `bounds` says gives out a row of that moment."""
    assert first is not None
    assert last is not None
    since, until = read(first, form), read(last, form)
    starts = moment >= since if bounds in (Bounds.INCLUSIVE, Bounds.SINCE_INCLUSIVE) else moment > since
    ends = moment <= until if bounds in (Bounds.INCLUSIVE, Bounds.UNTIL_INCLUSIVE) else moment < until
    return starts and ends


def read(text: str, form: TimeFormat) -> datetime:
    match form:
        case TimeFormat.EPOCH:
            return datetime.fromtimestamp(int(text), UTC)
        case TimeFormat.EPOCH_MS:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(text))
        case _:
            return parse_instant(text)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (TimeFormat.RFC3339, "2024-03-01T01:02:03.456789Z"),
        (TimeFormat.SECONDS, "2024-03-01T01:02:03Z"),
        (TimeFormat.DATE, "2024-03-01"),
        (TimeFormat.EPOCH, "1709254923"),
        (TimeFormat.EPOCH_MS, "1709254923456"),
    ],
)
def test_a_time_is_written_as_the_api_wants_it(form: TimeFormat, expected: str) -> None:
    moment = datetime(2024, 3, 1, 1, 2, 3, 456789, tzinfo=UTC)

    assert form.write(form.floor(moment)) == expected


def test_a_range_with_an_open_end_is_one_window() -> None:
    assert list(split(Window(DAY, None), timedelta(hours=1))) == [Window(DAY, None)]


def test_a_row_without_a_time_belongs_to_its_window() -> None:
    assert Window(DAY, DAY + timedelta(days=1)).holds(None)


def test_a_window_survives_json() -> None:
    window = Window(DAY, DAY + timedelta(microseconds=7))

    assert Window.from_json(window.to_json()) == window
