"""`kill -9` at any moment while events flow: every pair of event and process ran, each effect counts once, in order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from shared.orchestrator.journal import Standing
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.flowing import PROCESSES

TRIALS = int(os.environ.get("DISPATCH_TRIALS", "10"))
EVENTS = int(os.environ.get("DISPATCH_EVENTS", "300"))
"""30 trials of 5,000 events: DISPATCH_TRIALS=30 DISPATCH_EVENTS=5000."""
KILLS = 2
ROOT = Path(__file__).parents[3]


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.shared.orchestrator.flowing", str(folder), str(EVENTS), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def usual_time(folder: Path) -> float:
    folder.mkdir()
    began = time.monotonic()
    with start(folder) as child:
        out, _ = child.communicate(timeout=120)

    assert child.returncode == 0, out
    return time.monotonic() - began


def attempts(folder: Path) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Per process and event: key and number of each attempt, in the order in which they began."""
    found: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for name in PROCESSES:
        events = found[name] = defaultdict(list)
        for line in (folder / name).read_text().splitlines():
            number, key, attempt = line.split()
            events[number].append((key, int(attempt)))
    return found


def trial(folder: Path, seed: int, usual: float) -> tuple[int, int]:
    """How often it was killed, and how many attempts were made twice for it."""
    random, kills = Random(seed), 0
    folder.mkdir()
    for _ in range(random.randint(1, KILLS)):
        with start(folder) as child:
            try:
                child.wait(timeout=random.uniform(0.25 * usual, usual))
            except subprocess.TimeoutExpired:
                child.kill()
                kills += 1
    with start(folder) as child:
        out, _ = child.communicate(timeout=120)
    assert child.returncode == 0, (seed, out)

    ran = attempts(folder)
    for name in PROCESSES:
        assert {str(n) for n in range(EVENTS)} == set(ran[name]), (seed, name)
        keys = {number: {key for key, _ in tries} for number, tries in ran[name].items()}
        assert {number: {f"i:{number}:{name}"} for number in keys} == keys, (seed, name)
    archive = SqliteJournal(folder / "journal.db")
    assert {Standing.OPEN: 0, Standing.DONE: EVENTS, Standing.DEAD: 0} == archive.counts(), seed
    archive.close()
    return kills, sum(len(tries) - 1 for name in ("first", "third") for tries in ran[name].values())


def test_nothing_is_lost_and_every_key_is_one_effect(tmp_path: Path) -> None:
    usual = usual_time(tmp_path / "usual")
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda seed: trial(tmp_path / str(seed), seed, usual), range(TRIALS)))
    kills, repeated = (sum(one[place] for one in told) for place in range(2))

    assert kills >= TRIALS // 2
    # What a kill repeats is what was at work or not yet written: a group commit's worth, not the backlog.
    assert repeated <= kills * 400, (repeated, kills)


def test_of_two_replicas_one_finishes_what_the_other_was_killed_at(tmp_path: Path, database: str) -> None:
    """One journal in PostgreSQL, the same input in both: each event is taken once, whoever takes it."""
    with start(tmp_path, database) as first, start(tmp_path, database) as second:
        first_file = tmp_path / "first"
        end = time.monotonic() + 30
        while not (first_file.exists() and first_file.read_bytes().count(b"\n") > EVENTS // 8):
            assert time.monotonic() < end
            time.sleep(0.01)
        first.kill()
        out, _ = second.communicate(timeout=120)
    archive = PostgresJournal(database)
    counts = archive.counts()
    archive.close()
    ran = attempts(tmp_path)

    assert second.returncode == 0, out
    assert {Standing.OPEN: 0, Standing.DONE: EVENTS, Standing.DEAD: 0} == counts
    for name in PROCESSES:
        assert {f"i:{n}:{name}" for n in range(EVENTS)} == {
            key for tries in ran[name].values() for key, _ in tries
        }
