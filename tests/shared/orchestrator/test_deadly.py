"""What ends the dispatcher itself becomes a dead letter; what merely ran beside it does not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from shared.orchestrator.event import Event, Operation
from shared.orchestrator.graph import Stop
from shared.orchestrator.journal import Accept, Batch, Outcome, Phase, Standing, Store
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.deadly import EVENTS, POISON

ROOT = Path(__file__).parents[3]


def started_until_it_ends_well(folder: Path, between: Callable[[], object], *more: str) -> int:
    """How often the program was ended by its event."""
    for kills in range(10):
        command = [sys.executable, "-m", "tests.shared.orchestrator.deadly", str(folder), *more]
        done = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return kills
        assert done.returncode == 9, done.stderr
        between()
    raise AssertionError("it was ended again and again")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_event_that_ends_the_program_ends_as_a_dead_letter(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Also where a failure would not be tried again at all; the five others run to their end."""
    url = request.getfixturevalue("database") if kind == "postgresql" else ""

    def take_for_dead() -> None:
        if url:
            with psycopg.connect(url) as connection:
                connection.execute("UPDATE sluice_journal.replica SET alive_until = now() - interval '1 s'")

    kills = started_until_it_ends_well(tmp_path, take_for_dead, *filter(None, [url]))
    archive: Store = PostgresJournal(url) if url else SqliteJournal(tmp_path / "journal.db")
    counts, (dead,) = archive.counts(), archive.dead()
    archive.close()
    tried = Counter((tmp_path / "attempts").read_text().splitlines())

    # Once before it was watched, twice beside the others, once alone.
    assert (4, 4) == (kills, tried[f"{POISON} 1"])
    assert {Standing.OPEN: 0, Standing.DONE: EVENTS - 1, Standing.DEAD: 1} == counts
    assert {f"{n} 1" for n in range(EVENTS)} == set(tried)
    assert (POISON, "the dispatcher ended 3 times in a row while this ran (in attempt 1)") == (
        dead.event.id, dead.outcomes[0].error.splitlines()[0],
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_journal_from_before_ends_were_counted_goes_on(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("database") if kind == "postgresql" else ""

    def journal() -> Store:
        return PostgresJournal(url) if url else SqliteJournal(tmp_path / "j.db")

    event = Event("the ether", Operation.CREATE, "1")
    with closing(journal()) as before:
        before.open()
        (number,) = before.write(Batch([Accept("k", event, (Stop("p", ()),), 1.0, mine=False)]))
        before.write(Batch(outcomes=[Outcome(number, "p", Phase.STARTED, 1, 2.0)]))
    if url:
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE sluice_journal.pair DROP COLUMN deaths")
    else:
        with closing(sqlite3.connect(tmp_path / "j.db")) as file:
            file.executescript("ALTER TABLE pair DROP COLUMN deaths; PRAGMA user_version = 1")
    with closing(journal()) as after:
        after.open()
        (claimed,) = after.claim(1)
        after.write(Batch(outcomes=[Outcome(number, "p", Phase.STARTED, 1, 2.0, deaths=2)]))

        assert [0] == [one.deaths for one in claimed.outcomes]
        assert [2] == [one.deaths for one in after.runs("p")]
