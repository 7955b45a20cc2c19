"""Input `sqs`: messages of a queue of SQS; each is deleted when its event is in the journal, and not before.

A message holds an event as JSON, or anything else: then `location` is the queue, `operation` is `create`, `id` the
message's, and `payload` its JSON. One that comes twice within the journal's memory is one event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from shared.common.errors import Violation
from shared.orchestrator.cloud import Clients, in_our_words
from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import UnknownOperation
from shared.orchestrator.received import received
from shared.orchestrator.settings import InputSettings, Surroundings


class QueueInput(InputSettings):
    type: Literal["sqs"]
    connection_string: str = Field(min_length=1)
    """The URL of the queue."""
    wait: int = Field(20, ge=0, le=20)
    """Seconds that one look waits for messages."""
    patience: float = Field(20.0, gt=0, le=3600)
    """Seconds to wait for room in the journal; then the messages come again by themselves."""

    def open(self, around: Surroundings) -> Input:
        clients: Clients = around.door("aws")
        url = around.filled(self.connection_string, input=self.name)
        return Receiver(self.name, url, self.wait, self.patience, clients)


@dataclass(frozen=True, slots=True)
class Receiver:
    name: str
    url: str
    wait: int
    patience: float
    clients: Clients

    def run(self, outlet: Outlet) -> None:
        while not outlet.stopping():
            messages = self._received()
            if not messages:
                if self.wait == 0:
                    outlet.wait(1.0)
                continue
            events = [event_of(one["Body"], place=self.url, identity=one["MessageId"]) for one in messages]
            outlet.emit(events, keys=[one["MessageId"] for one in messages], patience=self.patience)
            self._delete(messages)

    def _received(self) -> list[dict[str, Any]]:
        try:
            answer = self.clients("sqs").receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=self.wait
            )
        except Exception as error:
            raise in_our_words(error, "the queue cannot be read", input=self.name) from error
        return list(answer.get("Messages", ()))

    def _delete(self, messages: list[dict[str, Any]]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        try:
            self.clients("sqs").delete_message_batch(QueueUrl=self.url, Entries=entries)
        except Exception as error:
            # They come again, and their keys are in the journal.
            raise in_our_words(error, "messages were not deleted", input=self.name) from error


def event_of(body: str, *, place: str, identity: str) -> Event:
    """The event that a message holds; a message that holds none is one itself."""
    try:
        return Event.from_json(body)
    except (Violation, UnknownOperation):
        pass
    try:
        found = received(body)
    except Violation:
        found = {"text": body}
    payload = found if isinstance(found, dict) else {"value": found}
    return Event(place, Operation.CREATE, identity, payload=payload)
