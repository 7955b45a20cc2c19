"""An HTTP server for webhooks and the API: threads of the standard library, bounded in size and time.

For more than a few hundred requests a second, or the open internet, put a proxy before it.
"""

from __future__ import annotations

import http.server
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured
from shared.orchestrator.http_door import Request, Response, Routes

LOG = logging.getLogger("sluice.dispatch")
LARGEST = 8_000_000
"""Bytes of a body that are read; more is refused unread."""
PATIENCE = 30.0
"""Seconds that a client may take for one read or write."""


class HttpServer:
    """Serves `routes` at `host:port` until `close`; port 0 takes a free one."""

    def __init__(self, routes: Routes, *, host: str = "127.0.0.1", port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"routes": routes})
        try:
            self._server = _Server((host, port), handler)
        except OSError as error:
            raise Misconfigured(
                f"{host}:{port} cannot be listened at: {error}", hint="set http.port"
            ) from None
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.2},
            name="dispatch-http",
            daemon=True,
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.info("a client of the HTTP server left", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    routes: Routes
    protocol_version = "HTTP/1.1"
    server_version = "sluice"
    sys_version = ""
    timeout = PATIENCE
    # One packet for headers and body, sent at once: else each answer waits 40 ms for the client's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _any(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            return self._send(Response(411, b"say how long the body is\n"), end=True)
        if int(length) > LARGEST:
            return self._send(Response(413, b"the body is too long\n"), end=True)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(length))
        try:
            answer = self.routes.answer(Request(self.command, parts.path, headers, body, parts.query))
        except Exception:
            LOG.exception("%s %s", self.command, parts.path)
            answer = Response(500, b"a fault of the dispatcher; its log says more\n")
        return self._send(answer)

    def __getattr__(self, name: str) -> Any:
        """One answer for all methods: `do_GET`, `do_POST` and so on are looked up by name."""
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _send(self, answer: Response, *, end: bool = False) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        if end:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        LOG.debug(format, *args)
