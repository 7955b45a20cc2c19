"""A window that is asked for anew from its last time on lands every row once, with a key or without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.instants import format_instant
from shared.ingestion.edge import TIES, Edge
from shared.ingestion.window import TimeFormat, Window
from shared.rest.fake import Answer, answer
from shared.rest.message import Request
from tests.shared.ingestion.acme import SOURCE, START, Bench

APPENDED = SOURCE.replace("    primary_key: id\n", "    write_disposition: append\n")
WINDOW = Window(START, START + timedelta(days=1))


def rows(*seconds: int) -> list[dict[str, Any]]:
    """Rows at these seconds of the window."""
    times = [format_instant(START + timedelta(seconds=second)) for second in seconds]
    return [{"id": number, "updated_at": at, "total": None} for number, at in enumerate(times)]


def expires(*numbers: int) -> Callable[[Request], Answer | None]:
    """The requests with a cursor that have these numbers, from 1, find it expired."""
    seen: list[Request] = []

    def before(request: Request) -> Answer | None:
        if request.param("cursor") is None:
            return None
        seen.append(request)
        return answer({"error": {"type": "gone"}}, 410) if len(seen) in numbers else None

    return before


@pytest.mark.parametrize("number", range(1, 5))
def test_rows_of_one_time_on_both_sides_of_a_page_land_once(bench: Bench, number: int) -> None:
    bench.api.lists["/orders"] = rows(1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 6)
    bench.api.before = expires(number)
    report = bench.run(bench.source(APPENDED))

    assert report.failed == {}
    assert sorted(bench.ids()) == list(range(12))


def test_two_rows_that_are_alike_in_everything_stay_two(bench: Bench) -> None:
    alike = [{"id": 7, "updated_at": "2024-03-01T00:00:03Z", "total": None}] * 2
    bench.api.lists["/orders"] = [*rows(1, 2, 3), *alike, *rows(4)]
    bench.api.before = expires(1)
    bench.run(bench.source(APPENDED))

    assert sorted(bench.ids()) == [0, 0, 1, 2, 7, 7]


def test_a_cursor_that_expired_between_two_runs_is_no_harm(bench: Bench) -> None:
    """What has landed at the last time is in the commit that the next run begins with."""
    bench.api.lists["/orders"] = rows(1, 2, 3, 3, 3, 3, 4)
    bench.stop_after(2)
    first = bench.run(bench.source(APPENDED))
    bench.stop = lambda: False
    bench.api.before = expires(1)
    second = bench.run(bench.source(APPENDED))

    assert (first.done, second.done) == (False, True)
    assert sorted(bench.ids()) == list(range(7))


def test_with_too_many_rows_of_one_time_the_error_stands(bench: Bench) -> None:
    """Nothing may land twice: it is told that the API has forgotten the cursor."""
    bench.api.lists["/orders"] = rows(*[3] * (TIES + 6))
    bench.api.before = expires(TIES // 3 + 1)
    report = bench.run(bench.source(APPENDED))

    assert list(report.failed) == ["orders"]
    assert len(set(bench.ids())) == len(bench.ids())


@given(st.lists(st.integers(0, 5), max_size=40).map(sorted), st.integers(1, 7), st.integers(0, 40))
def test_what_comes_again_is_dropped_and_nothing_else(seconds: list[int], size: int, read: int) -> None:
    """Pages up to some row, then again from the time of the last one on: together every row once."""
    edge = Edge.of(WINDOW, TimeFormat.RFC3339, last=None, digests=())
    assert edge is not None
    found = rows(*seconds)
    found = [*_through(edge, found[:read], size), *_again(edge, found, read, size)]

    assert sorted(row["id"] for row in found) == list(range(len(seconds)))


def _again(edge: Edge, found: list[dict[str, Any]], read: int, size: int) -> list[dict[str, Any]]:
    if not found[:read]:
        return _through(edge, found, size)
    edge.expect_again()
    last = found[:read][-1]["updated_at"]
    return _through(edge, [row for row in found if row["updated_at"] >= last], size)


def _through(edge: Edge, found: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    kept_rows = []
    for first in range(0, len(found), size):
        page = found[first : first + size]
        records = [orjson.dumps(row) for row in page]
        kept, _ = edge.pass_over(list(enumerate(records)), [row["updated_at"] for row in page], records)
        kept_rows += [page[index] for index, _ in kept]
    return kept_rows


def test_times_are_compared_on_the_grid_of_the_parameter() -> None:
    """Asked for by the day, all rows of the last day come again."""
    edge = Edge.of(WINDOW, TimeFormat.DATE, last=None, digests=())
    assert edge is not None
    page = rows(10, 20, 30)

    assert len(_through(edge, page, 3)) == 3
    assert edge.digests is not None
    assert len(edge.digests) == 3
    edge.expect_again()
    assert _through(edge, [*page, *rows(40)], 3) == rows(40)


def test_a_window_without_bounds_has_no_edge() -> None:
    assert Edge.of(Window(), TimeFormat.RFC3339, last=None, digests=()) is None
    assert Edge.of(Window(None, datetime(2024, 3, 2, tzinfo=UTC)), None, last=None, digests=()) is None
