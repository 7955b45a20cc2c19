"""The dispatcher as a function: what comes in by SQS, S3, EventBridge or HTTP goes its way, once for each pair."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.documents import read_json_document, read_yaml
from shared.common.errors import Misconfigured
from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event
from shared.orchestrator.settings import Surroundings
from src.dispatch.app import Station, handler_of
from src.dispatching import kinds
from src.invoke import LocalContext
from src.workplace import Workplace

EVENTS = Path(__file__).parents[3] / "events"
SAMPLE = read_json_document((EVENTS / "dispatch.json").read_bytes(), file="dispatch.json").data
DOCUMENT = """
input:
  - {name: orders, type: sqs, connection_string: "https://sqs.eu-central-1.amazonaws.com/111122223333/sluice-dispatch"}
  - {name: hooks, type: webhook, connection_string: /hooks/orders, secret: a secret of the hook}
process:
  - {name: first, type: subprocess, execution_context: {command: ["true"]}}
  - {name: second, type: subprocess, execution_context: {command: ["true"]}}
links:
  - {from: [orders, hooks], to: first, operation: create}
  - {from: first, to: second}
"""


RULES = """
input:
  - {name: lake, type: objects, connection_string: "s3://acme-data/drop", prefix: signups/}
  - {name: plans, type: landing, connection_string: recurly.plans}
  - {name: nightly, type: schedule, connection_string: cron(0 3 * * *)}
process:
  - {name: first, type: subprocess, execution_context: {command: ["true"]}}
links:
  - {from: [lake, plans, nightly], to: first}
"""


class Plant:
    """Processes, memory and queue of a test."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Event]] = []
        self.broken: set[str] = set()
        self.known: set[str] = set()
        self.sent: list[tuple[Any, str]] = []
        self.identities: list[str] = []
        self.attempts: list[int] = []
        self.put_off: list[tuple[str, int]] = []

    def once(self, key: str, act: Callable[[], None]) -> bool:
        if key in self.known:
            return False
        act()
        self.known.add(key)
        return True

    def send(self, body: str, trigger: str, identity: str) -> None:
        self.sent.append((json.loads(body), trigger))
        self.identities.append(identity)

    def process(self, name: str) -> Any:
        plant = self

        class One:
            def execute(self, event: Event, run: Run) -> None:
                plant.attempts.append(run.attempt)
                if name in plant.broken:
                    raise RuntimeError("not now")
                plant.done.append((name, event))

        return One()


@pytest.fixture
def plant() -> Plant:
    return Plant()


Handle = Callable[..., Any]


@pytest.fixture
def handle(plant: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handle:
    """Have an event handled by a document, the first one above unless another is given."""
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.chdir(tmp_path)
    opened = {name: plant.process(name) for name in ("first", "second")}
    context: Any = LocalContext("dispatch", "r-1", 512, 60, SystemClock())

    class Log:
        def since(self, sequence: int) -> list[tuple[int, Any]]:
            return [(sequence + 1, {"rows": 3})]

    around = Surroundings(doors={"landing": lambda name: {name: Log()}})

    def station(text: str) -> Station:
        return Station(
            kinds().parse(read_yaml(text, file="dispatch.yml")), around, plant.once, plant.send, opened,
            lambda receipt, seconds: plant.put_off.append((receipt, seconds)),
            queue="sluice-dispatch", landing="s3://acme-landing",
        )  # fmt: skip

    handlers: dict[str, Any] = {}

    def run(event: Any, document: str = DOCUMENT) -> Any:
        if document not in handlers:
            handlers[document] = handler_of(Workplace.open, lambda place: station(document))
        return handlers[document](copy.deepcopy(event), context)

    return run


def messages(*bodies: Any) -> dict[str, Any]:
    record = SAMPLE["Records"][0]
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{**record, "messageId": f"m{n}", "body": text} for n, text in enumerate(texts)]}


def names(plant: Plant) -> list[str]:
    return [name for name, _ in plant.done]


def test_the_sample_goes_its_way_and_a_second_time_does_nothing(handle: Any, plant: Plant) -> None:
    assert {"batchItemFailures": []} == handle(SAMPLE)
    assert {"batchItemFailures": []} == handle(SAMPLE)
    assert ["first", "second"] == names(plant)
    assert "orders" == plant.done[0][1].trigger


def test_only_the_messages_that_failed_come_again_and_start_where_it_broke(handle: Any, plant: Plant) -> None:
    plant.broken = {"second"}
    event = {"location": "a", "operation": "create", "id": "1"}

    failed = handle(messages(event, {**event, "operation": "delete"}))

    assert {"batchItemFailures": [{"itemIdentifier": "m0"}]} == failed
    plant.broken.clear()
    assert {"batchItemFailures": []} == handle(messages(event))
    assert ["first", "second"] == names(plant)


def test_objects_of_s3_are_events_in_both_forms(handle: Any, plant: Plant) -> None:
    for name in ("drop", "drop_eventbridge"):
        handle(messages(read_json_document((EVENTS / f"{name}.json").read_bytes(), file=name).data))
        plant.known.clear()

    first, bridged = [event for name, event in plant.done if name == "first"]
    assert ("s3://acme-data", first.id) == (bridged.location, bridged.id)


def test_an_event_of_eventbridge_may_come_directly(handle: Any, plant: Plant) -> None:
    event = {"location": "a", "operation": "create", "id": "1", "trigger": "orders"}

    assert {"done": True} == handle(event)
    assert ["first", "second"] == names(plant)


@pytest.mark.parametrize("event", [None, [], {"x": 1}])
def test_what_is_no_event_is_refused(handle: Any, event: Any) -> None:
    with pytest.raises(Misconfigured):
        handle(event)


