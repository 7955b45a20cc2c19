"""The dispatcher as a function of AWS: the same document and the same graph, with a queue of SQS as the journal.

A message that is not done wholly comes again, and starts only what is not done yet: each pair of event and process is
remembered in a table. After the queue's own number of tries it lies in the queue of dead letters. A webhook is checked
and put into the queue.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, SluiceError, Transient
from shared.telemetry.alerting import Alert, is_due
from shared.telemetry.handler import Context, ContextDeadline, Handler, Telemetry, handled
from src.workplace import Workplace

if TYPE_CHECKING:
    from shared.orchestrator.configuration import Configuration
    from shared.orchestrator.doors import Process
    from shared.orchestrator.graph import Graph
    from shared.orchestrator.settings import Surroundings
    from shared.orchestrator.walk import Once
    from src.dispatch.event import Arrived, Translator

MARGIN = 10.0
"""Seconds that are kept for what comes after the work."""
LIFE = 900
"""Seconds that an invocation lives at most."""
AGAIN = 60
"""Seconds after which a message that failed comes again; each further time four times as long."""
LONGEST = 43_200
"""Seconds that a queue can keep a message from view: docs.aws.amazon.com/AWSSimpleQueueService, quotas of messages."""


@dataclass
class Station:
    """The document, opened once per process; tests put a memory of their own in as `once` and `send`."""

    document: Configuration
    around: Surroundings
    once: Once
    send: Callable[[str, str, str], None]
    """Puts a message into the queue: its body, the name of the input, and what tells it from others."""
    opened: dict[str, Process] = field(default_factory=dict)
    put_off: Callable[[str, int], None] = lambda receipt, seconds: None
    """Lets a message of the app's own queue come again after so many seconds."""
    queue: str = ""
    """The name of the app's own queue."""
    landing: str = ""
    """The URL of the landing zone."""

    @cached_property
    def graph(self) -> Graph:
        return self.document.graph()

    @cached_property
    def translator(self) -> Translator:
        from src.dispatch.event import Translator

        return Translator(self.document, self.landing, lambda: self.around.door("landing"))

    def process(self, name: str) -> Process:
        if name not in self.opened:
            self.opened[name] = self.graph.processes[name].open(self.around)
        return self.opened[name]


