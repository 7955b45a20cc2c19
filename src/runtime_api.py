"""The side of Lambda that a runtime talks to: it gives it events one by one and takes its answers, over HTTP.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

LARGEST_ANSWER = 6 * 1024 * 1024 + 100
"""Bytes of an answer; Lambda's own error names this number."""

_TOP = "/2018-06-01/runtime/"


class Kind(StrEnum):
    """What a runtime has to say."""

    ANSWER = "answer"
    ERROR = "error"
    TOO_LARGE = "too large"
    """An answer that is refused; the runtime interface client ends itself then."""
    BROKEN = "broken"
    """The function could not even be loaded."""
    READY = "ready"
    """It asks for the next event."""


@dataclass(frozen=True, slots=True)
class Work:
    """An event for the runtime; `deadline` is in seconds since 1970."""

    request: str
    event: bytes
    deadline: float
    arn: str


@dataclass(frozen=True, slots=True)
class Word:
    """What the runtime said, and about which request."""

    kind: Kind
    body: bytes = b""
    request: str = ""


class RuntimeApi:
    """Serves one runtime; use it as a context manager."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._words: queue.SimpleQueue[Word] = queue.SimpleQueue()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def offer(self, work: Work) -> None:
        """Give an event to the runtime when it next asks."""
        self._work.put(work)

    def hear(self, *, wait_s: float) -> Word | None:
        """The next word of the runtime, or None when it says nothing for so long."""
        try:
            return self._words.get(timeout=wait_s)
        except queue.Empty:
            return None

    def forget(self) -> None:
        """Throw away what was offered or said: the runtime is gone."""
        for box in (self._work, self._words):
            while not box.empty():
                box.get_nowait()

    def dismiss(self) -> None:
        """Let go of a runtime that waits for the next event: it is told that there is none."""
        self._work.put(None)

    def next(self) -> Work | None:
        """For the server: the runtime is ready, and waits."""
        self._words.put(Word(Kind.READY))
        return self._work.get()

    def said(self, word: Word) -> bool:
        """For the server: take a word. False when the answer is too large, which is what the caller hears then."""
        if word.kind is Kind.ANSWER and len(word.body) > LARGEST_ANSWER:
            message = (
                f"Response payload size ({len(word.body)} bytes) exceeded maximum allowed payload size "
                f"({LARGEST_ANSWER} bytes)."
            )
            failed = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
            self._words.put(Word(Kind.TOO_LARGE, json.dumps(failed).encode(), word.request))
            return False
        self._words.put(word)
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A runtime that is ended in the middle of a request is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet: else every call waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if urlsplit(self.path).path != f"{_TOP}invocation/next":
            return self._answer(404)
        work = self.server.api.next()
        if work is None:
            return self._answer(410)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": work.request,
            "Lambda-Runtime-Deadline-Ms": str(int(work.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": work.arn,
        }
        return self._answer(200, work.event, headers)

    def do_POST(self) -> None:
        body = self._body()
        match urlsplit(self.path).path.removeprefix(_TOP).split("/"):
            case ["init", "error"]:
                word = Word(Kind.BROKEN, body)
            case ["invocation", request, "response"]:
                word = Word(Kind.ANSWER, body, request)
            case ["invocation", request, "error"]:
                word = Word(Kind.ERROR, body, request)
            case _:
                return self._answer(404)
        return self._answer(202 if self.server.api.said(word) else 413, b'{"status":"OK"}')

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The runtime's requests are of no interest."""
