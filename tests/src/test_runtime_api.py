"""The Runtime API as a runtime sees it: one event at a time, answers and errors by their addresses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from src.runtime_api import LARGEST_ANSWER, Kind, RuntimeApi, Word, Work

TOP = "/2018-06-01/runtime"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as api:
        yield api


def ask(
    api: RuntimeApi, method: str, path: str, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(api.address, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_the_next_event_comes_with_what_a_context_is_made_of(api: RuntimeApi) -> None:
    api.offer(Work("r-1", b'{"a": 1}', 1700000000.5, "arn:x"))
    status, headers, body = ask(api, "GET", f"{TOP}/invocation/next")

    assert (200, b'{"a": 1}') == (status, body)
    assert ("r-1", "1700000000500", "arn:x") == tuple(
        headers[f"Lambda-Runtime-{name}"]
        for name in ("Aws-Request-Id", "Deadline-Ms", "Invoked-Function-Arn")
    )
    assert Word(Kind.READY) == api.hear(wait_s=5)


def test_a_runtime_waits_until_there_is_work(api: RuntimeApi) -> None:
    answers = list[tuple[int, dict[str, str], bytes]]()
    waiting = threading.Thread(target=lambda: answers.append(ask(api, "GET", f"{TOP}/invocation/next")))
    waiting.start()
    word = api.hear(wait_s=5)
    before = list(answers)
    api.offer(Work("r-1", b"{}", 0, "arn"))
    waiting.join(10)

    assert (Word(Kind.READY), []) == (word, before)
    assert [200] == [status for status, *_ in answers]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/invocation/r-1/response", Word(Kind.ANSWER, b"{}", "r-1")),
        ("/invocation/r-1/error", Word(Kind.ERROR, b"{}", "r-1")),
        ("/init/error", Word(Kind.BROKEN, b"{}")),
    ],
)
def test_what_a_runtime_says_is_heard(api: RuntimeApi, path: str, word: Word) -> None:
    status, *_ = ask(api, "POST", TOP + path, b"{}")

    assert (202, word) == (status, api.hear(wait_s=5))


def test_an_answer_in_chunks_is_put_together(api: RuntimeApi) -> None:
    connection = HTTPConnection(api.address, timeout=10)
    connection.request(
        "POST", f"{TOP}/invocation/r-1/response", iter([b'{"a"', b": 1}"]), encode_chunked=True
    )
    status = connection.getresponse().status
    connection.close()

    assert (202, Word(Kind.ANSWER, b'{"a": 1}', "r-1")) == (status, api.hear(wait_s=5))


def test_an_answer_that_is_too_large_is_refused_and_told_as_an_error(api: RuntimeApi) -> None:
    size = LARGEST_ANSWER + 1
    status, *_ = ask(api, "POST", f"{TOP}/invocation/r-1/response", b"x" * size)
    word = api.hear(wait_s=5)

    assert 413 == status
    assert word is not None
    assert Kind.TOO_LARGE is word.kind
    assert {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": f"Response payload size ({size} bytes) exceeded maximum allowed payload size (6291556 bytes).",
    } == json.loads(word.body)


@pytest.mark.parametrize(("method", "path"), [("GET", "/invocation"), ("POST", "/invocation/r-1")])
def test_other_addresses_are_not_there(api: RuntimeApi, method: str, path: str) -> None:
    assert 404 == ask(api, method, TOP + path)[0]


def test_silence_is_nothing(api: RuntimeApi) -> None:
    assert api.hear(wait_s=0.01) is None
