"""Processes that race, and processes that are killed: the log stays a chain, and every part it names is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.common.fakes import FakeClock
from shared.landing.disk import sweep
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.reader import orphans, read_part, verify
from tests.shared.landing import runner

ROOT = Path(__file__).parents[3]
TRIALS = 24
FAR = datetime.now(UTC) + timedelta(days=365)


def start(folder: Path, run: str, commits: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, runner.__file__, str(folder), run, str(commits)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def check(folder: Path) -> list[str]:
    """The runs of the log in order, after everything that must hold has been checked."""
    store = FolderStore(folder)
    log = CommitLog(store, "recurly", "accounts", FakeClock())
    runs = []
    for number, commit in enumerate(log.since(0), start=1):
        assert (commit.sequence, commit.draft.cursor) == (number, number)
        assert verify(store, commit) == []
        for part in (*commit.draft.parts, *commit.draft.rejected_parts):
            assert part.key.split("/")[-2] == commit.draft.run
        runs.append(commit.draft.run)
    latest = log.latest()
    assert (latest.sequence if latest else 0) == len(runs)
    return runs


def test_of_many_processes_one_wins_each_sequence(tmp_path: Path) -> None:
    processes = [start(tmp_path, f"run-{n}", 15) for n in range(4)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0

    runs = check(tmp_path)
    assert len(runs) >= 15  # whoever is superseded tries again behind the winner, so each round has one
    store = FolderStore(tmp_path)
    for commit in CommitLog(store, "recurly", "accounts", FakeClock()).since(0):
        for part in commit.draft.parts:
            with read_part(store, part) as stream:
                assert len(stream.readlines()) == 50


def test_a_killed_run_leaves_a_log_that_names_whole_parts_only(tmp_path: Path) -> None:
    """Each trial is killed at a moment of its own, and the next one goes on from what it left."""
    moments = random.Random(20261120)
    killed = landed = 0
    for trial in range(TRIALS):
        process = start(tmp_path, f"run-{trial}", 10_000)
        time.sleep(moments.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        landed = len(check(tmp_path))

    assert killed == TRIALS
    assert landed > 0
    store = FolderStore(tmp_path)
    log = CommitLog(store, "recurly", "accounts", FakeClock())
    committed = {
        part.key for commit in log.since(0) for part in (*commit.draft.parts, *commit.draft.rejected_parts)
    }
    lost = {info.key for info in orphans(store, log, older_than=FAR)}
    found = {info.key for info in store.list("landing/") if "/log/" not in info.key}
    assert found == committed | lost
    assert not committed & lost

    # What the dead left in the scratch folder is no object, and a later run sweeps it.
    left = list(store.scratch().glob("*.scratch"))
    for path in left:
        os.utime(path, (1, 1))
    assert sorted(sweep(store.scratch())) == sorted(left)

    survivor = start(tmp_path, "survivor", 3)
    survivor.communicate(timeout=60)
    assert check(tmp_path)[-3:] == ["survivor"] * 3
