"""The drop handler: a file under drop/<table>/ lands once, whatever event says so and how often."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from shared.common.fakes import FakeClock, MemoryStore
from shared.common.redaction import Redactor
from shared.landing.log import CommitLog
from shared.telemetry.alerting import Alert
from shared.telemetry.handler import Telemetry
from shared.telemetry.logging import open_log
from shared.telemetry.metrics import Metrics
from src.config import configure
from src.drop.app import handler_of
from src.invoke import Invocation, LocalContext, call, read_event
from src.workplace import Workplace

ROOT = Path(__file__).parents[3]
LINE = b'{"id": 1, "email": "a@example.com", "signed_up_at": "2026-11-20T10:00:00Z", "plan": null}\n'
KEY = "drop/signups/2026-11-20 morning.jsonl"
HEAVY = {"duckdb", "snowflake", "slack_sdk", "sqlalchemy", "boto3", "rich", "click", "pydantic_settings"}


class Shelf:
    """Alerts that are kept instead of sent."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return True


@dataclass(frozen=True)
class Place(Workplace):
    """A landing zone and a bucket in memory, and what was said."""

    landing: MemoryStore = field(default_factory=MemoryStore)
    bucket: MemoryStore = field(default_factory=MemoryStore)
    shelf: Shelf = field(default_factory=Shelf)
    out: StringIO = field(default_factory=StringIO)

    @property
    def store(self) -> Any:
        return self.landing

    def telemetry(self, *, served: str = "") -> Telemetry:
        del served
        log = open_log(f"test-{id(self)}", redactor=Redactor(), stream=self.out)
        return Telemetry(log, Metrics("test", clock=FakeClock(), write=None), self.shelf, Redactor())

    def rows(self, table: str = "signups") -> int:
        log = CommitLog(self.landing, "files", table, FakeClock())
        return sum(commit.draft.rows for commit in log.since(0))

    def invoke(self, event: Any) -> Invocation:
        handler = handler_of(lambda: self, lambda name: self.bucket)
        return call(handler, event, LocalContext("drop", "req-1", 512, 900, FakeClock()))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(configure(dotenv=tmp_path / "none"), Redactor())
    made.bucket.put_new(KEY, LINE + b"nonsense\n")
    return made


def messages(*bodies: Any, count: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{place}",
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": str(count)},
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for place, body in enumerate(bodies)
        ]
    }


@pytest.mark.parametrize("name", ["drop.json", "drop_eventbridge.json"])
def test_the_example_events_land_a_file_once(place: Place, name: str) -> None:
    """Keys are encoded in one and plain in the other; an event that comes twice changes nothing."""
    event = read_event(ROOT / "events" / name)
    first, second = place.invoke(event), place.invoke(event)

    assert (None, None) == (first.error, second.error)
    (landed,), (known,) = first.result["files"], second.result["files"]
    assert (1, 1, False) == (landed["rows"], landed["rejected"], landed["known"])
    assert (0, True) == (known["rows"], known["known"])
    assert 1 == place.rows()


def test_messages_that_fail_come_again_and_the_others_do_not(place: Place) -> None:
    """People hear of a failure once, when it happens first."""
    good = {"bucket": "acme-data", "key": KEY}
    gone = {"bucket": "acme-data", "key": "drop/signups/gone.jsonl"}
    stranger = {"bucket": "acme-data", "key": "drop/strangers/f.jsonl"}
    first = place.invoke(messages(good, gone, stranger, "no json"))
    again = place.invoke(messages(gone, count=2))

    assert ["m1", "m2", "m3"] == [one["itemIdentifier"] for one in first.result["batchItemFailures"]]
    assert [{"itemIdentifier": "m0"}] == again.result["batchItemFailures"]
    assert 1 == place.rows()
    assert 3 == len(place.shelf.alerts)


def test_a_table_without_a_contract_is_refused_with_what_would_be_right(place: Place) -> None:
    """And what lies elsewhere in the bucket is no business of ours."""
    refused = place.invoke({"bucket": "acme-data", "key": "drop/sign_ups/f.jsonl"})
    ignored = place.invoke({"bucket": "acme-data", "key": "landing/files/signups/log/1.json"})
    unknown = place.invoke({"hello": "world"})

    assert refused.error is not None
    assert 'did you mean "signups"?' in refused.error["errorMessage"]
    assert "src/drop/contracts/sign_ups.json" in refused.error["errorMessage"]
    assert [{"file": "s3://acme-data/landing/files/signups/log/1.json", "ignored": True}] == ignored.result[
        "files"
    ]
    assert unknown.error is not None
    assert "none that this app knows" in unknown.error["errorMessage"]


@pytest.mark.parametrize("key", ["drop/signups/2026/f.jsonl", "drop/f.jsonl", "drop/1/f.jsonl"])
def test_a_file_in_the_wrong_folder_is_told(place: Place, key: str) -> None:
    refused = place.invoke({"bucket": "acme-data", "key": key})
    folder = place.invoke({"bucket": "acme-data", "key": "drop/signups/2026/"})

    assert refused.error is not None
    assert "drop a file as drop/<table>/<file>, no deeper" in refused.error["errorMessage"]
    assert [True] == [one["ignored"] for one in folder.result["files"]]


def test_a_deleted_object_and_a_test_event_are_nothing(place: Place) -> None:
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectRemoved:Delete",
        "s3": {"bucket": {"name": "b"}, "object": {"key": KEY}},
    }
    for event in ({"Records": [record]}, {"Event": "s3:TestEvent"}, {"detail-type": "Object Deleted"}):
        assert [] == place.invoke(event).result["files"]


def test_of_several_files_each_lands_or_is_told(place: Place) -> None:
    """One that fails does not keep the others."""
    place.bucket.put_new("drop/signups/other.csv", b"id,email,signed_up_at,plan\n2,b,2026-11-20T10:00:00Z,\n")
    keys = ["drop/signups/gone.jsonl", KEY.replace(" ", "+"), "drop/signups/other.csv"]
    records = [
        {"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys
    ]

    answer = place.invoke({"Records": records})

    assert answer.error is not None
    assert "the file is gone" in answer.error["errorMessage"]
    assert 2 == place.rows()


def test_what_an_event_should_be_is_told_without_a_mask(place: Place) -> None:
    """`key` is a word for secrets, too, so the example is no JSON."""
    said = place.invoke({"what": 1})

    assert "key (drop/orders/today.jsonl)" in Redactor().text(str(said.error))


def test_importing_the_app_loads_nothing_heavy() -> None:
    """A cold start pays for what it uses."""
    code = "import sys, src.drop.app; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set() == HEAVY & set(done.stdout.split())
