"""A sweep deletes what no commit names and no run could still name, and nothing else, whenever it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.common.fakes import FakeClock, MemoryStore
from shared.common.ports import ObjectInfo, ObjectStore
from shared.landing.commit import Commit, Draft, Part
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.reader import verify
from shared.landing.sweeping import LEAST, sweep_orphans
from shared.landing.writer import Landing
from tests.shared.landing import runner, sweeper

ROOT = Path(__file__).parents[3]
WEEK = timedelta(days=7)
HOME = "landing/recurly/accounts/"


def part(landing: Landing, run: str, index: int = 0) -> Part:
    writer = landing.part(run, 1, index=index)
    writer.write(b'{"run":"%s","index":%d}\n' % (run.encode(), index), 1)
    return writer.close()


def rejected(landing: Landing, run: str) -> Part:
    writer = landing.reject(run, 1)
    writer.add(b"{}", reason="empty")
    return writer.close()


def keys(store: ObjectStore) -> set[str]:
    return {info.key for info in store.list("landing/")}


def landed(landing: Landing) -> Commit:
    """A commit with a part and a quarantine."""
    return landing.log.append(
        Draft(
            "good", 1, parts=(part(landing, "good"),), rejected_parts=(rejected(landing, "good"),), cursor=1
        ),
        after=None,
    )


def test_old_parts_without_a_commit_go_and_all_else_stays(
    memory: MemoryStore, landing: Landing, clock: FakeClock
) -> None:
    landing = Landing(memory, "recurly", "accounts", clock)
    landed(landing)
    memory.put_new(f"{HOME}data/notes.txt", b"somebody's")
    memory.put_new(f"{HOME}aside/00000000000000000001/x-1.jsonl.gz", b"a load's")
    stays = keys(memory)
    lost = {part(landing, "dead").key, rejected(landing, "dead").key}
    clock.advance(WEEK.total_seconds() + 86_400)
    young = part(landing, "young").key
    told: list[str] = []
    found = sweep_orphans(memory, landing.log, older_than=WEEK, tell=lambda info: told.append(info.key))

    assert lost == set(told)
    assert stays | {young} == keys(memory)
    assert 2 == found.files
    assert found.bytes > 0


def test_a_dry_run_counts_and_deletes_nothing(store: ObjectStore, landing: Landing, clock: FakeClock) -> None:
    """On every kind of store; the clock runs ahead, as files have the time of their own system."""
    part(landing, "dead")
    before = keys(store)
    clock.advance((datetime.now(UTC) - clock.now() + 2 * WEEK).total_seconds())
    counted = sweep_orphans(store, landing.log, older_than=WEEK, dry_run=True)

    assert before == keys(store)
    assert 1 == counted.files

    assert counted == sweep_orphans(store, landing.log, older_than=WEEK)
    assert set() == keys(store)


@pytest.mark.parametrize("age", [timedelta(0), LEAST - timedelta(seconds=1)])
def test_an_age_that_a_living_run_may_have_is_refused(
    memory: MemoryStore, clock: FakeClock, age: timedelta
) -> None:
    landing = Landing(memory, "recurly", "accounts", clock)
    lost = part(landing, "dead").key
    clock.advance(WEEK.total_seconds())
    with pytest.raises(Misconfigured, match="a run that still works"):
        sweep_orphans(memory, landing.log, older_than=age)

    assert {lost} == keys(memory)


def test_a_file_that_was_touched_lately_stays_and_one_with_a_late_day_too(tmp_path: Path) -> None:
    """The day in the key and the date of the file must both lie back: copies have the dates of their copying."""
    clock = FakeClock()
    store = FolderStore(tmp_path)
    landing = Landing(store, "recurly", "accounts", clock)
    late = tmp_path / part(landing, "late-day").key
    os.utime(late, (0, 0))

    assert 0 == sweep_orphans(store, landing.log, older_than=LEAST).files

    clock.advance(10 * 86_400)
    os.utime(late, (clock.now().timestamp(), clock.now().timestamp()))

    assert 0 == sweep_orphans(store, landing.log, older_than=LEAST).files

    os.utime(late, (0, 0))

    assert 1 == sweep_orphans(store, landing.log, older_than=LEAST).files


def test_a_commit_that_lands_while_the_log_is_read_keeps_its_parts(
    memory: MemoryStore, clock: FakeClock
) -> None:
    """The slowest run of all: its part is older than the bound when the sweep lists it, and is then committed."""
    landing = Landing(memory, "recurly", "accounts", clock)
    slow = part(landing, "slow")
    clock.advance(2 * WEEK.total_seconds())

    class Listening(MemoryStore):
        def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
            if prefix.endswith("/log/"):
                memory_log.append(Draft("slow", 1, parts=(slow,), cursor=1), after=None)
            return memory.list(prefix, after=after)

        def get(self, key: str) -> bytes:
            return memory.get(key)

        def delete(self, key: str) -> None:
            memory.delete(key)

    memory_log = landing.log
    watched = Listening(clock)
    found = sweep_orphans(watched, CommitLog(watched, "recurly", "accounts", clock), older_than=WEEK)

    assert 0 == found.files
    assert slow.key in keys(memory)


def test_a_log_with_a_gap_is_left_alone(memory: MemoryStore, clock: FakeClock) -> None:
    landing = Landing(memory, "recurly", "accounts", clock)
    first = landed(landing)
    landing.log.append(Draft("good", 1, parts=(part(landing, "more"),), cursor=2), after=first)
    memory.delete(landing.layout.commit(1))
    before = keys(memory)
    clock.advance(2 * WEEK.total_seconds())
    with pytest.raises(Violation, match="commit 1 is missing"):
        sweep_orphans(memory, landing.log, older_than=WEEK)

    assert before == keys(memory)


def old_orphans(folder: Path, count: int) -> None:
    """Parts of a month ago whose run was killed."""
    clock = FakeClock(datetime.now(UTC) - timedelta(days=30))
    store = FolderStore(folder)
    landing = Landing(store, "recurly", "accounts", clock)
    for index in range(count):
        made: ObjectInfo | None = store.head(part(landing, "dead", index).key)
        assert made is not None
        os.utime(folder / made.key, (clock.now().timestamp(),) * 2)


def test_beside_a_run_and_killed_in_between_it_takes_orphans_only(tmp_path: Path) -> None:
    """A run lands and commits all the while; each sweep but the last is killed after a few deletions."""
    old_orphans(tmp_path, 60)
    store = FolderStore(tmp_path)
    before = len(keys(store))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = [sys.executable, runner.__file__, str(tmp_path), "alive", "10000"]
    sweeping = [sys.executable, sweeper.__file__, str(tmp_path)]
    with subprocess.Popen(run, stdout=subprocess.DEVNULL, env=environ) as living:
        for _ in range(3):
            with subprocess.Popen(sweeping, stdout=subprocess.PIPE, env=environ, text=True) as process:
                assert process.stdout is not None
                for _ in range(5):
                    assert "/dead/" in process.stdout.readline()
                process.send_signal(signal.SIGKILL)
        done = subprocess.run(sweeping, capture_output=True, env=environ, text=True, check=True, timeout=120)
        living.send_signal(signal.SIGKILL)

    assert 60 == before
    assert all("/dead/" in line for line in done.stdout.splitlines())
    assert not [key for key in keys(store) if "/dead/" in key]
    commits = list(CommitLog(store, "recurly", "accounts", FakeClock()).since(0))
    assert commits
    assert [] == [fault for commit in commits for fault in verify(store, commit)]
