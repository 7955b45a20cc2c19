"""`sluice dispatch` as people use it: a process of its own, the precipitation example end to end, and dead letters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from shared.orchestrator.event import Event, Operation
from shared.orchestrator.graph import Stop
from shared.orchestrator.journal import Accept, Batch, Outcome, Phase, Standing
from shared.orchestrator.sqlite_journal import SqliteJournal
from src.cli.app import sluice
from tests.servers.databases import Missing, postgres

ROOT = Path(__file__).parents[3]
RAW = """
CREATE TABLE precipitation (id serial PRIMARY KEY, timestamp timestamptz DEFAULT '2026-11-20T10:00:00Z',
  location_name text, location_latitude float8, location_longitude float8, sensor text, precipitation float8)
"""
REPORTING = """
CREATE TABLE sensor (sensor text PRIMARY KEY, location text, latitude float8, longitude float8);
CREATE TABLE precipitation (sensor text REFERENCES sensor, timestamp timestamptz, value float8,
  UNIQUE (sensor, timestamp))
"""
WORK = """
import base64, json, os, sys
import psycopg
event = json.loads(base64.b64decode(os.environ["PIPELINE_EVENT"]))
source, target = psycopg.connect(os.environ["SOURCE"]), psycopg.connect(os.environ["TARGET"])
row = source.execute("SELECT * FROM precipitation WHERE id = %s", (event["id"],)).fetchone()
number, at, name, lat, lon, sensor, value = row
with target:
    if sys.argv[1] == "cleanse":
        if value < 0 or abs(lat) > 90 or abs(lon) > 180:
            print(f"row {number} is out of range")
            sys.exit(3)
        target.execute(
            "INSERT INTO precipitation VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", row)
    else:
        target.execute("INSERT INTO sensor VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", (sensor, name, lat, lon))
        target.execute("INSERT INTO precipitation VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (sensor, at, value))
"""
CONFIG = """
[http]
port = {port}

[[input]]
name = "raw_writes"
type = "postgres"
connection_string = "${{RAW}}"
operation = ["insert"]

[[input]]
name = "cleansed_writes"
type = "postgres"
connection_string = "${{CLEANSED}}"
operation = ["insert"]

[[input]]
name = "again"
type = "webhook"
connection_string = "/again"

[[process]]
name = "raw_to_cleansed"
type = "subprocess"
retry = {{ attempts = 2, backoff = 0.05 }}
[process.execution_context]
command = ["{python}", "{work}", "cleanse"]
env = "SOURCE=${{RAW}},TARGET=${{CLEANSED}}"

[[process]]
name = "cleansed_to_reporting"
type = "subprocess"
[process.execution_context]
command = ["{python}", "{work}", "report"]
env = {{ SOURCE = "${{CLEANSED}}", TARGET = "${{REPORTING}}" }}

[[links]]
from = ["raw_writes", "again"]
to = "raw_to_cleansed"
[[links]]
from = "cleansed_writes"
to = "cleansed_to_reporting"
"""
ROW = "('Anfield', 53.4308435, -2.9633923, 'pitchside-1', 9)"
INSERT = (
    "INSERT INTO precipitation (location_name, location_latitude, location_longitude, sensor, precipitation) "
    "VALUES "
)


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, str]]:
    try:
        with postgres() as url:
            urls = {
                name.upper(): f"{url.rpartition('/')[0]}/{name}" for name in ("raw", "cleansed", "reporting")
            }
            with psycopg.connect(url, autocommit=True) as connection:
                for name in ("raw", "cleansed", "reporting"):
                    connection.execute(f"CREATE DATABASE {name}".encode())
            for name, tables in (("RAW", RAW), ("CLEANSED", RAW), ("REPORTING", REPORTING)):
                with psycopg.connect(urls[name]) as connection:
                    connection.execute(tables.encode())
            yield urls
    except Missing as reason:
        pytest.skip(str(reason))


class Place:
    """A folder with a document and a journal, and the commands in it."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.env = {**os.environ, "ENVIRONMENT": "local", "PYTHONPATH": str(ROOT), **env}

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "src.cli", "dispatch", *arguments, "--json"],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert code == done.returncode, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The URL at which it listens; ends with SIGTERM, and must drain."""
        command = [sys.executable, "-u", "-m", "src.cli", "dispatch", "serve", "dispatch.toml"]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child:
            assert child.stdout is not None
            try:
                url = ""
                for line in child.stdout:
                    if line.startswith("listening at "):
                        url = line.split()[-1]
                        break
                assert url, child.wait(timeout=10)
                yield url
            finally:
                child.send_signal(signal.SIGTERM)
                rest, _ = child.communicate(timeout=60)
            assert "drained" in rest, rest
            assert 0 == child.returncode


def post(url: str, body: bytes, **headers: str) -> int:
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def until(true: Callable[[], object], *, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_precipitation_example(databases: dict[str, str], tmp_path: Path) -> None:
    """One row, sent twice, and a row out of range: install, serve, look, retry, uninstall."""
    (tmp_path / "work.py").write_text(WORK)
    config = CONFIG.format(port=0, python=sys.executable, work=tmp_path / "work.py")
    (tmp_path / "dispatch.toml").write_text(config)
    place = Place(tmp_path, databases)

    def rows(name: str, query: str = "SELECT * FROM precipitation") -> list[Any]:
        with psycopg.connect(databases[name]) as connection:
            return connection.execute(query.encode()).fetchall()

    def execute(name: str, query: str) -> None:
        with psycopg.connect(databases[name]) as connection:
            connection.execute(query.encode())

    assert {"raw_writes": ["public.precipitation"], "cleansed_writes": ["public.precipitation"]} == place.run(
        "install", "dispatch.toml"
    )
    execute("RAW", INSERT + ROW)
    with place.serving() as url:
        until(lambda: rows("REPORTING"))
        again = json.dumps({"location": "public.precipitation", "operation": "insert", "id": "1"}).encode()
        statuses = [post(f"{url}/again", again, **{"webhook-id": "1"}) for _ in range(2)]
        execute("RAW", INSERT + "('Nowhere', 91, 0, 's', 1)")
        until(SqliteJournal(tmp_path / ".sluice/dispatch.db").dead)
        (dead,) = place.run("dead", "list")["events"]
        execute("RAW", "UPDATE precipitation SET location_latitude = 51 WHERE sensor = 's'")
        assert {str(dead["number"]): ["raw_to_cleansed"]} == place.run("dead", "retry", str(dead["number"]))
        until(lambda: len(rows("REPORTING")) == 2)
        faults = [post(f"{url}/again", body) for body in (b"{", b"{}", again.replace(b"insert", b"upsert"))]
    status = place.run("status")
    shown = place.run("dead", "show", str(dead["number"]))
    place.run("uninstall", "dispatch.toml")

    assert ([202, 202], [400, 400, 400]) == (statuses, faults)
    assert [("pitchside-1", "Anfield", 53.4308435, -2.9633923)] == rows("REPORTING", "SELECT * FROM sensor")[
        :1
    ]
    assert [("pitchside-1", 9.0), ("s", 1.0)] == rows(
        "REPORTING", "SELECT sensor, value FROM precipitation ORDER BY 1"
    )
    assert 2 == len(rows("CLEANSED"))
    (stop,) = dead["journey"]
    assert ("dead", 2, "process exited with code 3", "row 2 is out of range\n") == (
        stop["phase"], stop["attempt"], stop["error"], stop["logs"],
    )  # fmt: skip
    assert ("done", "done") == (shown["standing"], shown["journey"][0]["phase"])
    # Two inserts into each database, and the webhook once.
    assert {"open": 0, "done": 5, "dead": 0} == status["events"]
    assert [] == rows("RAW", "SELECT 1 FROM pg_namespace WHERE nspname LIKE 'sluice%'")


def test_what_nobody_has_read_is_not_thrown_away_unasked(
    databases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dispatch.yml").write_text(
        "input: [{name: raw, type: postgres, connection_string: '${RAW}', tables: [precipitation, 'typo*']}]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAW", databases["RAW"])
    with psycopg.connect(databases["RAW"], autocommit=True) as connection:
        installed = CliRunner().invoke(sluice, ["dispatch", "install", "dispatch.yml"])
        connection.execute((INSERT + ROW).encode())
        kept = CliRunner().invoke(sluice, ["dispatch", "uninstall", "dispatch.yml"])
        (waiting,) = connection.execute("SELECT count(*) FROM sluice_dispatch.outbox_raw").fetchall()
        gone = CliRunner().invoke(sluice, ["dispatch", "uninstall", "dispatch.yml", "--yes"])
        left = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'sluice%'").fetchall()

    assert 'raw: no table fits "typo*" now' in installed.output
    assert (2, (1,)) == (kept.exit_code, waiting)
    assert "raw: 1 events wait that nobody has read" in kept.output
    assert "--yes" in kept.output
    assert (0, []) == (gone.exit_code, left)


def test_a_document_with_faults_is_refused_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text('[[process]]\nname = "p"\ntype = "container"\n[process.execution_context]\nenv = "A"\n')
    done = CliRunner().invoke(sluice, ["dispatch", "validate", str(file)])

    assert 2 == done.exit_code
    assert f"{file}:5:7 process[0].execution_context.env: expected K=V,K2=V2 or a mapping" in done.output


def test_a_container_without_an_image_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.yml"
    file.write_text("process:\n  - {name: p, type: container}\n")
    done = CliRunner().invoke(sluice, ["dispatch", "validate", str(file)])

    assert 2 == done.exit_code
    assert "container image missing" in done.output


def test_the_graph_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "dispatch.toml"
    file.write_text(CONFIG.format(port=0, python="python", work="work.py"))
    done = CliRunner().invoke(sluice, ["dispatch", "graph", str(file)])

    assert 0 == done.exit_code
    assert "raw_writes (postgres)\n   └─ raw_to_cleansed\ncleansed_writes (postgres)" in done.output


def test_dead_letters_are_listed_in_pages_and_decided_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "j.db"
    journal = SqliteJournal(file)
    route = (Stop("p"),)
    accepts = [Accept(str(n), Event("x", Operation.CREATE, str(n), "i"), route, 1.0) for n in range(3)]
    numbers = journal.write(Batch(accepts))
    dead = [Outcome(number, "p", Phase.DEAD, 1, 1.0, error="no") for number in numbers]
    journal.write(Batch(outcomes=dead, closings=[(number, Standing.DEAD) for number in numbers]))

    def run(*words: str) -> str:
        return (
            CliRunner().invoke(sluice, ["dispatch", "dead", *words, "--journal", f"sqlite:///{file}"]).output
        )

    first = run("list", "--limit", "2")
    second = run("list", "--limit", "2", "--before", "2")
    neither, both = run("retry"), run("drop", "1", "--all")
    strange, every = run("retry", "--all", "--process", "q"), run("retry", "--all")
    counts = journal.counts()
    journal.close()

    assert (["3", "2"], True) == (numbers_of(first), "older ones: --before 2" in first)
    assert (["1"], False) == (numbers_of(second), "older ones" in second)
    assert "say which events: their numbers, or --all" in neither
    assert "say which events: their numbers, or --all" in both
    assert "" == strange
    assert ["event 3", "event 2", "event 1"] == [line[:7] for line in every.splitlines()]
    assert {Standing.OPEN: 3, Standing.DONE: 0, Standing.DEAD: 0} == counts


def numbers_of(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines() if line.split()[0].isdecimal()]
