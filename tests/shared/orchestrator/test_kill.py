"""`kill -9` at any moment while events flow: every pair of event and process ran, each effect counts once, in order."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from shared.orchestrator.journal import Standing
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.flowing import PROCESSES

LOG = logging.getLogger("trials")
TRIALS = int(os.environ.get("DISPATCH_TRIALS", "10"))
EVENTS = int(os.environ.get("DISPATCH_EVENTS", "300"))
"""`make trials` makes 30 with 5,000 events, and 7 of two replicas."""
KILLS = 2
ROOT = Path(__file__).parents[3]


def start(folder: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.shared.orchestrator.flowing", str(folder), str(EVENTS), *more]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def flowing(child: subprocess.Popen[bytes], folder: Path) -> float:
    """Wait until a child's first event comes through (or it is over); when that was."""
    file = folder / "first"
    before = file.stat().st_size if file.exists() else 0
    end = time.monotonic() + 30
    while not (file.exists() and file.stat().st_size > before) and child.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)
    return time.monotonic()


def usual_time(folder: Path, *urls: str) -> float:
    """Seconds that all events take when nobody is killed."""
    folder.mkdir()
    with start(folder, *urls) as child:
        began = flowing(child, folder)
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


def trial(folder: Path, seed: int, usual: float, *urls: str) -> tuple[int, int]:
    """How often it was killed, and how many attempts were made twice for it.

    With the URL of a PostgreSQL for the journal two replicas run at once, and one of them is killed each time.
    """
    random, kills = Random(seed), 0
    folder.mkdir()
    other = start(folder, *urls) if urls else None
    for _ in range(random.randint(1, KILLS)):
        with start(folder, *urls) as child:
            try:
                flowing(child, folder)
                child.wait(timeout=random.uniform(0, 0.8 * usual))
            except subprocess.TimeoutExpired:
                child.kill()
                kills += 1
    for last in (start(folder, *urls), other):
        if last is not None:
            out, _ = last.communicate(timeout=120)
            assert last.returncode == 0, (seed, out)

    ran = attempts(folder)
    for name in PROCESSES:
        assert {str(n) for n in range(EVENTS)} == set(ran[name]), (seed, name)
        keys = {number: {key for key, _ in tries} for number, tries in ran[name].items()}
        assert {number: {f"i:{number}:{name}"} for number in keys} == keys, (seed, name)
    archive = PostgresJournal(*urls) if urls else SqliteJournal(folder / "journal.db")
    assert {Standing.OPEN: 0, Standing.DONE: EVENTS, Standing.DEAD: 0} == archive.counts(), seed
    archive.close()
    return kills, sum(len(tries) - 1 for name in ("first", "third") for tries in ran[name].values())


def tell(what: str, trials: int, kills: int, repeated: int) -> None:
    """`make trials` shows it."""
    attempts = 2 * EVENTS * trials
    LOG.info(
        "%s: %d trials, %d events, %d kills, %d of %d repeated",
        what,
        trials,
        EVENTS,
        kills,
        repeated,
        attempts,
    )


def test_nothing_is_lost_and_every_key_is_one_effect(tmp_path: Path) -> None:
    usual = usual_time(tmp_path / "usual")
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda seed: trial(tmp_path / str(seed), seed, usual), range(TRIALS)))
    kills, repeated = (sum(one[place] for one in told) for place in range(2))
    tell("SQLite", TRIALS, kills, repeated)

    assert kills >= TRIALS // 2
    # What a kill repeats is what was at work or not yet written: a group commit's worth, not the backlog.
    assert repeated <= kills * 400, (repeated, kills)


def test_nothing_is_lost_of_two_replicas_of_which_one_is_killed(
    tmp_path: Path, make_database: Callable[[str], str]
) -> None:
    """One journal in PostgreSQL, the same input in both: each event is taken once, whoever takes it."""
    usual = usual_time(tmp_path / "usual", make_database("usual"))
    trials = max(2, TRIALS // 4)
    told = [trial(tmp_path / str(seed), seed, usual, make_database("trial")) for seed in range(trials)]
    kills, repeated = (sum(one[place] for one in told) for place in range(2))
    tell("PostgreSQL, two replicas", trials, kills, repeated)

    assert kills >= 1
    assert repeated <= kills * 10_000, (repeated, kills)
