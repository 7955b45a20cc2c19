"""The queue in a file: once in, at least once out, in order, and nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.clock import SystemClock
from shared.common.errors import Transient
from shared.common.fakes import FakeClock
from src.weave.queue import DAYS, KEPT, LONGEST, PAUSE, TRIES, FileQueue


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(tmp_path: Path, clock: FakeClock) -> Iterator[FileQueue]:
    made = FileQueue(tmp_path / "deep" / "queue.db", clock)
    yield made
    made.close()


def bodies(queue: FileQueue) -> list[str]:
    """All that can be worked on now, done one after another."""
    found = []
    while message := queue.take():
        found.append(message.body)
        queue.done(message)
    return found


def test_an_identity_is_taken_in_once_even_when_it_is_done(queue: FileQueue) -> None:
    queue.put("a", identity="1", group="g")
    queue.put("b", identity="1", group="g")

    assert ["a"] == bodies(queue)
    assert queue.once("1", lambda: None) is False
    assert queue.once("2", lambda: queue.put("c", identity="2", group="g")) is True
    assert ["c"] == bodies(queue)


def test_what_fails_before_it_is_put_has_not_run(queue: FileQueue) -> None:
    def fail() -> None:
        raise Transient("not now")

    with pytest.raises(Transient):
        queue.once("1", fail)

    assert queue.once("1", lambda: None) is True


def test_a_group_is_worked_on_in_order_and_waits_for_what_failed(queue: FileQueue, clock: FakeClock) -> None:
    for number, group in enumerate("ggh"):
        queue.put(f"{group}{number}", identity=str(number), group=group)
    first = queue.take()
    assert first is not None
    assert ["h2"] == bodies(queue)

    assert queue.failed(first, "not now", again=True) is True
    assert [] == bodies(queue)
    clock.sleep(PAUSE + 0.1)
    assert ["g0", "g1"] == bodies(queue)


def test_pauses_grow_and_what_is_tried_too_often_is_laid_aside(queue: FileQueue, clock: FakeClock) -> None:
    queue.put("a", identity="1", group="g")
    queue.put("b", identity="2", group="g")
    pauses = []
    while (message := queue.take()) is not None and message.body == "a":
        again = queue.failed(message, "away", again=True, after=7.0 if message.tries == 1 else None)
        start = clock.now()
        while again and queue.take() is None:
            clock.sleep(1.0)
            assert (clock.now() - start).total_seconds() < LONGEST + 2
        if again:
            pauses.append((clock.now() - start).total_seconds())
            queue.recover()

    assert [7, 20, 80][:1] == [round(pauses[0])]
    assert pauses == sorted(pauses)
    assert {"dead": 1, "working": 1} == queue.counts()
    assert 1 == queue.retry()


def test_what_fails_for_good_is_laid_aside_at_once_and_kept(queue: FileQueue, clock: FakeClock) -> None:
    queue.put("a", identity="1", group="g")
    message = queue.take()
    assert message is not None

    assert queue.failed(message, "weave.yml is wrong", again=False) is False
    clock.sleep((DAYS + 1) * 86_400)
    queue.recover()

    assert [("g", "dead", "weave.yml is wrong")] == [
        (row["team"], row["state"], row["said"]) for row in queue.last()
    ]


def test_what_is_done_is_forgotten_after_some_days(queue: FileQueue, clock: FakeClock) -> None:
    queue.put("a", identity="1", group="g")
    bodies(queue)
    clock.sleep((DAYS + 1) * 86_400)
    queue.recover()

    assert {} == queue.counts()


def test_what_was_turned_away_is_remembered_and_does_not_grow(queue: FileQueue) -> None:
    queue.turn_away(401, "a wrong signature")
    for number in range(2 * KEPT):
        queue.turn_away(204, f"nobody waits for {number}")

    told = [(one["status"], one["said"]) for one in queue.turned_away()]

    assert KEPT + 1 == len(told)
    assert [(401, "a wrong signature"), (204, f"nobody waits for {2 * KEPT - 1}")] == told[:2]


def test_a_file_that_is_no_database_is_told(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "queue.db").write_bytes(b"no database" * 100)

    with pytest.raises(Transient, match="the queue cannot be used"):
        FileQueue(tmp_path / "queue.db", clock)


def _worker(file: Path) -> None:
    """Puts and works until it is killed."""
    queue = FileQueue(file, SystemClock())
    for number in range(100_000):
        queue.put(str(number), identity=f"{os.getpid()}-{number}", group=f"g{number % 3}")
        with open(file.with_name("taken"), "a") as put:
            put.write(f"{os.getpid()}-{number}\n")
        if message := queue.take():
            queue.done(message)


def test_a_kill_at_any_moment_loses_nothing_that_was_taken_in(tmp_path: Path) -> None:
    file = tmp_path / "queue.db"
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        process = context.Process(target=_worker, args=(file,))
        process.start()
        while not (tmp_path / "taken").exists() or len((tmp_path / "taken").read_text().splitlines()) < 20:
            assert process.is_alive()
            process.join(0.02)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        accepted = set((tmp_path / "taken").read_text().split())
        queue = FileQueue(file, SystemClock())
        queue.recover()
        known = {identity for identity in accepted if not queue.once(identity, lambda: None)}
        (tmp_path / "taken").unlink()
        bodies(queue)
        assert accepted == known
        assert {"done"} == set(queue.counts())
        queue.close()


ACTS = st.lists(st.tuples(st.sampled_from(["put", "work", "fail", "die"]), st.integers(0, 5)), max_size=30)


@given(ACTS)
def test_in_any_story_each_message_is_done_and_none_overtakes_its_group(acts: list[tuple[str, int]]) -> None:
    clock, said, put = FakeClock(), list[tuple[str, int]](), list[int]()
    queue = FileQueue(Path(":memory:"), clock)
    for verb, number in acts:
        match verb:
            case "put":
                queue.put(f"{len(put)}", identity=f"{number}", group=f"g{number % 2}")
                put.append(number)
            case "work" if message := queue.take():
                said.append((message.group, message.number))
                queue.done(message)
            case "fail" if message := queue.take():
                queue.failed(message, "", again=True)
            case "die":
                queue.take()
                queue.recover()
        clock.sleep(1)
    for _ in range(TRIES * 40):
        queue.recover()
        clock.sleep(LONGEST)
        while message := queue.take():
            said.append((message.group, message.number))
            queue.done(message)
        if not queue.open():
            break
    dead = queue.counts().get("dead", 0)
    queue.close()

    assert len(set(put)) == len(said) + dead
    for group in ("g0", "g1"):
        numbers = [number for one, number in said if one == group]
        assert numbers == sorted(numbers)
