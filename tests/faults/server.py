"""An HTTP server in a process of its own whose answers break on the wire the way real ones do.

Start it with `python -m tests.faults.server` (or `faulty(plan)` below, a context manager). It prints its port, serves
127.0.0.1, and obeys a plan in JSON, on the command line or by `PUT /_plan`:

    {"routes": {"/accounts": [FAULT, FAULT, …], "*": [FAULT]}, "body": {…}, "pages": 5, "records": 3}

Each request to a path takes the next fault of its route (the route is the path without its query; "*" is for all other
paths); when they are used up, or a fault is null, the answer is whole. A whole answer is page `?page=N` (from 1) of
`pages` pages with `records` records each, `{"data": [{"id": …}], "has_more": …, "next": "/accounts?page=2"}`, or `body`
where the plan has one. A FAULT is an object with `kind` and what that kind takes:

    status       any `status`, with `headers` and `body` (text or JSON)
    reset        `after` bytes of the body (default: half), then a TCP reset
    close        the same, but an orderly end of the connection
    refuse       a reset before any answer
    cut_json     half of the body, with the Content-Length of that half
    long_length  the whole body, with a Content-Length `more` bytes too large, then an orderly end
    cut_chunks   chunked transfer whose last chunk is missing
    chunked      a whole answer in chunks
    hang         nothing for `seconds`, then a whole answer
    drip         the whole answer, one byte (or `bytes`) each `seconds`
    html         200 with an HTML page
    gzip         a whole answer, compressed; with `cut` that many bytes are missing at its end
    bomb         `megabytes` of blanks, compressed with gzip
    big          one record of `megabytes`
    redirect     `status` (302) to `location`
    next         a whole page whose `next` is `link`
    file         `size` bytes that depend on nothing but their place; obeys Range; with `break_after` it resets there

`GET /_log` gives the requests so far: `[{"method", "path", "headers", "body", "fault"}]`; `PUT /_plan` also clears it.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).parents[2]


def file_bytes(size: int) -> bytes:
    """The content of the fault `file`."""
    block = b"".join(b"%07d\n" % number for number in range(min(size, 80_000) // 8 + 1))
    return (block * (size // len(block) + 1))[:size]


class FaultServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, plan: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.obey(plan)

    def obey(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.used: dict[str, int] = {}
        self.log: list[dict[str, Any]] = []

    def fault(self, path: str) -> dict[str, Any]:
        """The next fault of the path's route; {} is a whole answer."""
        routes = self.plan.get("routes", {})
        route = path if path in routes else "*"
        with self.lock:
            number = self.used.get(route, 0)
            self.used[route] = number + 1
        faults = routes.get(route, [])
        return (faults[number] if number < len(faults) else None) or {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    server: FaultServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log is kept for `/_log`."""

    def do_PUT(self) -> None:
        self.server.obey(json.loads(self.content()))
        self.whole({"ok": True})

    def do_GET(self) -> None:
        content = self.content()
        path = urlsplit(self.path).path
        if path == "/_log":
            return self.whole(self.server.log)
        fault = self.server.fault(path)
        with self.server.lock:
            self.server.log.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": {name.lower(): value for name, value in self.headers.items()},
                    "body": content.decode("utf-8", "replace"),
                    "fault": fault.get("kind"),
                }
            )
        with suppress(ConnectionError):
            getattr(self, f"do_{fault.get('kind', 'page')}", self.do_unknown)(fault)
        return None

    def do_POST(self) -> None:
        self.do_GET()

    def do_HEAD(self) -> None:
        self.do_GET()

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def page(self) -> Any:
        plan = self.server.plan
        if "body" in plan:
            return plan["body"]
        parts = urlsplit(self.path)
        number = int(parse_qs(parts.query).get("page", ["1"])[0])
        pages, size = plan.get("pages", 1), plan.get("records", 3)
        return {
            "object": "list",
            "has_more": number < pages,
            "next": f"{parts.path}?page={number + 1}" if number < pages else None,
            "data": [{"id": (number - 1) * size + index, "name": f"record {index}"} for index in range(size)],
        }

    def encoded(self) -> bytes:
        return json.dumps(self.page()).encode()

    def reply(
        self,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def whole(self, document: Any) -> None:
        self.reply(json.dumps(document).encode())

    def reset(self) -> None:
        self.wfile.flush()
        time.sleep(0.02)  # what was written must arrive: a reset overtakes it
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def end(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.rfile.close()
        self.connection.close()

    def do_unknown(self, fault: dict[str, Any]) -> None:
        self.reply(f"unknown fault {fault}".encode(), status=599)

    def do_page(self, fault: dict[str, Any]) -> None:
        self.whole(self.page())

    def do_status(self, fault: dict[str, Any]) -> None:
        body = fault.get("body", "")
        text = body if isinstance(body, str) else json.dumps(body)
        self.reply(text.encode(), fault.get("headers"), status=fault["status"])

    def do_reset(self, fault: dict[str, Any]) -> None:
        body = self.encoded()
        self.reply(body[: fault.get("after", len(body) // 2)], length=len(body))
        self.reset()

    def do_close(self, fault: dict[str, Any]) -> None:
        body = self.encoded()
        self.reply(body[: fault.get("after", len(body) // 2)], length=len(body))
        self.end()

    def do_refuse(self, fault: dict[str, Any]) -> None:
        self.reset()

    def do_cut_json(self, fault: dict[str, Any]) -> None:
        body = self.encoded()
        self.reply(body[: len(body) // 2])

    def do_long_length(self, fault: dict[str, Any]) -> None:
        body = self.encoded()
        self.reply(body, length=len(body) + fault.get("more", 100))
        self.end()

    def in_chunks(self, *, complete: bool) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        body = self.encoded()
        for place in range(0, len(body), 50):
            piece = body[place : place + 50]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if complete:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.end()

    def do_chunked(self, fault: dict[str, Any]) -> None:
        self.in_chunks(complete=True)

    def do_cut_chunks(self, fault: dict[str, Any]) -> None:
        self.in_chunks(complete=False)

    def do_hang(self, fault: dict[str, Any]) -> None:
        time.sleep(fault.get("seconds", 5))
        self.whole(self.page())

    def do_drip(self, fault: dict[str, Any]) -> None:
        body = self.encoded()
        self.reply(b"", length=len(body))
        size = fault.get("bytes", 1)
        for place in range(0, len(body), size):
            self.wfile.write(body[place : place + size])
            self.wfile.flush()
            time.sleep(fault.get("seconds", 0.1))

    def do_html(self, fault: dict[str, Any]) -> None:
        self.reply(b"<html><body>Down for maintenance</body></html>", {"content-type": "text/html"})

    def do_gzip(self, fault: dict[str, Any]) -> None:
        body = gzip.compress(self.encoded())
        self.reply(body[: len(body) - fault.get("cut", 0)], {"content-encoding": "gzip"})

    def do_bomb(self, fault: dict[str, Any]) -> None:
        body = gzip.compress(b" " * (fault.get("megabytes", 50) * 1024 * 1024), 9)
        self.reply(body, {"content-encoding": "gzip"})

    def do_big(self, fault: dict[str, Any]) -> None:
        record = {"id": 1, "text": "x" * (fault.get("megabytes", 10) * 1024 * 1024)}
        self.whole({"object": "list", "has_more": False, "next": None, "data": [record]})

    def do_redirect(self, fault: dict[str, Any]) -> None:
        self.reply(b"", {"location": fault["location"]}, status=fault.get("status", 302))

    def do_next(self, fault: dict[str, Any]) -> None:
        self.whole({"object": "list", "has_more": True, "next": fault["link"], "data": [{"id": 1}]})

    def do_file(self, fault: dict[str, Any]) -> None:
        body = file_bytes(fault.get("size", 1_000_000))
        headers = {"accept-ranges": "bytes", "content-type": "application/octet-stream"}
        if fault.get("etag", '"1"'):
            headers["etag"] = fault.get("etag", '"1"')
        start, status = 0, 200
        asked = self.headers.get("range", "")
        if asked.startswith("bytes=") and self.headers.get("if-range") == headers.get("etag"):
            start, status = int(asked[6:].split("-")[0]), 206
            headers["content-range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start:]
        if "break_after" in fault:
            self.reply(rest[: fault["break_after"]], headers, status=status, length=len(rest))
            return self.reset()
        return self.reply(rest, headers, status=status)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A running server: its URL, a new plan for it, and the requests that it saw."""

    url: str

    def obey(self, plan: Mapping[str, Any]) -> None:
        call = urllib.request.Request(f"{self.url}/_plan", json.dumps(plan).encode(), method="PUT")
        urllib.request.urlopen(call, timeout=10).close()

    def log(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/_log", timeout=10) as answer:
            seen: list[dict[str, Any]] = json.load(answer)
        return seen


@contextmanager
def faulty(plan: Mapping[str, Any] | None = None) -> Iterator[Faulty]:
    """The server in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "tests.faults.server", json.dumps(plan or {})]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Faulty(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    server = FaultServer(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
