"""A webhook input where a function answers: checked as ever, and put into the queue instead of the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from shared.common.errors import Transient
from shared.common.ports import Clock
from shared.orchestrator.configuration import Configuration
from shared.orchestrator.event import Event
from shared.orchestrator.http_door import Request, Response
from shared.orchestrator.inputs.webhook import Hook, WebhookInput
from shared.orchestrator.settings import Surroundings

Send = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class QueueOutlet:
    """An `Outlet` that puts events into a queue."""

    name: str
    clock: Clock
    send: Send

    def emit(
        self,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
    ) -> int:
        del bookmark, patience
        for number, event in enumerate(events):
            body = json.dumps(event.raised_by(self.name).to_plain())
            try:
                self.send(body, self.name, keys[number] if keys else uuid4().hex)
            except Exception as error:
                raise Transient(f"the queue cannot be had: {type(error).__name__}") from error
        return len(events)

    def bookmark(self) -> str:
        return ""

    def wait(self, seconds: float) -> bool:
        del seconds
        return True

    def stopping(self) -> bool:
        return False


def answer(
    document: Configuration,
    around: Surroundings,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    send: Send,
) -> Response:
    """The answer of the webhook input that listens at `path`; 404 where there is none."""
    for one in document.input:
        if isinstance(one, WebhookInput) and one.path == path and not one.paused:
            secrets = tuple(around.filled(secret, input=one.name) for secret in one.secret)
            outlet = QueueOutlet(one.name, around.clock, send)
            return Hook(one, around.routes, secrets).answer(Request(method, path, headers, body), outlet)
    return Response(404, b"nothing is here\n")
