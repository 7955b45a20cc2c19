"""The progress of a run survives JSON, and its watermark never passes an unfinished window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shared.common.instants import parse_instant
from shared.ingestion.progress import Position, Progress, Spot, greatest
from shared.ingestion.window import Window
from shared.rest.message import Request

START = datetime(2024, 3, 1, tzinfo=UTC)
requests = st.builds(Request, url=st.just("https://api.test/a"), params=st.just((("cursor", "1:2"),)))
spots = st.builds(
    Spot, request=st.none() | requests, parent=st.none() | requests, after=st.none() | st.text()
)
positions = st.builds(
    Position,
    index=st.integers(0, 9),
    spot=spots,
    seen=st.lists(st.text("abcdef0123456789", min_size=16, max_size=16)).map(tuple),
    last=st.none() | st.integers() | st.text(),
)


def begun(hours: int) -> Progress:
    return Progress("run", 0, Window(START, START + timedelta(hours=hours)), timedelta(hours=1))


@given(st.lists(positions), st.integers(0, 10))
def test_it_survives_json(opened: list[Position], following: int) -> None:
    progress = begun(10)
    for position in opened:
        progress = progress.at(position)

    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_the_watermark_is_the_end_of_the_finished_windows_at_the_front(hours: int, random: Random) -> None:
    progress = begun(hours)
    windows = progress.windows()
    order = list(range(hours))
    random.shuffle(order)
    done: set[int] = set()
    for index in order:
        progress = progress.finished(index)
        done.add(index)
        front = next((i for i in range(hours) if i not in done), hours)

        assert parse_instant(progress.watermark(windows) or "") == START + timedelta(hours=front)
    assert progress.complete(hours)


def test_a_window_that_was_skipped_over_stays_open_at_its_beginning() -> None:
    progress = begun(3).at(Position(2, Spot(Request("https://api.test/a"))))

    assert sorted(progress.open) == [0, 1, 2]
    assert not progress.complete(3)


def test_an_empty_range_has_no_windows() -> None:
    assert Progress("run", 0, Window(START, START)).windows() == []


def test_the_greatest_of_nothing_and_a_value_is_the_value() -> None:
    assert (greatest(None, 3), greatest("b", "a"), greatest(2, 10)) == (3, "b", 10)


def test_texts_that_are_numbers_are_compared_as_numbers() -> None:
    assert greatest("9", "10") == "10"
