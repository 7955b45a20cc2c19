"""A billing API for benchmarks, in a process of its own: pages are copies of memory, so that its cost stays small.

    python -m benchmarks.mock_api --rows 5000 --latency-ms 50

It prints `{"port": …}` when it listens on 127.0.0.1, and ends with its standard input. `GET /<stream>` answers
`{"object", "has_more", "next", "data"}` for `limit` (1 to 200), `cursor`, `begin_time` and `end_time` (both inclusive,
on `updated_at`); `HEAD` answers the count in `X-Total-Records`; `GET /_stats` the requests so far and how many were
under way at most. The server reads requests from bare sockets: `http.server` would cost more than a page does.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from isal import igzip

from benchmarks.data import STREAMS, Stream, make_stream

CACHE = 700 * 1024 * 1024
"""Bytes of finished pages that are kept: those of 200,000 records fit."""


@dataclass
class Api:
    """The answers; safe to share between threads."""

    streams: dict[str, Stream]
    gzip: bool = False
    latency: float = 0.0
    requests: int = 0
    under_way: int = 0
    peak: int = 0
    _pages: dict[tuple[str, int, int, int], bytes] = field(default_factory=dict)
    _cached: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request."""
        parts = urlsplit(target)
        if parts.path == "/_stats":
            return 200, {}, json.dumps({"requests": self.requests, "peak": self.peak}).encode()
        stream = self.streams.get(parts.path.strip("/"))
        if stream is None:
            return 404, {}, b'{"error":{"type":"not_found","message":"no such list","params":[]}}'
        params = dict(parse_qsl(parts.query))
        found = stream.between(params.get("begin_time"), params.get("end_time"))
        if method == "HEAD":
            return 200, {"X-Total-Records": str(len(found))}, b""
        limit = min(max(int(params.get("limit", 20)), 1), 200)
        start = max(int(params.get("cursor", found.start)), found.start)
        return 200, {}, self._page(stream, start, min(start + limit, found.stop), found.stop, params)

    def _page(self, stream: Stream, start: int, stop: int, end: int, params: dict[str, str]) -> bytes:
        key = (stream.name, start, stop, end)
        body = self._pages.get(key)
        if body is None:
            more = stop < end
            link = urlencode({**params, "cursor": stop})
            following = json.dumps(f"/{stream.name}?{link}") if more else "null"
            head = f'{{"object":"list","has_more":{json.dumps(more)},"next":{following},"data":['
            body = head.encode() + stream.page(start, stop) + b"]}"
            if self.gzip:
                body = igzip.compress(body, 1)
            with self._lock:
                if self._cached + len(body) <= CACHE:
                    self._pages[key] = body
                    self._cached += len(body)
        return body

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of one connection until it is closed."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                while reader.readline() not in (b"\r\n", b"\n", b""):
                    pass
                with self._lock:
                    self.requests += not target.startswith("/_")
                    self.under_way += 1
                    self.peak = max(self.peak, self.under_way)
                if self.latency:
                    time.sleep(self.latency)
                status, headers, body = self.answer(method, target)
                with self._lock:
                    self.under_way -= 1
                if self.gzip and status == 200 and body[:2] == b"\x1f\x8b":
                    headers["Content-Encoding"] = "gzip"
                more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{more}"
                connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="The mock API of the benchmarks.")
    parser.add_argument("--rows", type=int, default=5000, help="records in each of the four streams")
    parser.add_argument(
        "--unique", type=int, default=5000, help="records of a stream that are really different"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait so long before each answer")
    parser.add_argument("--gzip", action="store_true", help="answer with Content-Encoding: gzip")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args(arguments)
    streams = {name: make_stream(name, options.rows, unique=options.unique) for name in STREAMS}
    api = Api(streams, gzip=options.gzip, latency=options.latency_ms / 1000)
    listener = socket.create_server(("127.0.0.1", options.port), backlog=256)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=api.serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()  # the parent's end, or its closing of the pipe, ends this process


if __name__ == "__main__":
    main(sys.argv[1:])
