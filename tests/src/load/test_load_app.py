"""The load handler: one load per stream, failed messages handed back, people told once."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Transient, Violation
from shared.common.fakes import FakeClock
from shared.common.redaction import Redactor
from shared.landing.commit import Draft
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.writer import Landing
from shared.telemetry.alerting import Alert
from shared.telemetry.handler import Telemetry
from shared.telemetry.logging import open_log
from shared.telemetry.metrics import Metrics
from shared.warehouse.duckdb_file import DuckDB
from src.config import configure
from src.invoke import Invocation, LocalContext, call, read_event
from src.load.app import handler_of
from src.workplace import Workplace

ROOT = Path(__file__).parents[3]
SOURCE = """
source: recurly
base_url: https://api.test
streams:
  accounts:
    path: /accounts
    primary_key: id
    columns: {id: string, v: integer}
    checks:
      - expect_column_values_to_be_between: {column: v, min_value: 0}
      - expect_column_values_to_be_between: {column: v, max_value: 100, severity: warn}
  plans: {path: /plans, write_disposition: append, columns: {id: string}}
"""
HEAVY = {
    "duckdb",
    "snowflake",
    "slack_sdk",
    "sqlalchemy",
    "boto3",
    "rich",
    "click",
    "pydantic_settings",
    "yaml",
}


class Shelf:
    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return True


@dataclass(frozen=True)
class Place(Workplace):
    """A landing folder, a DuckDB in memory, and what was said."""

    landing: Any = None
    tables: Any = None
    shelf: Shelf = field(default_factory=Shelf)
    out: StringIO = field(default_factory=StringIO)
    tick: FakeClock = field(default_factory=FakeClock)

    @property
    def store(self) -> Any:
        return self.landing

    @property
    def warehouse(self) -> Any:
        return self.tables

    def telemetry(self, *, served: str = "") -> Telemetry:
        del served
        log = open_log(f"test-{id(self)}", redactor=Redactor(), stream=self.out)
        return Telemetry(log, Metrics("test", clock=self.tick, write=None), self.shelf, Redactor())

    def land(self, stream: str, *rows: dict[str, Any], run: str = "r1") -> None:
        landing = Landing(self.landing, "recurly", stream, self.tick)
        latest = landing.log.latest()
        part = landing.part(run, 1, 0, 0 if latest is None else latest.sequence, "jsonl.gz")
        part.write("".join(json.dumps(row) + "\n" for row in rows).encode(), len(rows))
        landing.log.append(Draft(run=run, attempt=1, parts=(part.close(),)), after=latest)

    def rows(self, stream: str) -> int:
        with self.tables.held():
            return int(self.tables._root.execute(f"SELECT count(*) FROM recurly.{stream}").fetchone()[0])

    def said(self) -> list[str]:
        return [json.loads(line)["message"] for line in self.out.getvalue().splitlines()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "src/recurly").mkdir(parents=True)
    (tmp_path / "src/recurly/source.yml").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANDING_URL", (tmp_path / "landing").as_uri())
    return Place(
        configure(dotenv=tmp_path / "none"),
        Redactor(),
        landing=FolderStore(tmp_path / "landing"),
        tables=DuckDB(":memory:", clock=FakeClock(), threads=1),
    )


def invoke(place: Place, event: Any, *, clock: FakeClock | None = None) -> Invocation:
    handler = handler_of(lambda: place, {})
    return call(handler, event, LocalContext("load", "req-1", 512, 900, clock or FakeClock()))


def messages(*streams: str, count: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{place}",
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": str(count)},
                "body": json.dumps({"source": "recurly", "stream": stream}),
            }
            for place, stream in enumerate(streams)
        ]
    }


def failed(answer: Invocation) -> list[str]:
    assert {"batchItemFailures"} == set(answer.result)
    return [item["itemIdentifier"] for item in answer.result["batchItemFailures"]]


def test_many_messages_load_each_stream_once(place: Place) -> None:
    place.land("accounts", {"id": "a", "v": 1})
    place.land("plans", {"id": "p"})
    answer = invoke(place, messages("accounts", "plans", "accounts", "accounts"))

    assert [] == failed(answer)
    assert (1, 1) == (place.rows("accounts"), place.rows("plans"))
    assert ["loaded", "loaded"] == place.said()


def test_duplicates_and_late_messages_do_nothing(place: Place) -> None:
    place.land("accounts", {"id": "a", "v": 1})
    for _ in range(3):
        assert [] == failed(invoke(place, messages("accounts")))

    assert 1 == place.rows("accounts")


def test_only_the_messages_of_a_failed_stream_come_again(place: Place) -> None:
    """One alert: table, check, numbers and what to do."""
    place.land("accounts", {"id": "a", "v": -1}, {"id": "b", "v": 1})
    place.land("plans", {"id": "p"})
    answer = invoke(place, messages("accounts", "plans", "accounts"))
    (alert,) = place.shelf.alerts

    assert ["m0", "m2"] == failed(answer)
    assert 1 == place.rows("plans")
    assert "1 of 2 checks of recurly.accounts" in alert.message
    assert "v: expect_column_values_to_be_between: 1 of 2 unexpected (50%)" in alert.message
    assert "sluice checks show" in alert.todo
    assert "sluice load" in alert.todo


def test_a_message_that_comes_again_is_not_told_again(place: Place) -> None:
    place.land("accounts", {"id": "a", "v": -1})
    for count in (1, 2, 3, 4):
        assert ["m0"] == failed(invoke(place, messages("accounts", count=count)))

    assert 1 == len(place.shelf.alerts)


def test_what_may_pass_is_told_when_it_did_not(place: Place) -> None:
    class Down:
        def session(self, table: Any) -> Any:
            raise Transient("the warehouse is asleep")

    here = Place(place.configuration, Redactor(), landing=place.landing, tables=Down())
    told = []
    for count in (1, 2, 3, 4):
        assert ["m0"] == failed(invoke(here, messages("plans", count=count)))
        told.append(len(here.shelf.alerts))

    assert [0, 0, 1, 1] == told


def test_a_check_that_warns_is_told_and_loads(place: Place) -> None:
    place.land("accounts", {"id": "a", "v": 101})
    answer = invoke(place, messages("accounts"))

    assert [] == failed(answer)
    assert 1 == place.rows("accounts")
    assert ["warn"] == [alert.severity for alert in place.shelf.alerts]


def test_an_unreadable_message_comes_again_for_its_owner(place: Place) -> None:
    event = messages("plans")
    event["Records"].append({"messageId": "bad", "eventSource": "aws:sqs", "body": "{"})
    place.land("plans", {"id": "p"})

    assert ["bad"] == failed(invoke(place, event))
    assert 1 == place.rows("plans")
    assert ["the message holds no JSON"] == [alert.message for alert in place.shelf.alerts]


def test_an_unknown_source_is_told_with_the_known_ones(place: Place) -> None:
    event = messages("plans")
    event["Records"][0]["body"] = json.dumps({"source": "recurli", "stream": "plans"})

    assert ["m0"] == failed(invoke(place, event))
    assert 'did you mean "recurly"' in place.shelf.alerts[0].todo


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"source": "recurly", "stream": "acounts"}, 'unknown stream "acounts"'),
        ({"source": "recurli"}, 'unknown source "recurli"'),
    ],
)
def test_an_order_for_what_nobody_knows_is_refused(place: Place, order: dict[str, str], said: str) -> None:
    """Nothing to load is an answer only for a stream that there is."""
    place.land("accounts", {"id": "a", "v": 1})
    refused = invoke(place, order)

    assert isinstance(refused.exception, Misconfigured)
    assert said in refused.exception.message
    assert invoke(place, {"source": "recurly", "stream": "plans"}).result["done"] is True


def test_streams_that_time_does_not_suffice_for_come_again(place: Place) -> None:
    """Nobody is alerted: the queue brings them back."""
    clock = FakeClock()
    place.land("accounts", {"id": "a", "v": 1})
    place.land("plans", {"id": "p"})
    open_source = Place.source

    class Slow(Place):
        def source(self, name: str, **how: Any) -> Any:
            clock.advance(800)
            return open_source(self, name, **how)

    here = Slow(place.configuration, Redactor(), landing=place.landing, tables=place.tables)
    answer = invoke(here, messages("plans", "accounts"), clock=clock)

    assert "m1" in failed(answer)
    assert [] == here.shelf.alerts


def test_a_direct_order_answers_what_was_done_or_raises(place: Place) -> None:
    place.land("plans", {"id": "p"})
    answer = invoke(place, {"source": "recurly", "stream": "plans"})
    place.land("accounts", {"id": "a", "v": -1})
    refused = invoke(place, {"source": "recurly", "stream": "accounts"})

    assert answer.result["done"] is True
    assert 1 == answer.result["loads"]["recurly.plans"]["rows"]
    assert isinstance(refused.exception, Violation)
    assert 1 == len(place.shelf.alerts)


def test_events_about_other_objects_are_said_and_nothing_is_loaded(place: Place) -> None:
    answer = invoke(place, {"Event": "s3:TestEvent"})

    assert {"done": True, "loads": {}} == answer.result
    assert ["ignored a test event of S3"] == place.said()


@pytest.mark.parametrize("file", sorted((ROOT / "events").glob("load_*.json")), ids=lambda file: file.stem)
def test_the_sample_events_run(place: Place, file: Path) -> None:
    place.land("accounts", {"id": "a", "v": 1})
    answer = invoke(place, read_event(file))

    assert answer.error is None
    assert 1 == place.rows("accounts")
    assert CommitLog(place.landing, "recurly", "accounts", place.tick).latest() is not None


def test_its_import_loads_nothing_heavy() -> None:
    """Cold start is a feature."""
    done = subprocess.run(
        [sys.executable, "-c", "import src.load.app, sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )

    assert set() == HEAVY & {name.partition(".")[0] for name in done.stdout.split()}
