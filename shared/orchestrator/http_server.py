"""An HTTP server for webhooks and the API: threads of the standard library, bounded in number, size and time.

For more than a few hundred requests a second, or the open internet, put a proxy before it.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured
from shared.common.http_bounds import CONNECTIONS, PATIENCE, BoundedHandler, BoundedServer
from shared.orchestrator.http_door import Request, Response, Routes

LOG = logging.getLogger("sluice.dispatch")
LARGEST = 8_000_000
"""Bytes of a body that are read; more is refused unread."""


class HttpServer:
    """Has `host:port` from the start, and serves `routes` there from `begin` until `close`; port 0 takes a free one.

    Raises `Misconfigured` where the port cannot be had.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
    ) -> None:
        handler = type("Handler", (_Handler,), {"routes": routes})
        try:
            self._server = BoundedServer(
                (host, port), handler, tell=LOG.warning, connections=connections, patience=patience
            )
        except OSError as error:
            raise Misconfigured(
                f"{host}:{port} cannot be listened at: {error}", hint="set http.port"
            ) from None
        self.host, self.port = host, int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def begin(self) -> HttpServer:
        self._server.begin("dispatch-http")
        return self

    def close(self) -> None:
        self._server.end()


class _Handler(BoundedHandler):
    routes: Routes
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            return self._send(Response(411, b"say how long the body is\n"), end=True)
        if int(length) > LARGEST:
            return self._send(Response(413, b"the body is too long\n"), end=True)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.body(int(length))
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
