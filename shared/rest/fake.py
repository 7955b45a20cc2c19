"""A transport without a network: it ships with the product, so that tests of sources and of this room patch nothing.

>>> transport = FakeTransport([answer({"data": []}), Transient("reset"), answer(status=503)])
>>> transport.send(Request("https://api.test/a"), timeout=Timeout()).body
b'{"data":[]}'
>>> [request.url for request in transport.requests]
['https://api.test/a']
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

import msgspec

from shared.common.errors import Transient
from shared.rest.message import Request, Response
from shared.rest.transport import Stream, Timeout

Answer = Response | Exception
Handler = Callable[[Request], Answer]


def answer(document: Any = None, status: int = 200, *, body: bytes | None = None, **headers: str) -> Response:
    """A response with a JSON document (or `body` as it is); `retry_after="3"` becomes the header `retry-after`."""
    content = body if body is not None else b"" if document is None else msgspec.json.encode(document)
    named = {name.lower().replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": "application/json", **named}, content)


class FakeTransport:
    """Answers from a function, or from a list in its order; an exception among the answers is raised.

    `requests` are those that were sent, credentials included, and `timeouts` their time limits. When a list is used up,
    sending fails the test with an AssertionError.
    """

    def __init__(self, answers: Handler | Iterable[Answer]) -> None:
        self._lock = Lock()
        self._handler = answers if callable(answers) else self._scripted(iter(answers))
        self.requests: list[Request] = []
        self.timeouts: list[Timeout] = []
        self.closed = False

    def send(self, request: Request, *, timeout: Timeout) -> Response:
        with self._lock:
            self.requests.append(request)
            self.timeouts.append(timeout)
        outcome = self._handler(request)
        if isinstance(outcome, Exception):
            raise outcome
        body = b"" if request.method == "HEAD" else outcome.body
        return replace(outcome, url=request.full_url(), body=body)

    @contextmanager
    def stream(self, request: Request, *, timeout: Timeout) -> Iterator[Stream]:
        """As `send`, in pieces of 1,000 bytes; a Content-Length that promises more than comes breaks the transfer."""
        response = self.send(request, timeout=timeout)
        yield Stream(replace(response, body=b""), _pieces(response))

    def close(self) -> None:
        self.closed = True

    def _scripted(self, answers: Iterator[Answer]) -> Handler:
        def handler(request: Request) -> Answer:
            with self._lock:
                outcome = next(answers, None)
            if outcome is None:
                raise AssertionError(f"no answer is left for {request.full_url()}")
            return outcome

        return handler


def _pieces(response: Response) -> Iterator[bytes]:
    for place in range(0, len(response.body), 1000):
        yield response.body[place : place + 1000]
    promised = int(response.headers.get("content-length", len(response.body)))
    if promised > len(response.body):
        raise Transient(f"the answer broke off after {len(response.body)} bytes of {promised}")