def handler_of(open_place: Callable[[], Workplace], open_station: Callable[[Workplace], Station]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a station of theirs."""
    place = cache(open_place)
    opened = cache(lambda: open_station(place()))

    @handled("dispatch", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        station, deadline = opened(), ContextDeadline(context, margin=MARGIN)
        match event:
            case {"requestContext": {"http": _}}:
                return _request(station, event)
            case {"Records": [{"eventSource": "aws:sqs"}, *_] as records}:
                return _messages(
                    station, records, deadline.remaining, telemetry, request=context.aws_request_id
                )
            case Mapping():
                for one in station.translator.of_event(event, identity=context.aws_request_id):
                    for error in _walked(station, one, deadline.remaining, telemetry):
                        raise error
                return {"done": True}
        raise Misconfigured("the event is no object", hint="events/dispatch.json is one")

    return handler


def _messages(
    station: Station,
    records: list[Mapping[str, Any]],
    remaining: Callable[[], float],
    telemetry: Telemetry,
    *,
    request: str,
) -> dict[str, Any]:
    again: list[str] = []
    for record in records:
        name = str(record.get("messageId", ""))
        try:
            attempt = _attempt(record)
            errors = [
                error
                for one in station.translator.of_message(record)
                for error in _walked(station, one, remaining, telemetry, attempt=attempt)
            ]
        except SluiceError as unreadable:
            errors = [unreadable]
        if not errors:
            continue
        again.append(name)
        count = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        for error in errors:
            telemetry.log.error(f"dispatch failed: {error}", exc_info=error, extra={"queued": name})
            if is_due(error, count):
                telemetry.alerts.send(
                    Alert.of(error, key=f"dispatch {name}", app="dispatch", request=request)
                )
        _put_off(station, record, count, telemetry)
    return {"batchItemFailures": [{"itemIdentifier": name} for name in again]}


def _attempt(record: Mapping[str, Any]) -> int:
    """A number that grows each time a message comes, also when it comes back from the dead letters."""
    attributes = record.get("attributes", {})
    first = int(attributes.get("ApproximateFirstReceiveTimestamp", "0")) // 1000
    return first + int(attributes.get("ApproximateReceiveCount", "1"))


def _put_off(station: Station, record: Mapping[str, Any], count: int, telemetry: Telemetry) -> None:
    """Without this a message that failed comes again when its time in the queue is over, after an hour and a half."""
    if not station.queue or str(record.get("eventSourceARN", "")).rpartition(":")[2] != station.queue:
        return
    try:
        station.put_off(str(record.get("receiptHandle", "")), min(AGAIN * 4 ** (count - 1), LONGEST))
    except Exception as error:  # noqa: BLE001  # then it comes later
        telemetry.log.warning(f"the message was not put off: {type(error).__name__}")


def _walked(
    station: Station,
    arrived: Arrived,
    remaining: Callable[[], float],
    telemetry: Telemetry,
    *,
    attempt: int = 1,
) -> list[SluiceError]:
    """Let an event go its way; what failed."""
    from shared.orchestrator.walk import walk

    found = walk(
        station.graph,
        arrived.trigger,
        arrived.event,
        arrived.key,
        process=station.process,
        once=station.once,
        remaining=remaining,
        attempt=attempt,
    )
    telemetry.log.info(
        "event",
        extra={
            "event": arrived.event.to_plain() | {"payload": None},
            "ran": list(found.ran),
            "known": found.known,
            "failed": sorted(found.failed),
            "waiting": found.waiting + found.paused,
        },
    )
    errors = [_told(error).at(process=name) for name, error in found.failed.items()]
    if not errors and not found.done:
        errors = [Transient(f"not done yet: {', '.join(found.waiting + found.paused)}")]
    return errors


def _told(error: Exception) -> SluiceError:
    return error if isinstance(error, SluiceError) else Transient(f"{type(error).__name__}: {error}")


def _request(station: Station, event: Mapping[str, Any]) -> dict[str, Any]:
    """A webhook, answered as the dispatcher's own server answers it; what it takes in goes into the queue."""
    from src.dispatch.webhook import answer

    body = event.get("body") or ""
    content = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    http = event["requestContext"]["http"]
    given = answer(
        station.document,
        station.around,
        str(http["method"]),
        str(http["path"]),
        headers,
        content,
        station.send,
    )
    return {
        "statusCode": given.status,
        "headers": {"Content-Type": "text/plain; charset=utf-8", **given.headers},
        "body": given.body.decode("utf-8", "replace"),
    }


def open_station(place: Workplace) -> Station:
    """The station of this process: document, queue and table as the settings name them."""
    from shared.aws.clients import client
    from shared.aws.remember import Remembered
    from shared.orchestrator.configuration import read_configuration
    from src.dispatching import kinds, surroundings

    settings, file = place.settings, Path(place.settings.dispatch_file)
    if settings.dispatch_table is None:
        raise Misconfigured("DISPATCH_TABLE is not set", hint="the template sets it (docs/infrastructure.md)")
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"there is no document: {error.strerror}", hint="docs/dispatch.md", file=str(file)
        ) from None

    def send(body: str, trigger: str, identity: str) -> None:
        client("sqs").send_message(
            QueueUrl=settings.dispatch_queue_url or "",
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("trigger", trigger), ("identity", identity))
            },
        )

    def put_off(receipt: str, seconds: int) -> None:
        client("sqs").change_message_visibility(
            QueueUrl=settings.dispatch_queue_url or "", ReceiptHandle=receipt, VisibilityTimeout=seconds
        )

    return Station(
        kinds().parse(read_configuration(text, file=str(file))),
        surroundings(place),
        Remembered(settings.dispatch_table, seconds=LIFE).once,
        send,
        put_off=put_off,
        queue=(settings.dispatch_queue_url or "").rpartition("/")[2],
        landing=settings.landing_url,
    )


handler = handler_of(Workplace.open, open_station)
