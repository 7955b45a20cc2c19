"""Several dispatchers over one journal, each a process: one listens, each key has its order, one is killed."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from shared.orchestrator.inputs.postgres import PostgresInput
from shared.orchestrator.journal import Standing
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.settings import Surroundings
from tests.shared.orchestrator.replica import SENSORS
from tests.shared.orchestrator.running import until

ROOT = Path(__file__).parents[3]
OWN = 150
ROWS = 300
EXPECTED = {"rows": ROWS, "second": OWN, "third": OWN}
"""Events of each input that has to come to its end; the one that is killed may not raise all of its own."""
Start = Callable[[str], "subprocess.Popen[bytes]"]
Line = tuple[str, str, str, str, int, str]


@pytest.fixture
def urls(make_database: Callable[[str], str]) -> tuple[str, str]:
    """A journal, and a database whose rows are events."""
    journal, rows = make_database("journal"), make_database("rows")
    with psycopg.connect(rows, autocommit=True) as connection:
        connection.execute("CREATE TABLE reading (number int PRIMARY KEY, sensor int)")
    PostgresInput(name="rows", type="postgres", connection_string=rows, tables=("reading",)).set_up(
        Surroundings()
    )
    return journal, rows


@pytest.fixture
def start(tmp_path: Path, urls: tuple[str, str]) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(name: str) -> subprocess.Popen[bytes]:
            command = [
                sys.executable,
                "-m",
                "tests.shared.orchestrator.replica",
                name,
                str(tmp_path),
                *urls,
                str(OWN),
            ]
            child = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE))
            stack.callback(child.kill)
            return child

        yield begin


def told(folder: Path) -> list[Line]:
    """What `note` wrote down: begin or end, replica, sensor, source, number, key."""
    file = folder / "note"
    lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [
        (what, replica, sensor, source, int(number), key)
        for what, replica, sensor, source, number, key in lines
    ]


def ended(folder: Path, source: str) -> set[int]:
    return {number for what, _, _, of, number, _ in told(folder) if (what, of) == ("end", source)}


def listens(rows: str) -> int:
    """The process of the server that belongs to the replica that listens; 0 for none."""
    with psycopg.connect(rows) as connection:
        # The journal has advisory locks too, in a database of its own on the same server.
        query = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        found = connection.execute(query).fetchall()
    assert len(found) <= 1
    return int(found[0][0]) if found else 0


def test_a_killed_leader_is_followed_and_each_key_keeps_its_order(
    tmp_path: Path, urls: tuple[str, str], start: Start
) -> None:
    """Rows flow while the one that listens gets SIGKILL; another listens, every row is done, in order by sensor."""
    journal, rows = urls
    leader = start("first")
    until(lambda: listens(rows) or leader.poll() is not None)
    assert leader.poll() is None, leader.communicate()
    led = listens(rows)
    others = [start("second"), start("third")]
    until(lambda: {"second", "third"} <= {replica for _, replica, *_ in told(tmp_path)})
    with psycopg.connect(rows, autocommit=True) as connection:
        for number in range(ROWS):
            connection.execute("INSERT INTO reading VALUES (%s, %s)", (number, number % SENSORS))
            if number == ROWS // 2:
                leader.kill()
    archive = PostgresJournal(journal)
    until(
        lambda: all(len(ended(tmp_path, source)) == total for source, total in EXPECTED.items()), seconds=60
    )
    until(lambda: not archive.counts()[Standing.OPEN])
    followed = listens(rows)
    for one in others:
        one.terminate()
    ends = [one.communicate(timeout=30)[1] for one in others]
    counts = archive.counts()
    archive.close()
    lines = told(tmp_path)

    assert [0, 0] == [one.returncode for one in others], ends
    assert followed not in (0, led)
    assert (0, 0) == (counts[Standing.OPEN], counts[Standing.DEAD])
    done = {(source, number): key for what, _, _, source, number, key in lines if what == "end"}
    for source, total in EXPECTED.items():
        assert set(range(total)) == {number for of, number in done if of == source}
    assert len(done) == len(set(done.values())) == counts[Standing.DONE]
    check_order(lines)
    assert 3 == len({replica for _, replica, *_ in lines})


def check_order(lines: list[Line]) -> None:
    """Of each sensor one event is done at a time, and those of a source as they came.

    What a killed replica had begun ends nowhere; it begins again elsewhere, before all that came later.
    """
    by_sensor: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_sensor[line[2]].append(line)
    for of_sensor in by_sensor.values():
        last: dict[str, int] = defaultdict(lambda: -1)
        begun: tuple[str, int] | None = None
        for what, _, _, source, number, _ in of_sensor:
            if what == "begin":
                assert begun in (None, (source, number)), of_sensor
                assert number in (last[source] + SENSORS, number % SENSORS, last[source]), of_sensor
                begun = (source, number)
            else:
                assert (source, number) == begun, of_sensor
                begun, last[source] = None, number
