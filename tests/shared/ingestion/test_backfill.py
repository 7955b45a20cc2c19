"""Windows of a back-fill land side by side, once each, beside the cursor and beside the stream's own runs."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.ingestion.backfill import NAME, Filled, fillable, key_of, plan_window
from shared.ingestion.plan import Ask
from shared.ingestion.progress import Progress
from shared.ingestion.share import share_of
from shared.ingestion.spec import Incremental, Stream
from shared.ingestion.window import Window
from shared.landing.commit import Commit, Draft
from shared.landing.log import CommitLog
from shared.landing.state import reset, rewind
from tests.shared.ingestion.acme import START, Bench, orders

DAY = timedelta(days=1)
NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
MARCH = [Window(START + i * DAY, START + (i + 1) * DAY) for i in range(6)]


def ask(window: Window, name: str = NAME) -> Ask:
    return Ask(window.since, window.until, backfill=name)


def landed(bench: Bench) -> list[int]:
    return [row["id"] for row in bench.rows()]


def filled(bench: Bench, name: str = NAME) -> Filled:
    return Filled.of(bench.log().latest(), name)


def test_a_window_lands_and_leaves_the_cursor_where_it_is(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(100)
    bench.run(ask=Ask(since=START + 5 * DAY))
    rewind(bench.log(), "2024-03-08T00:00:00Z", run="by-hand")
    report = bench.run(ask=ask(MARCH[0]))

    assert ("done", 24, "2024-03-08T00:00:00Z") == (
        report.streams["orders"].status,
        report.streams["orders"].rows,
        report.streams["orders"].cursor,
    )
    assert NAME == bench.commits()[-1].draft.backfill


def test_a_window_that_is_done_is_not_asked_for_again_but_under_another_name_it_is(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(100)
    bench.run(ask=ask(MARCH[0]))
    asked = len(bench.api.asked)
    again = bench.run(ask=ask(MARCH[0]))

    assert ("skipped", 0, asked) == (
        again.streams["orders"].status,
        again.streams["orders"].commits,
        len(bench.api.asked),
    )
    assert 24 == bench.run(ask=ask(MARCH[0], "second")).streams["orders"].rows


def test_an_unfinished_run_of_the_stream_goes_on_behind_a_back_fill(bench: Bench) -> None:
    """The window's commits carry on what the run needs, whoever looks at the last commit."""
    bench.api.lists["/orders"] = orders(100)
    bench.stop_after(4)
    assert not bench.run(source=bench.source(streams__orders__commit_every="0s")).done
    bench.stop = lambda: False
    bench.run(ask=ask(Window(START - DAY, START)))
    assert bench.run().done

    assert list(range(100)) == sorted(landed(bench))


