"""Updates of lanes become commits, one after another; what could not be committed goes out with the next one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.common.errors import Transient
from shared.common.fakes import FakeClock, MemoryStore
from shared.ingestion.lane import Update
from shared.ingestion.progress import Position, Progress, Spot
from shared.ingestion.stream import Passage, StreamRun
from shared.ingestion.window import Window
from shared.landing.commit import Commit, Draft, Part
from shared.landing.log import CommitLog
from shared.rest.message import Request

START = datetime(2024, 3, 1, tzinfo=UTC)


class Log(CommitLog):
    """A log whose appends can be held up."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "acme", "orders", FakeClock())
        self.before: Callable[[], Any] = lambda: None

    def append(self, draft: Draft, *, after: Commit | None) -> Commit:
        self.before()
        return super().append(draft, after=after)


def part(name: str) -> Part:
    return Part(name, 1, 10, 10, "0" * 64, "etag")


def run_of(log: Log) -> StreamRun:
    def never(*_: object) -> Any:
        raise AssertionError("not in this test")

    passage = Passage(
        log=log,
        course=never,
        plan=never,
        afresh=never,
        by_value=False,
        bounded=False,
        doubles=False,
        lanes=2,
        monotonic=lambda: 0.0,
        calls=lambda: (0, 0),
        count=lambda _: None,
        limited=lambda: False,
        over=lambda: False,
        stopped=lambda: False,
        max_rejected=None,
        contract=None,
        file_format="jsonl.gz",
        code_version="",
        moved=lambda _: None,
    )
    run = StreamRun("orders", passage)
    run._begin(Progress("run", 1, Window(START, START + timedelta(hours=2)), timedelta(hours=1)))
    return run


def update(lane: int, name: str, cursor: str) -> Update:
    spot = Spot(Request("https://api.test/a", params=(("cursor", cursor),)))
    return Update(parts=[part(name)], rows=1, position=Position(lane, spot))


def test_what_another_lane_handed_in_is_not_lost_when_the_commit_fails() -> None:
    log, handed_in = Log(), threading.Event()
    run = run_of(log)
    failures = [Transient("the store is down")]

    def fail_once() -> None:
        handed_in.wait(10)
        if failures:
            raise failures.pop()

    log.before = fail_once
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(run.publish, update(0, "a", "1"))
        second = pool.submit(run.publish, update(1, "b", "1"))
        third = pool.submit(run.publish, update(1, "c", "2"))
        while len(run._pending) < 2:  # both others wait for the commit that is on its way
            pass
        handed_in.set()
        errors = [future.exception() for future in (first, second, third)]
    run.publish(update(0, "d", "2"))
    landed = [p.key for commit in log.since(0) for p in commit.draft.parts]

    assert sum(error is not None for error in errors) == 1
    assert sorted(landed) == ["a", "b", "c", "d"]


def test_updates_that_wait_for_a_commit_share_the_next_one() -> None:
    log, go = Log(), threading.Event()
    run = run_of(log)
    log.before = lambda: go.wait(10)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(run.publish, update(n % 2, str(n), str(n))) for n in range(4)]
        while len(run._pending) < 3:
            pass
        go.set()
        for future in futures:
            future.result()

    assert len(list(log.since(0))) == 2


def test_the_last_update_makes_the_run_complete() -> None:
    log = Log()
    run = run_of(log)
    run.publish(Update(parts=[part("a")], rows=1, finished=[(1, None)]))
    run.publish(Update(parts=[part("b")], rows=1, finished=[(0, None)]))
    first, second = log.since(0)

    assert (first.draft.cursor, second.draft.cursor) == ("2024-03-01T00:00:00Z", "2024-03-01T02:00:00Z")
    assert first.draft.resume is not None
    assert second.draft.resume is None


@pytest.mark.parametrize("limit", [None, 0.5])
def test_the_share_of_rejected_rows_is_that_of_the_whole_run(limit: float | None) -> None:
    run = run_of(Log())
    run.passage = replace(run.passage, max_rejected=limit)
    run.publish(Update(parts=[part("a")], rows=1, rejected=1, finished=[(0, None)]))

    assert run.report.rejected == 1
