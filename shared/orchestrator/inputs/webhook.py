"""Input `webhook`: `POST` of an event. 202 when it is in the journal, 400 when it is no event, 401 for a bad signature.

The path is that of `connection_string`. With a `secret`, bodies are signed as Standard Webhooks has it
(`webhook-id`, `webhook-timestamp`, `webhook-signature`) or as GitHub has it (`x-hub-signature-256`). A delivery that
comes twice with the same id (`webhook-id`, `x-github-delivery`, `idempotency-key`) is one event.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from shared.common.errors import SluiceError, Transient, Violation
from shared.common.ports import Clock
from shared.common.signatures import (
    TOLERANCE,
    hub_signature,
    is_one_of,
    seconds_of,
    standard_key,
    standard_signature,
)
from shared.orchestrator.doors import Input, Outlet, Stopped
from shared.orchestrator.event import Event
from shared.orchestrator.faults import UnknownOperation
from shared.orchestrator.http_door import Request, Response, Routes
from shared.orchestrator.settings import InputSettings, Surroundings

LARGEST = 1_000_000
"""Bytes of a body."""
_IDS = ("webhook-id", "x-github-delivery", "idempotency-key")


class WebhookInput(InputSettings):
    """`connection_string` is a path, or a URL whose path is meant."""

    type: Literal["webhook"]
    connection_string: str = Field(min_length=1)
    secret: Annotated[
        tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ] = ()
    """Secrets of which one must have signed, usually `${NAME}`; two while one takes over from the other."""

    @field_validator("connection_string")
    @classmethod
    def _has_path(cls, value: str) -> str:
        if not urlsplit(value).path.startswith("/"):
            raise ValueError('expected a path, for example "/hooks/orders"')
        return value

    @property
    def path(self) -> str:
        return urlsplit(self.connection_string).path

    def open(self, around: Surroundings) -> Input:
        return Hook(self, around.routes, tuple(around.filled(one, input=self.name) for one in self.secret))


@dataclass(frozen=True, slots=True)
class Hook:
    settings: WebhookInput
    routes: Routes
    secrets: tuple[str, ...]

    def run(self, outlet: Outlet) -> None:
        leave = self.routes.mount(self.settings.path, lambda request: self.answer(request, outlet))
        try:
            while not outlet.wait(3600):
                pass
        finally:
            leave()

    def answer(self, request: Request, outlet: Outlet) -> Response:
        if request.method != "POST":
            return Response(405, b"POST an event\n", {"Allow": "POST"})
        if len(request.body) > LARGEST:
            return Response(413, b"the body is too long\n")
        if self.secrets and not signed(request, self.secrets, outlet.clock):
            return Response(401)
        try:
            event = Event.from_json(request.body)
        except (Violation, UnknownOperation) as error:
            return _text(400, error)
        given = next((request.headers[name] for name in _IDS if request.headers.get(name)), None)
        try:
            outlet.emit([event], keys=None if given is None else [f"delivery:{given}"], patience=0.0)
        except Transient as error:
            return Response(
                503, f"{error.message}\n".encode(), {"Retry-After": str(int(error.retry_after or 5))}
            )
        except Stopped:
            return Response(503, b"the dispatcher is ending\n", {"Retry-After": "5"})
        return Response(202)


def signed(request: Request, secrets: Sequence[str], clock: Clock) -> bool:
    """Whether one of the secrets signed the body, in one of the two ways."""
    headers = request.headers
    if "webhook-signature" in headers:
        return any(_standard(headers, request.body, secret, clock) for secret in secrets)
    given = headers.get("x-hub-signature-256", "")
    return is_one_of(given, [f"sha256={hub_signature(secret, request.body)}" for secret in secrets])


def _standard(headers: Mapping[str, str], body: bytes, secret: str, clock: Clock) -> bool:
    stamp, number = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    seconds = seconds_of(stamp)
    if seconds is None or abs(clock.now().timestamp() - seconds) > TOLERANCE:
        return False
    try:
        key = standard_key(secret)
    except binascii.Error:
        key = secret.encode()
    wanted = [standard_signature(key, number, stamp, body)]
    given = [one.removeprefix("v1,") for one in headers["webhook-signature"].split() if one.startswith("v1,")]
    return any(is_one_of(one, wanted) for one in given)


def _text(status: int, error: SluiceError) -> Response:
    return Response(status, f"{error}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})
