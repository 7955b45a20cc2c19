"""What reaches the dispatch app: messages of SQS, events of EventBridge and S3, and requests to a Function URL.

The rules and schedules that `sluice deploy template` makes of a document put what they see into the app's queue as it
is. Which input raised it is found here, so an event is the same as where the dispatcher itself watches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from shared.common.errors import Misconfigured, Transient, Violation, unknown
from shared.common.instants import parse_instant
from shared.orchestrator.configuration import Configuration
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.inputs.landing import LandingInput
from shared.orchestrator.inputs.objects import ObjectsInput
from shared.orchestrator.inputs.queue import event_of
from shared.orchestrator.inputs.schedule import ScheduleInput
from shared.orchestrator.received import received
from shared.orchestrator.settings import InputSettings

if TYPE_CHECKING:
    from shared.orchestrator.inputs.landing import OpenCommits

_S3 = {"ObjectCreated": Operation.CREATE, "ObjectRemoved": Operation.DELETE}
_BRIDGE = {"Object Created": Operation.CREATE, "Object Deleted": Operation.DELETE}
_COMMIT = re.compile(r"landing/(?P<source>[\w-]+)/(?P<stream>[\w-]+)/log/(?P<sequence>[0-9]+)\.json")


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event, the input that it came through, and the key that it has whenever it comes again."""

    event: Event
    trigger: str
    key: str


@dataclass(frozen=True, slots=True)
class Translator:
    """Makes events of what arrives. `landing` is the URL of the landing zone, `open_commits` opens the logs in it."""

    document: Configuration
    landing: str = ""
    open_commits: Callable[[], OpenCommits] | None = None

    def of_message(self, record: Mapping[str, Any]) -> Iterator[Arrived]:
        """The events of one message of SQS.

        Its input is the attribute `trigger`, that of its queue, or the one whose rule or schedule sent it. What tells
        its events from others is the attribute `identity`, which a delivery that came twice has in both messages; what
        its content says of itself; or the message's own.
        """
        attributes = record.get("messageAttributes") or {}
        said = {name: (attributes.get(name) or {}).get("stringValue") for name in ("trigger", "identity")}
        named, body = said["trigger"], str(record.get("body", ""))
        identity = f"{named}:{said['identity']}" if said["identity"] else str(record.get("messageId", ""))
        queue = str(record.get("eventSourceARN", "")).rpartition(":")[2]
        try:
            content = received(body)
        except Violation:
            content = None
        if not named and not self._reads(queue):
            found = list(self._of_rules(content))
            if found:
                yield from found
                return
        trigger = named or self._input_of(queue)
        for number, event in enumerate(
            _events(content, trigger) or [event_of(body, place=queue, identity=identity)]
        ):
            yield Arrived(event.raised_by(trigger), trigger, f"{identity}/{number}")

    def of_event(self, content: Mapping[str, Any], *, identity: str) -> Iterator[Arrived]:
        """The events of an invocation by EventBridge, S3 or a person. Raises `Misconfigured` when there is none."""
        found = list(self._of_rules(content))
        if found:
            yield from found
            return
        events = _events(content, "")
        if not events:
            raise Misconfigured(
                "the event is none that this app knows",
                hint='send {"location", "operation", "id", "trigger"}, or an event of EventBridge, S3 or SQS',
            )
        for number, event in enumerate(events):
            trigger = event.trigger or self._input_of("")
            yield Arrived(event.raised_by(trigger), trigger, f"{content.get('id') or identity}/{number}")

    def _of_rules(self, content: Any) -> Iterator[Arrived]:
        """What inputs of the document would have raised themselves: each that watches where this happened."""
        match content:
            case {"trigger": str(name), "location": str(), "operation": str(), "id": str(time)}:
                if any(isinstance(one, ScheduleInput) and one.name == name for one in self.document.input):
                    # EventBridge Scheduler may send a time twice.
                    event = Event.from_plain({**content, "id": parse_instant(time).isoformat()})
                    yield Arrived(event, name, f"{name}:{event.id}")
            case {
                "detail-type": ("Object Created" | "Object Deleted") as kind,
                "id": str(identity),
                "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
            }:
                url = f"s3://{bucket}/{key}"
                for one in self.document.input:
                    seen = self._seen(one, url, _BRIDGE[kind], content["detail"])
                    if seen is not None:
                        yield Arrived(seen, one.name, f"{one.name}:{identity}")

    def _seen(
        self, one: InputSettings, url: str, operation: Operation, detail: Mapping[str, Any]
    ) -> Event | None:
        match one:
            case ObjectsInput():
                return _object(one, url, operation, detail)
            case LandingInput() if operation is Operation.CREATE:
                return self._commit(one, url)
        return None

    def _commit(self, one: LandingInput, url: str) -> Event | None:
        """The commit that has landed, where the input follows its stream."""
        inside = self.landing and url.startswith(f"{self.landing}/")
        found = _COMMIT.fullmatch(url.removeprefix(f"{self.landing}/")) if inside else None
        if found is None or self.open_commits is None:
            return None
        name, sequence = f"{found['source']}.{found['stream']}", int(found["sequence"])
        if one.connection_string not in (name, found["source"]):
            return None
        for number, content in self.open_commits()(name)[name].since(sequence - 1):
            return Event(name, Operation.CREATE, str(number), one.name, content)
        raise Transient(f"commit {sequence} of {name} is not to be seen yet")

    def _reads(self, queue: str) -> bool:
        return any(_queue(one.connection_string) == queue for one in self.document.input if queue)

    def _input_of(self, queue: str) -> str:
        """The input that reads this queue; the only one where there is one only."""
        for one in self.document.input:
            if queue and _queue(one.connection_string) == queue:
                return one.name
        if len(self.document.input) == 1:
            return self.document.input[0].name
        raise unknown("input for the queue", queue, [one.name for one in self.document.input])


def _queue(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _object(one: ObjectsInput, url: str, operation: Operation, detail: Mapping[str, Any]) -> Event | None:
    """The object as the input itself would have raised it: its key is relative to where the input looks."""
    root = f"{one.connection_string.rstrip('/')}/"
    if not url.startswith(f"{root}{one.prefix}"):
        return None
    return Event(one.connection_string, operation, url.removeprefix(root), one.name, detail)


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
