"""A small house to look at: two inputs, four processes, one of which fails until it is told not to."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.common.errors import Violation
from shared.orchestrator.configuration import Kinds, read_configuration
from shared.orchestrator.dispatcher import Dispatcher
from shared.orchestrator.event import Event
from shared.orchestrator.inputs.schedule import ScheduleInput
from shared.orchestrator.inputs.webhook import WebhookInput
from shared.orchestrator.journal import Store
from shared.orchestrator.processes.call import CallProcess
from shared.orchestrator.processes.command import CommandProcess
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import SqliteJournal
from src.dispatch.gate import Gate
from src.dispatch.serving import mount
from tests.shared.orchestrator.running import until

KINDS = Kinds([WebhookInput, ScheduleInput], [CallProcess, CommandProcess])
TOKEN = "a-token-for-tests-only"
BROKEN = {"yes"}
"""Not empty while `report` fails."""
HERE = "tests.src.dispatch.house"
DOCUMENT: dict[str, Any] = {
    "http": {"port": 0},
    "input": [
        {"name": "orders", "type": "webhook", "connection_string": "/hooks/orders"},
        {
            "name": "nightly",
            "type": "schedule",
            "connection_string": "cron(0 6 * * *)",
            "timezone": "Europe/Berlin",
        },
    ],
    "process": [
        {"name": "cleanse", "type": "python", "execution_context": {"callable": f"{HERE}:fine"}},
        {"name": "enrich", "type": "python", "execution_context": {"callable": f"{HERE}:fine"}},
        {
            "name": "report",
            "type": "python",
            "retry": {"attempts": 1},
            "execution_context": {"callable": f"{HERE}:report"},
        },
        {"name": "archive", "type": "python", "execution_context": {"callable": f"{HERE}:fine"}},
    ],
    "links": [
        {"from": "orders", "to": ["cleanse", "archive"]},
        {"from": "nightly", "to": "enrich"},
        {"from": "cleanse", "to": "enrich", "operation": "create"},
        {"from": ["cleanse", "enrich"], "to": "report"},
    ],
}


def fine(event: Event) -> None:
    """Does nothing."""


def report(event: Event) -> None:
    if BROKEN:
        raise Violation("the report of order-key has no total", hint="say api_key=hunter2hunter2")


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Speaks to the API as a program does: one connection, the token in a header."""

    port: int
    token: str = TOKEN
    seen: list[tuple[str, str, Answer]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if method not in ("GET", "HEAD"):
            sent.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, data, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            found = Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        finally:
            connection.close()
        self.seen.append((method, path, found))
        return found

    def order(self, number: int, operation: str = "create") -> int:
        event = {
            "location": "shop.orders",
            "operation": operation,
            "id": str(number),
            "payload": {"total": number},
        }
        return self("POST", "/hooks/orders", event, Authorization="").status


@contextmanager
def serving(
    folder: Path,
    *,
    gate: Gate | None = None,
    document: Mapping[str, Any] = DOCUMENT,
    journal: Store | None = None,
    broken: bool = True,
) -> Iterator[tuple[Dispatcher, Client]]:
    """A dispatcher with its API and page, at work."""
    BROKEN.update({"yes"} if broken else ())
    dispatcher = Dispatcher(KINDS, journal or SqliteJournal(folder / "j.db"), Surroundings())
    mount(
        dispatcher,
        Gate(TOKEN) if gate is None else gate,
        mask=lambda text: text.replace("hunter2hunter2", "***"),
    )
    dispatcher.start(read_configuration(json.dumps(document), file="dispatch.json"))
    try:
        client = Client(dispatcher.listen().port)
        until(lambda: client("POST", "/hooks/orders", b"{").status == 400, what="the webhook's being there")
        client.seen.clear()
        yield dispatcher, client
    finally:
        dispatcher.stop(5)
