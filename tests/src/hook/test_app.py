"""The webhook as Lambda calls it: deliveries, the page that shows its API, and what is no route."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.documents import read_yaml
from shared.common.fakes import DictSecrets, FakeClock
from shared.gitops.configuration import Weaving
from src.hook.app import handler_of
from src.hook.receive import Desk
from src.invoke import LocalContext
from src.workplace import Workplace

SAMPLE = json.loads(Path("events/hook.json").read_text())
WEAVE = "repositories: [{host: github, repository: acme/flows, credential: TOKEN, webhook_secrets: [HOOK]}]"


def context() -> LocalContext:
    return LocalContext("hook", "r-1", 256, 10, SystemClock())


class Line(list[str]):
    """A queue and a memory."""

    def put(self, message: str, *, identity: str, group: str) -> None:
        del identity, group
        self.append(message)

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        del identity
        act()
        return True


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def handler(line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVIRONMENT", "local")
    desk = Desk(
        read_yaml(WEAVE, file="weave.yml").parse(Weaving),
        DictSecrets({"HOOK": "It's a Secret to Everybody"}),
        line,
        line,
        FakeClock(),
    )
    return handler_of(Workplace.open, lambda place: desk)


def answered(handler: Any, **changes: Any) -> dict[str, Any]:
    event = {**copy.deepcopy(SAMPLE), **changes}
    path, method = event["rawPath"], changes.pop("method", "POST")
    event["requestContext"]["http"] |= {"path": path, "method": method}
    return dict(handler(event, context()))


def test_the_sample_delivery_is_taken_in(handler: Any, line: Line) -> None:
    answer = answered(handler)

    assert (202, {"delivery": SAMPLE["headers"]["x-github-delivery"], "queued": 1}) == (
        answer["statusCode"],
        json.loads(answer["body"]),
    )
    assert ["branch"] == [json.loads(message)["kind"] for message in line]


# Powertools leaves the files of its page to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("path", "method", "status"), [("/webhook", "POST", 202), ("/docs", "GET", 200)])
def test_an_api_gateway_with_a_stage_leads_to_the_same(
    handler: Any, path: str, method: str, status: int
) -> None:
    event = copy.deepcopy(SAMPLE) | {"rawPath": f"/prod{path}"}
    event["requestContext"] |= {"stage": "prod"}
    event["requestContext"]["http"] |= {"path": f"/prod{path}", "method": method}

    assert status == handler(event, context())["statusCode"]


def test_a_body_in_base64_is_signed_as_it_was_sent(handler: Any) -> None:
    body = base64.b64encode(SAMPLE["body"].encode()).decode()

    assert 202 == answered(handler, body=body, isBase64Encoded=True)["statusCode"]
    assert 401 == answered(handler, body=body, isBase64Encoded=False)["statusCode"]


def test_a_wrong_signature_is_unauthorized(handler: Any, line: Line) -> None:
    assert 401 == answered(handler, body=SAMPLE["body"] + " ")["statusCode"]
    assert [] == line


def test_an_ignored_event_has_no_content(handler: Any) -> None:
    headers = {**SAMPLE["headers"], "x-github-event": "ping"}

    assert (204, "") == (
        answered(handler, headers=headers)["statusCode"],
        answered(handler, headers=headers)["body"],
    )


# Powertools leaves the files of its page to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_its_api_is_shown_on_a_page(handler: Any) -> None:
    page = answered(handler, rawPath="/docs", method="GET", body="", queryStringParameters={})
    document = answered(
        handler, rawPath="/docs", method="GET", body="", queryStringParameters={"format": "json"}
    )

    assert (200, "text/html") == (page["statusCode"], page["headers"]["Content-Type"])
    found = json.loads(document["body"])
    assert {"202", "204", "400", "401", "413", "503"} <= set(found["paths"]["/webhook"]["post"]["responses"])
    plain = json.loads(answered(handler, rawPath="/openapi.json", method="GET", body="")["body"])
    assert (found["paths"].keys(), [{"url": "/"}]) == (plain["paths"].keys(), plain["servers"])


def test_it_says_that_it_is_up(handler: Any) -> None:
    assert 200 == answered(handler, rawPath="/health", method="GET", body="")["statusCode"]


def test_other_paths_are_not_found(handler: Any) -> None:
    assert 404 == answered(handler, rawPath="/admin", method="GET", body="")["statusCode"]
