"""Webhooks: what is accepted, what is refused, and whose signature counts."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.common.fakes import FakeClock
from shared.orchestrator.faults import Busy
from shared.orchestrator.http_door import Request, Response
from shared.orchestrator.inputs.webhook import Hook, WebhookInput, signed
from shared.orchestrator.settings import Surroundings
from tests.shared.orchestrator.inputs.outlet import Kept

BODY = json.dumps({"location": "a", "operation": "Insert", "id": "1"}).encode()
GITHUB = "It's a Secret to Everybody"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def answer(
    body: bytes = BODY, *, secret: Any = (), method: str = "POST", outlet: Kept | None = None, **headers: str
) -> Response:
    one = WebhookInput(name="i", type="webhook", connection_string="http://here/hooks/a", secret=secret)
    hook = one.open(Surroundings(words={"OLD": "old"}))
    assert isinstance(hook, Hook)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return hook.answer(Request(method, one.path, named, body), outlet or Kept())


def test_an_event_is_taken() -> None:
    outlet = Kept()

    assert 202 == answer(outlet=outlet).status
    assert ["1"] == [event.id for event in outlet.events]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", BODY.replace(b"Insert", b"upsert"), b"\xff", b"[" * 200_000]
)
def test_what_is_no_event_is_400(body: bytes) -> None:
    assert 400 == answer(body).status


def test_other_methods_are_405() -> None:
    assert 405 == answer(method="GET").status


def test_a_delivery_that_comes_twice_is_one_event() -> None:
    outlet = Kept()
    answers = [answer(outlet=outlet, x_github_delivery="d") for _ in range(2)]

    assert ([202, 202], 1) == ([one.status for one in answers], len(outlet.events))


def test_a_full_dispatcher_asks_to_come_again() -> None:
    class Fully(Kept):
        def emit(self, *_: Any, **__: Any) -> int:
            raise Busy("full", retry_after=7.0)

    found = answer(outlet=Fully())

    assert (503, "7") == (found.status, found.headers["Retry-After"])


def test_the_vectors_of_the_specifications() -> None:
    """GitHub's documentation, and the reference of Standard Webhooks."""
    github = {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    }
    standard = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v2,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    then = FakeClock(datetime.fromtimestamp(1614265330 + 290, UTC))
    late = FakeClock(datetime.fromtimestamp(1614265330 + 310, UTC))
    message = b'{"test": 2432232314}'

    assert signed(Request("POST", "/", github, b"Hello, World!"), [GITHUB], then)
    assert not signed(Request("POST", "/", github, b"Hello, World?"), [GITHUB], then)
    assert signed(Request("POST", "/", standard, message), ["other", STANDARD], then)
    assert not signed(Request("POST", "/", standard, message), [STANDARD], late)
    assert not signed(Request("POST", "/", standard, message + b" "), [STANDARD], then)
    assert not signed(Request("POST", "/", {**standard, "webhook-timestamp": "x"}, message), [STANDARD], then)


@pytest.mark.parametrize(("used", "status"), [("new", 202), ("old", 202), ("older", 401), ("", 401)])
def test_two_secrets_hold_while_one_takes_over(used: str, status: int) -> None:
    signature = f"sha256={hmac.new(used.encode(), BODY, hashlib.sha256).hexdigest()}" if used else ""

    assert status == answer(secret=["new", "${OLD}"], x_hub_signature_256=signature).status


def test_the_signature_is_checked_before_the_body_is_read() -> None:
    found = answer(b"{", secret="s")

    assert (401, b"") == (found.status, found.body)
