"""What becomes of a delivery: taken in once, refused, or put off; never lost and never raised."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.documents import read_yaml
from shared.common.errors import Transient
from shared.common.fakes import DictSecrets, FakeClock
from shared.gitops.configuration import Weaving
from shared.gitops.delivery import LARGEST
from src.hook.receive import Answer, Desk

SECRETS = {"HOOK": "a secret of acme", "NEXT": "the next one of acme", "OTHER": "a secret of another"}
PUSH = {"ref": "refs/heads/main", "repository": {"full_name": "acme/flows"}}
PULL = {"action": "opened", "repository": {"full_name": "acme/flows"}, "pull_request": {"number": 3}}

WEAVE = """
repositories:
  - {host: github, repository: Acme/flows, credential: TOKEN, webhook_secrets: [HOOK, NEXT]}
  - {host: github, repository: acme/flows, branch: dev, credential: TOKEN, webhook_secrets: [HOOK]}
  - {host: github, repository: acme/other, credential: TOKEN, webhook_secrets: [OTHER], preview: false}
"""


class Line:
    """A `Queue` and a `Seen` in memory; `away` has the queue fail."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, Any], str]] = []
        self.known: set[str] = set()
        self.away = False

    def put(self, message: str, *, identity: str, group: str) -> None:
        if self.away:
            raise Transient("the queue is away")
        self.messages.append((json.loads(message), group))

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        if identity in self.known:
            return False
        act()
        self.known.add(identity)
        return True


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def desk(line: Line) -> Desk:
    weaving = read_yaml(WEAVE, file="weave.yml").parse(Weaving)
    return Desk(weaving, DictSecrets(SECRETS), line, line, FakeClock())


def signed(
    payload: Any, *, secret: str = "HOOK", event: str = "push", delivery: str = "d1"
) -> tuple[dict[str, str], bytes]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    digest = hmac.new(SECRETS[secret].encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={digest}",
    }
    return headers, body


@pytest.mark.parametrize("secret", ["HOOK", "NEXT"])
def test_a_push_to_a_woven_branch_is_queued(desk: Desk, line: Line, secret: str) -> None:
    answer = desk.receive(*signed(PUSH, secret=secret))

    assert Answer(202, {"delivery": "d1", "queued": 1}) == answer
    told = {"kind": "branch", "host": "github", "repository": "acme/flows", "branch": "main"}
    assert [(told, "github:acme/flows:main")] == line.messages


def test_a_pull_request_is_queued_behind_others_of_its_repository(desk: Desk, line: Line) -> None:
    desk.receive(*signed(PULL, event="pull_request"))

    assert "github:acme/flows:pulls" == line.messages[0][1]
    assert ("changed", 3) == (line.messages[0][0]["action"], line.messages[0][0]["number"])


def test_a_delivery_that_is_sent_again_is_taken_in_once(desk: Desk, line: Line) -> None:
    assert [202, 204, 204] == [desk.receive(*signed(PUSH)).status for _ in range(3)]
    assert 1 == len(line.messages)
    assert 202 == desk.receive(*signed(PUSH, delivery="d2")).status


def test_a_delivery_whose_queue_is_away_is_taken_in_when_it_comes_again(desk: Desk, line: Line) -> None:
    line.away = True
    assert 503 == desk.receive(*signed(PUSH)).status
    line.away = False

    assert 202 == desk.receive(*signed(PUSH)).status
    assert 1 == len(line.messages)


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("ping", {}),
        ("push", {**PUSH, "ref": "refs/heads/feature"}),
        ("push", {**PUSH, "repository": {"full_name": "stranger/flows"}}),
        ("pull_request", {**PULL, "action": "labeled"}),
    ],
)
def test_what_nobody_waits_for_is_no_content(
    desk: Desk, line: Line, event: str, payload: dict[str, Any]
) -> None:
    answer = desk.receive(*signed(payload, event=event))

    assert (204, "") == (answer.status, answer.body)
    assert answer.reason
    assert [] == line.messages


def test_no_preview_where_none_is_wanted(desk: Desk) -> None:
    payload = {**PULL, "repository": {"full_name": "acme/other"}}

    assert 204 == desk.receive(*signed(payload, secret="OTHER", event="pull_request")).status


def test_a_wrong_signature_is_told_nothing(desk: Desk, line: Line) -> None:
    headers, body = signed(PUSH)

    for wrong in ({**headers, "X-Hub-Signature-256": "sha256=00"}, {"X-GitHub-Event": "push"}):
        answer = desk.receive(wrong, body)
        assert (401, '{"error": "unauthorized"}') == (answer.status, answer.body)
    assert [] == line.messages


def test_the_secret_of_one_repository_does_not_speak_for_another(desk: Desk, line: Line) -> None:
    assert 401 == desk.receive(*signed(PUSH, secret="OTHER")).status
    assert [] == line.messages


def test_the_secret_of_the_main_branch_alone_does_not_speak_for_another_branch(desk: Desk) -> None:
    payload = {**PUSH, "ref": "refs/heads/dev"}

    assert 202 == desk.receive(*signed(payload)).status
    assert 401 == desk.receive(*signed(payload, secret="NEXT", delivery="d2")).status


def test_a_host_that_has_no_repository_here_is_refused(desk: Desk) -> None:
    assert 401 == desk.receive({"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "x" * 20}, b"{}").status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"ref": 5}', b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_no_push_is_a_bad_request(desk: Desk, body: bytes) -> None:
    assert 400 == desk.receive(*signed(body)).status


def test_headers_of_no_host_are_a_bad_request(desk: Desk) -> None:
    assert 400 == desk.receive({}, b"{}").status


def test_a_body_beyond_the_cap_is_refused_before_anything_is_done_with_it(desk: Desk) -> None:
    assert 413 == desk.receive({}, bytes(LARGEST + 1)).status


def test_a_secret_that_is_missing_is_ours_to_mend_and_the_delivery_comes_again(line: Line) -> None:
    weaving = read_yaml(WEAVE, file="weave.yml").parse(Weaving)
    desk = Desk(weaving, DictSecrets({}), line, line, FakeClock())

    assert 503 == desk.receive(*signed(PUSH)).status


def test_a_secret_that_was_exchanged_is_read_again(line: Line) -> None:
    weaving = read_yaml(WEAVE, file="weave.yml").parse(Weaving)
    secrets = DictSecrets({**SECRETS, "HOOK": "the old secret"}, SECRETS)

    assert 202 == Desk(weaving, secrets, line, line, FakeClock()).receive(*signed(PUSH)).status


def test_deliveries_without_an_identity_are_told_apart_by_their_body(desk: Desk, line: Line) -> None:
    first = desk.receive(*signed(PUSH, delivery=""))
    second = desk.receive(*signed({**PUSH, "after": "f00"}, delivery=""))

    assert [202, 202, 204] == [first.status, second.status, desk.receive(*signed(PUSH, delivery="")).status]


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "X-GitHub-Event",
                "X-Gitlab-Event",
                "X-Event-Key",
                "X-Hub-Signature",
                "X-Hub-Signature-256",
                "X-Gitlab-Token",
                "webhook-signature",
                "content-type",
            ]
        ),
        st.text(),
    ),
    st.binary(),
)
def test_nothing_that_is_sent_raises(headers: dict[str, str], body: bytes) -> None:
    line = Line()
    desk = Desk(
        read_yaml(WEAVE, file="weave.yml").parse(Weaving), DictSecrets(SECRETS), line, line, FakeClock()
    )

    assert desk.receive(headers, body).status in (204, 400, 401)
    assert [] == line.messages
