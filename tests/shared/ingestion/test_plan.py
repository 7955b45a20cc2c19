"""What a run covers follows from the last commit, the question and the clock alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.ingestion.plan import Ask, cursor_after, plan
from shared.ingestion.progress import Progress
from shared.ingestion.spec import Stream
from shared.ingestion.window import Window
from shared.landing.commit import Commit, Draft

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def stream(**more: Any) -> Stream:
    incremental = {"since": "from", "until": "to", "start": "2024-01-01", **more.pop("incremental", {})}
    return Stream(path="/a", primary_key="id", cursor_field="updated_at", incremental=incremental, **more)


def committed(**draft: Any) -> Commit:
    return Commit("acme", "a", 1, "2024-03-09T00:00:00Z", Draft("old", 0, **draft))


def test_the_first_run_goes_from_start_to_a_moment_before_now() -> None:
    progress = plan(stream(), None, ask=Ask(), now=NOW, run="r")

    assert progress.whole == Window(datetime(2024, 1, 1, tzinfo=UTC), NOW - timedelta(seconds=60))


def test_the_next_run_begins_at_the_cursor() -> None:
    progress = plan(stream(), committed(cursor="2024-03-08T00:00:00Z"), ask=Ask(), now=NOW, run="r")

    assert progress.whole.since == datetime(2024, 3, 8, tzinfo=UTC)


def test_look_back_begins_before_the_cursor_and_does_not_move_it_back() -> None:
    source = stream(incremental={"look_back": "2d"})
    last = committed(cursor="2024-03-08T00:00:00Z")
    progress = plan(source, last, ask=Ask(), now=NOW, run="r")

    assert progress.whole.since == datetime(2024, 3, 6, tzinfo=UTC)
    assert (
        cursor_after(progress, progress.windows(), before=last.draft.cursor, by_value=False)
        == last.draft.cursor
    )


@pytest.mark.parametrize(
    "change",
    [
        5,
        [],
        "x",
        {"x": 1},
        {"next": "a"},
        {"next": None},
        {"attempt": True},
        {"run": 7},
        {"step": "hour"},
        {"step": 1e300},
        {"whole": {"since": "yesterday"}},
        {"whole": []},
        {"open": [1]},
        {"open": [{"index": 0, "spot": {"request": {"method": "GET"}}, "seen": [], "last": None}]},
        {"open": [{"index": 0, "spot": {"request": {"url": 5}}, "seen": [], "last": None}]},
        {"open": [{"index": "0", "spot": {}, "seen": [], "last": None}]},
        {"open": [{"index": 0, "spot": {"loop": {"kept": "zz"}}, "seen": [], "last": None}]},
    ],
)
def test_a_damaged_resume_names_its_commit_and_the_ways_out(change: Any) -> None:
    whole = Progress("old", 3, Window(NOW - DAY, NOW), next=1).to_json()
    resume = {**whole, **change} if isinstance(change, dict) and "x" not in change else change
    latest = committed(resume=resume, cursor="2024-03-08T00:00:00Z")

    with pytest.raises(Violation, match=r"source acme, stream a, commit 1\]") as caught:
        plan(stream(), latest, ask=Ask(), now=NOW, run="r")

    assert all(way in caught.value.hint for way in ("state rewind", "state reset", "--full-refresh"))
    assert plan(stream(), latest, ask=Ask(full_refresh=True), now=NOW, run="r").next == 0


@pytest.mark.parametrize("cursor", ["hello", 5, {"at": 1}, "9999-12-31T23:59:59-05:00"])
def test_a_damaged_cursor_names_its_commit_and_the_ways_out(cursor: Any) -> None:
    with pytest.raises(Violation, match=r"cursor .* is no time.*commit 1\]") as caught:
        plan(stream(), committed(cursor=cursor), ask=Ask(), now=NOW, run="r")

    assert "state rewind" in caught.value.hint


def test_an_unfinished_run_goes_on_as_the_next_attempt() -> None:
    before = Progress("old", 3, Window(NOW - DAY, NOW), next=1)
    progress = plan(stream(), committed(resume=before.to_json()), ask=Ask(), now=NOW + DAY, run="new")

    assert (progress.run, progress.attempt, progress.whole) == ("old", 4, before.whole)


def test_a_question_of_its_own_leaves_the_unfinished_run_aside() -> None:
    before = Progress("old", 3, Window(NOW - DAY, NOW), next=1)
    progress = plan(
        stream(), committed(resume=before.to_json()), ask=Ask(full_refresh=True), now=NOW, run="new"
    )

    assert (progress.run, progress.attempt) == ("new", 1)


def test_a_back_fill_before_the_cursor_leaves_the_cursor() -> None:
    ask = Ask(since=NOW - 30 * DAY, until=NOW - 20 * DAY)
    progress = plan(stream(), committed(cursor="2024-03-08T00:00:00Z"), ask=ask, now=NOW, run="r").finished(0)

    assert (
        cursor_after(progress, progress.windows(), before="2024-03-08T00:00:00Z", by_value=False)
        == "2024-03-08T00:00:00Z"
    )


def test_a_first_run_from_a_later_time_on_leaves_the_cursor_at_nothing() -> None:
    progress = plan(stream(), None, ask=Ask(since=NOW - DAY), now=NOW, run="r").finished(0)

    assert cursor_after(progress, progress.windows(), before=None, by_value=False) is None


def test_a_range_that_reaches_into_the_future_ends_a_moment_before_now() -> None:
    progress = plan(stream(), None, ask=Ask(until=NOW + 99 * DAY), now=NOW, run="r")

    assert progress.whole.until == NOW - timedelta(seconds=60)


def test_more_windows_than_anybody_needs_are_refused() -> None:
    with pytest.raises(Misconfigured, match="windows"):
        plan(stream(incremental={"window": "10s"}), None, ask=Ask(), now=NOW + 20 * DAY, run="r")


def test_a_range_behind_a_gap_does_not_move_the_cursor_over_the_gap() -> None:
    ask = Ask(since=NOW - DAY)
    progress = plan(stream(), committed(cursor="2024-03-08T00:00:00Z"), ask=ask, now=NOW, run="r").finished(0)

    assert (
        cursor_after(progress, progress.windows(), before="2024-03-08T00:00:00Z", by_value=False)
        == "2024-03-08T00:00:00Z"
    )


def test_a_clock_that_jumped_back_gives_an_empty_run_and_keeps_the_cursor() -> None:
    progress = plan(stream(), committed(cursor="2024-03-10T12:00:00Z"), ask=Ask(), now=NOW - DAY, run="r")

    assert progress.windows() == []
    assert cursor_after(progress, [], before="2024-03-10T12:00:00Z", by_value=False) == "2024-03-10T12:00:00Z"


def test_a_stream_without_a_cursor_is_a_snapshot_of_everything() -> None:
    progress = plan(Stream(path="/a"), None, ask=Ask(since=NOW), now=NOW, run="r")

    assert (progress.whole, progress.snapshot, progress.moves) == (Window(), True, False)


def test_a_cursor_of_values_goes_into_the_next_run() -> None:
    source = Stream(
        path="/a", primary_key="id", cursor_field="id", incremental={"by": "value", "since": "since_id"}
    )
    progress = plan(source, committed(cursor=41), ask=Ask(), now=NOW, run="r")

    assert cursor_after(progress.finished(0, last=57), progress.windows(), before=41, by_value=True) == 57


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(Misconfigured, match="range is empty"):
        Ask(since=NOW, until=NOW)
