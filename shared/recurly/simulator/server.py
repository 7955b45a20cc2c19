"""The simulated site on two local ports: the API, and the other host that its export files come from."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from isal import igzip

from shared.recurly.simulator.api import Answer, Api, Options
from shared.recurly.simulator.exports import refusal
from shared.recurly.simulator.faults import Fault, FaultPlan, SlidingLimit
from shared.recurly.simulator.world import World
from shared.recurly.streams import VERSION

_XML = "application/xml"


@dataclass(slots=True)
class Simulator:
    """A running site; a context manager. `latency` is in seconds per request, `limit` is requests and seconds.

    `state` is a file that keeps how many days the site has lived, so that a restarted site is where it was.
    """

    world: World
    options: Options = field(default_factory=Options)
    port: int = 0
    latency: float = 0.0
    limit: tuple[int, float] = (0, 300.0)
    state: Path | None = None
    faults: FaultPlan = field(default_factory=FaultPlan)
    leaks: int = 0
    failed: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)
    _servers: list[ThreadingHTTPServer] = field(default_factory=list)
    _limiter: SlidingLimit = field(init=False)
    api: Api = field(init=False)

    def __enter__(self) -> Simulator:
        self._limiter = SlidingLimit(self.limit[0], seconds=self.limit[1])
        days = (
            json.loads(self.state.read_text())["days"]
            if self.state is not None and self.state.exists()
            else 0
        )
        self.world.advance(days)
        self._serve(_ApiHandler, self.port)
        self._serve(_FileHandler, 0)
        self.api = Api(self.world, self.options, now=time.time, files_url=self.files_url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].server_port}"

    @property
    def files_url(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def _serve(self, handler: type[_Handler], port: int) -> None:
        bound = type(handler.__name__, (handler,), {"site": self})
        server = _Server(("127.0.0.1", port), bound)
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def advance(self, days: int) -> None:
        """Let so many days pass; the records change under the feet of whoever is paging."""
        with self.lock:
            self.world.advance(days)
            self.api.prepare()
            if self.state is not None:
                lived = json.loads(self.state.read_text())["days"] if self.state.exists() else 0
                self.state.write_text(json.dumps({"days": lived + days}))

    def control(self, path: str, document: Any) -> Answer:
        """The site's own door for tests and demos: `advance` and `faults`; anything else reports."""
        try:
            with self.lock:
                match path:
                    case "/_simulator/advance":
                        self.advance(int(document.get("days", 1)))
                    case "/_simulator/faults" if document:
                        self.faults.add(document)
                    case "/_simulator/faults":
                        self.faults.clear()
                report = json.loads(self.api.report())
        except (TypeError, ValueError, AttributeError) as error:
            return Answer(400, json.dumps({"error": str(error)}).encode())
        report.update(leaks=self.leaks, faults_waiting=self.faults.waiting(), requests_failed=self.failed)
        return Answer(200, json.dumps(report).encode())

    def take_fault(self, path: str) -> Fault | None:
        with self.lock:
            fault = self.faults.take(path)
            self.failed += fault is not None
            return fault

    def limited(self) -> tuple[bool, dict[str, str]]:
        """Count a request; returns whether it may pass and the headers that tell the limit."""
        with self.lock:
            allowed, left, wait = self._limiter.enter(time.monotonic())
        return allowed, {
            "X-RateLimit-Limit": str(self._limiter.requests or 1_000_000),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(math.ceil(time.time() + wait)),
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    site: Simulator
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 120

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the report counts requests."""

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        raise NotImplementedError

    def _send(self, answer: Answer, headers: Mapping[str, str], fault: Fault | None = None) -> None:
        body, content_type = answer.body, answer.content_type
        declared = len(body)
        if fault is not None and fault.kind == "truncate":
            body = body[: len(body) // 2]
            declared = len(body)
        extra = {**headers, **answer.headers, "Content-Type": content_type}
        if (
            len(body) > 1_000
            and "gzip" in (self.headers.get("Accept-Encoding") or "")
            and "json" in content_type
        ):
            body = igzip.compress(body, 1)
            declared = len(body)
            extra["Content-Encoding"] = "gzip"
        self.send_response(answer.status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(declared))
        self.end_headers()
        if fault is not None and fault.kind == "reset":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._reset()
        elif self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close with RST, so that the client sees a reset and not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.connection.close()
        self.close_connection = True

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))


class _ApiHandler(_Handler):
    def _handle(self) -> None:
        site, body, path = self.site, self._body(), urlsplit(self.path).path
        if path.startswith("/_simulator"):
            try:
                document = json.loads(body) if body else {}
            except ValueError:
                document = []
            self._send(site.control(path, document), {})
            return
        if site.latency:
            site.stopping.wait(site.latency)
        allowed, headers = site.limited()
        headers.update({"X-Request-Id": uuid.uuid4().hex, "Recurly-Version": f"recurly.{VERSION}"})
        if not allowed:
            error = (
                b'{"error":{"type":"rate_limited","message":"You have made too many requests","params":[]}}'
            )
            self._send(Answer(429, error), headers)
            return
        fault = site.take_fault(path)
        match fault.kind if fault else "":
            case "status":
                assert fault is not None
                error = b'{"error":{"type":"service_not_available","message":"Please try again","params":[]}}'
                self._send(Answer(fault.status, error, fault.headers), headers)
            case "hang":
                assert fault is not None
                site.stopping.wait(fault.seconds)
                self.close_connection = True
            case "html":
                self._send(
                    Answer(200, b"<html><body>Scheduled maintenance</body></html>", {}, "text/html"), headers
                )
            case _:
                with site.lock:
                    answer = site.api.answer(
                        self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, fault
                    )
                self._send(answer, headers, fault)


class _FileHandler(_Handler):
    """The files' host: a signed link is all that it wants, and it answers 400 to whoever shows it a key."""

    def _handle(self) -> None:
        site, path = self.site, urlsplit(self.path).path
        if self.headers.get("Authorization"):
            site.leaks += 1
            text = b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
            self._send(Answer(400, text, {}, _XML), {})
            return
        fault = site.take_fault(path)
        day, _, name = path.removeprefix("/exports/").partition("/")
        with site.lock:
            found = next((e for e in site.world.exports.get(day, ()) if e.name == name), None)
        if found is None:
            self._send(Answer(404, b"<Error><Code>NoSuchKey</Code></Error>", {}, _XML), {})
        elif reason := (
            "Request has expired"
            if fault is not None and fault.kind == "expired_link"
            else refusal(path, urlsplit(self.path).query, now=time.time())
        ):
            text = f"<Error><Code>AccessDenied</Code><Message>{reason}</Message></Error>".encode()
            self._send(Answer(403, text, {}, _XML), {})
        elif fault is not None and fault.kind == "status":
            self._send(Answer(fault.status, b"<Error/>", fault.headers, _XML), {})
        else:
            body = found.body[:-1] + b"?" if fault is not None and fault.kind == "corrupt" else found.body
            self._send(Answer(200, body, {}, "binary/octet-stream"), {}, fault)
