"""What reaches the dispatch app: messages of SQS, events of EventBridge and S3, and requests to a Function URL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from shared.common.errors import Misconfigured, unknown
from shared.orchestrator.configuration import Configuration
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.inputs.queue import event_of

_S3 = {"ObjectCreated": Operation.CREATE, "ObjectRemoved": Operation.DELETE}
_BRIDGE = {"Object Created": Operation.CREATE, "Object Deleted": Operation.DELETE}


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event, the input that it came through, and the key that it has whenever it comes again."""

    event: Event
    trigger: str
    key: str


def of_message(record: Mapping[str, Any], document: Configuration) -> Iterator[Arrived]:
    """The events of one message of SQS.

    `trigger` is the attribute of that name, or the input of that queue; what tells its events from others is the
    attribute `identity`, which a delivery that came twice has in both messages, or the message's own.
    """
    attributes = record.get("messageAttributes") or {}
    said = {name: (attributes.get(name) or {}).get("stringValue") for name in ("trigger", "identity")}
    named, body = said["trigger"], str(record.get("body", ""))
    identity = f"{named}:{said['identity']}" if said["identity"] else str(record.get("messageId", ""))
    queue = str(record.get("eventSourceARN", "")).rpartition(":")[2]
    trigger = named or _input_of(document, queue)
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    for number, event in enumerate(
        _events(content, trigger) or [event_of(body, place=queue, identity=identity)]
    ):
        yield Arrived(event.raised_by(trigger), trigger, f"{identity}/{number}")


def of_event(content: Mapping[str, Any], document: Configuration, *, identity: str) -> Iterator[Arrived]:
    """The events of an invocation by EventBridge, S3 or a person. Raises `Misconfigured` when there is none."""
    found = _events(content, "")
    if not found:
        raise Misconfigured(
            "the event is none that this app knows",
            hint='send {"location", "operation", "id", "trigger"}, or an event of EventBridge, S3 or SQS',
        )
    for number, event in enumerate(found):
        trigger = event.trigger or _input_of(document, "")
        yield Arrived(event.raised_by(trigger), trigger, f"{content.get('id') or identity}/{number}")


def _events(content: Any, trigger: str) -> list[Event]:
    match content:
        case {"location": str(), "operation": str(), "id": str()}:
            return [Event.from_plain(content)]
        case {"Records": [{"eventSource": "aws:s3"}, *_] as records}:
            return [_notified(one) for one in records]
        case {
            "detail-type": str(kind),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
        }:
            return [
                Event(f"s3://{bucket}", _BRIDGE.get(kind, Operation.UNKNOWN), key, trigger, content["detail"])
            ]
        case {"detail-type": str(kind), "source": str(source), "id": str(identity)}:
            return [
                Event(f"{source}/{kind}", Operation.CREATE, identity, trigger, content.get("detail") or {})
            ]
    return []


def _notified(record: Mapping[str, Any]) -> Event:
    """Keys are URL-encoded: docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    kind = str(record.get("eventName", "")).removeprefix("s3:").partition(":")[0]
    what = record["s3"]
    key = unquote_plus(what["object"]["key"])
    return Event(
        f"s3://{what['bucket']['name']}", _S3.get(kind, Operation.UNKNOWN), key, payload=what["object"]
    )


def _input_of(document: Configuration, queue: str) -> str:
    """The input that reads this queue; the only one where there is one only."""
    for one in document.input:
        if queue and one.connection_string.rstrip("/").rpartition("/")[2] == queue:
            return one.name
    if len(document.input) == 1:
        return document.input[0].name
    raise unknown("input for the queue", queue, [one.name for one in document.input])