def request(body: bytes, *, path: str = "/hooks/orders", method: str = "POST") -> dict[str, Any]:
    digest = hmac.new(b"a secret of the hook", body, hashlib.sha256).hexdigest()
    return {
        "requestContext": {"http": {"method": method, "path": path}},
        "headers": {"X-Hub-Signature-256": f"sha256={digest}"},
        "body": body.decode(),
    }


def test_a_webhook_is_checked_and_queued_under_its_input(handle: Any, plant: Plant) -> None:
    event = {"location": "a", "operation": "create", "id": "1"}

    assert 202 == handle(request(json.dumps(event).encode()))["statusCode"]
    assert [({**event, "trigger": "hooks"}, "hooks")] == plant.sent
    assert [] == plant.done


def test_a_webhook_with_a_wrong_signature_no_event_or_another_path_is_not(handle: Any, plant: Plant) -> None:
    wrong = request(b"{}")
    wrong["headers"] = {}

    assert [401, 400, 404, 405] == [
        handle(one)["statusCode"]
        for one in (wrong, request(b"{}"), request(b"{}", path="/x"), request(b"", method="GET"))
    ]
    assert [] == plant.sent


def test_a_message_of_a_webhook_knows_its_input(handle: Any, plant: Plant) -> None:
    event = messages({"location": "a", "operation": "create", "id": "1"})
    event["Records"][0]["messageAttributes"] = {"trigger": {"stringValue": "hooks", "dataType": "String"}}

    handle(event)

    assert "hooks" == plant.done[0][1].trigger


def test_a_webhook_that_is_delivered_twice_is_one_event(handle: Any, plant: Plant) -> None:
    body = json.dumps({"location": "a", "operation": "create", "id": "1"}).encode()
    for _ in range(2):
        again = request(body)
        again["headers"]["X-GitHub-Delivery"] = "d-1"
        handle(again)

    told = messages(*(event for event, _ in plant.sent))
    for record, identity in zip(told["Records"], plant.identities, strict=True):
        record["messageAttributes"] = {
            "trigger": {"stringValue": "hooks", "dataType": "String"},
            "identity": {"stringValue": identity, "dataType": "String"},
        }

    assert {"batchItemFailures": []} == handle(told)
    assert ["first", "second"] == names(plant)


def created(bucket: str, key: str, identity: str = "e-1") -> dict[str, Any]:
    """As EventBridge tells of an object."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 3}}
    return {"id": identity, "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def test_what_a_rule_sends_is_the_event_of_the_input_that_watches_there(handle: Handle, plant: Plant) -> None:
    log = "landing/recurly/plans/log/00000000000000000012.json"
    sent = messages(created("acme-data", "drop/signups/a.jsonl"), created("acme-landing", log, "e-2"))

    assert {"batchItemFailures": []} == handle(sent, RULES)
    assert [("s3://acme-data/drop", "signups/a.jsonl", "lake"), ("recurly.plans", "12", "plans")] == [
        (event.location, event.id, event.trigger) for _, event in plant.done
    ]
    assert {"rows": 3} == plant.done[1][1].payload


def test_what_a_rule_or_a_schedule_sends_twice_is_one_event(handle: Handle, plant: Plant) -> None:
    """Each message has an id of its own, so it is known by what it says."""
    time = {
        "location": "cron(0 3 * * *)",
        "operation": "read",
        "id": "2026-11-20T03:00:00Z",
        "trigger": "nightly",
    }
    for number in range(2):
        sent = messages(time, created("acme-data", "drop/signups/a.jsonl"))
        for record in sent["Records"]:
            record["messageId"] += f"-{number}"
        assert {"batchItemFailures": []} == handle(sent, RULES)

    assert [("nightly", "2026-11-20T03:00:00+00:00"), ("lake", "signups/a.jsonl")] == [
        (event.trigger, event.id) for _, event in plant.done
    ]


def test_who_writes_into_the_queue_of_an_input_raises_events_of_that_input_only(
    handle: Handle, plant: Plant
) -> None:
    text = DOCUMENT.replace(
        "process:", "  - {name: nightly, type: schedule, connection_string: rate(1 day)}\nprocess:"
    )
    time = {"location": "x", "operation": "create", "id": "2026-11-20T03:00:00Z", "trigger": "nightly"}

    handle(messages(time), text)

    assert ["orders"] == [event.trigger for name, event in plant.done if name == "first"]


def test_a_message_that_failed_is_put_off_for_longer_each_time(handle: Handle, plant: Plant) -> None:
    plant.broken = {"first"}
    sent = messages({"location": "a", "operation": "create", "id": "1"})
    attributes = sent["Records"][0]["attributes"]
    for count in (1, 2, 9):
        sent["Records"][0]["attributes"] = {**attributes, "ApproximateReceiveCount": str(count)}
        handle(sent)

    assert [60, 240, 43_200] == [seconds for _, seconds in plant.put_off]


def test_an_attempt_has_a_larger_number_also_behind_the_dead_letters(handle: Handle, plant: Plant) -> None:
    """There the count begins anew, so that a state machine would only be asked for its failed execution."""
    sent = messages({"location": "a", "operation": "create", "id": "1"})
    first = sent["Records"][0]["attributes"]
    for count, began in (("5", "1795169702010"), ("1", "1795179999000")):
        plant.known.clear()
        sent["Records"][0]["attributes"] = {
            **first,
            "ApproximateReceiveCount": count,
            "ApproximateFirstReceiveTimestamp": began,
        }
        handle(sent)

    assert sorted(plant.attempts) == plant.attempts
    assert plant.attempts[0] < plant.attempts[-1]