def test_a_window_that_was_stopped_goes_on_where_it_was(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(24)
    slow = bench.source(streams__orders__commit_every="0s")
    bench.stop_after(3)
    first = bench.run(slow, ask=ask(MARCH[0])).streams["orders"]
    bench.stop = lambda: False
    asked = len(bench.api.asked)
    bench.run(slow, ask=ask(MARCH[0]))

    assert "unfinished" == first.status
    assert list(range(24)) == sorted(landed(bench))
    assert 8 > len(bench.api.asked) - asked
    assert (MARCH[0],) == filled(bench).done
    assert {} == filled(bench).open


def test_windows_side_by_side_and_runs_of_the_stream_land_every_row_once(bench: Bench) -> None:
    """Six windows and the stream's own run at once, each with many commits: nobody is superseded."""
    bench.api.lists["/orders"] = orders(200)
    source = bench.source(
        streams__orders__commit_every="0s", streams__orders__incremental__start="2024-03-07"
    )

    with ThreadPoolExecutor(7) as pool:
        asks = [*map(ask, MARCH), None]
        reports = list(pool.map(lambda one: bench.run(source, ask=one).streams["orders"], asks))

    assert ["done"] * 7 == [report.status for report in reports]
    assert dict.fromkeys(range(200), 1) == Counter(landed(bench))
    cursors = [commit.draft.cursor for commit in bench.commits() if commit.draft.cursor]
    assert sorted(cursors) == cursors
    assert (Window(MARCH[0].since, MARCH[-1].until),) == filled(bench).done


def test_of_two_runs_of_one_window_one_is_superseded(bench: Bench) -> None:
    """A Lambda that is called twice, or a command that is started twice."""
    bench.api.lists["/orders"] = orders(24)
    source = bench.source(streams__orders__commit_every="0s")
    begun: list[object] = []

    def meanwhile(request: object) -> None:
        if not begun:
            begun.append(request)
            Bench(bench.folder, bench.api, bench.store, tokens=99).run(source, ask=ask(MARCH[0]))

    bench.api.before = meanwhile
    report = bench.run(source, ask=ask(MARCH[0]))

    assert "superseded" == report.streams["orders"].status
    assert dict.fromkeys(range(24), 1) == Counter(landed(bench))


def test_a_reset_ends_back_fills_and_a_rewind_does_not(bench: Bench) -> None:
    bench.api.lists["/orders"] = orders(24)
    bench.run(ask=ask(MARCH[0]))
    rewind(bench.log(), "2024-03-01T00:00:00Z", run="by-hand")
    kept = filled(bench).done
    reset(bench.log(), run="by-hand")

    assert ((MARCH[0],), ()) == (kept, filled(bench).done)


def test_what_is_left_are_the_open_windows_and_the_gaps() -> None:
    """Whatever the windows of an earlier start were."""
    begun = Progress("r", 1, MARCH[4], moves=False)
    state = Filled().finished(MARCH[0]).finished(MARCH[2]).finished(MARCH[1]).at(MARCH[4], begun)
    left = state.left(Window(MARCH[0].since, MARCH[5].until), 2 * DAY)

    assert (Window(MARCH[0].since, MARCH[2].until),) == state.done
    assert [MARCH[3], MARCH[4], MARCH[5]] == left


windows = st.tuples(st.integers(0, 40), st.integers(1, 12)).map(
    lambda w: Window(START + w[0] * DAY, START + (w[0] + w[1]) * DAY)
)


@given(st.lists(windows, max_size=8), windows, st.integers(1, 5))
def test_what_is_done_and_what_is_left_cover_the_range_once(
    done: list[Window], whole: Window, days: int
) -> None:
    state = Filled()
    for window in done:
        state = state.finished(window)
    assert state == Filled.of(Commit("a", "b", 1, "", Draft("r", 1, beside={"x": state.to_json()})), "x")
    left = state.left(whole, days * DAY)

    def of(ranges: list[Window]) -> list[int]:
        assert all(w.since and w.until for w in ranges)
        return [d for w in ranges for d in range((w.since - START).days, (w.until - START).days)]  # type: ignore[operator]

    assert sorted({*of([whole])} - {*of(done)}) == of(left)
    assert all(state.holds(window) for window in done)


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        ({}, "no `incremental`"),
        ({"cursor_field": "n", "incremental": Incremental(by="value")}, "by: value"),
        (
            {"cursor_field": "n", "incremental": Incremental(), "write_disposition": "replace"},
            "replaces its table",
        ),
    ],
)
def test_streams_without_windows_of_time_are_refused(stream: dict[str, object], why: str) -> None:
    one = Stream.model_validate({"path": "/a", **stream})

    assert why in fillable(one)
    with pytest.raises(Misconfigured, match="cannot be back-filled"):
        plan_window(one, None, ask=ask(MARCH[0]), now=NOW, run="r")


def test_a_window_that_is_not_over_is_refused() -> None:
    """Its last rows may still become visible, and nothing would ever fetch them."""
    one = Stream(path="/a", primary_key="id", cursor_field="u", incremental=Incremental())
    with pytest.raises(Misconfigured, match="not over") as caught:
        plan_window(one, None, ask=Ask(NOW - DAY, NOW, backfill="x"), now=NOW, run="r")

    assert "2024-03-10T11:59:00Z" in caught.value.message


@pytest.mark.parametrize("damage", [[], {"done": [["x"]]}, {"open": {"x": {}}}, {"done": 3}, {"open": [3]}])
def test_a_damaged_state_is_a_violation(damage: object) -> None:
    commit = Commit("acme", "orders", 7, "", Draft("r", 1, beside={"x": damage}))
    with pytest.raises(Violation, match=r"beside\.x"):
        Filled.of(commit, "x")


def test_a_share_keeps_to_its_part_of_the_limits(bench: Bench) -> None:
    whole = bench.source(rate_limit__requests="100")
    limits = [share_of(whole, parts).spec.rate_limit for parts in (1, 3, 500)]

    assert [(100, 4), (33, 1), (1, 1)] == [(limit.requests, limit.concurrency) for limit in limits]


def test_commits_without_back_fills_look_as_before() -> None:
    """Older readers of the log find nothing new in it."""
    log = CommitLog(MemoryStore(), "acme", "orders", FakeClock(NOW))
    log.append(Draft("r", 1), after=None)

    assert not {"backfill", "beside"} & log.read(1).to_json().keys()
    assert "2024-03-01T00:00:00Z/2024-03-02T00:00:00Z" == key_of(MARCH[0])
