"""Where deliveries of hosts come in without AWS: an HTTP server with the webhook, its page and its document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.common.errors import Misconfigured, Transient
from shared.common.http_bounds import BoundedHandler, BoundedServer
from shared.gitops.configuration import Hosted, Weaving
from shared.gitops.delivery import EVENT, IDENTITY, LARGEST
from src.hook.receive import Answer, Desk

WEBHOOK = "/webhook"
PAGES = ("/docs", "/openapi.json")


class Ears:
    """Listens at `host:port` (0: a free one) from when a host is woven that sends deliveries.

    `desk` gives the desk that deliveries arrive at, as it is now; `turned_away` is told the status and the reason of
    those that it did not take in.
    """

    desk: Callable[[], Desk]
    turned_away: Callable[[int, str], None]

    def __init__(self, host: str, port: int, say: Callable[[str], None]) -> None:
        self._host = host
        self._port = port
        self.say = say
        self._server: BoundedServer | None = None

    def __enter__(self) -> Ears:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            self._server.end()

    def listen_for(self, weaving: Weaving) -> bool:
        """Listen if anything of this sends deliveries; whether it listens. Raises `Misconfigured` where it cannot."""
        if self._server is None and any(isinstance(one, Hosted) for one in weaving.repositories):
            handler = type("Handler", (_Handler,), {"ears": self})
            try:
                self._server = BoundedServer((self._host, self._port), handler, tell=self.say)
            except OSError as error:
                raise Misconfigured(
                    f"{self._host}:{self._port} cannot be listened at: {error.strerror}",
                    hint="--port takes another one",
                ) from None
            self._server.begin("weave-http")
            self.say(f"listening at http://{self._host}:{self._server.server_port}{WEBHOOK}")
        return self._server is not None

    def hear(self, headers: dict[str, str], body: bytes) -> Answer:
        """Take in a delivery; why one is not taken in is told and remembered."""
        answer = self.desk().receive(headers, body)
        told = _printable(f"{_named(headers)}: {answer.reason}" if answer.reason else _named(headers))
        self.say(f"webhook: {answer.status} {told}")
        if answer.status != 202:
            try:
                self.turned_away(answer.status, told)
            except Transient as error:
                self.say(str(error))  # The answer is what counts.
        return answer


def _named(headers: dict[str, str]) -> str:
    """The event and the identity of a delivery, as whoever sent it says."""
    named = {name.lower(): value for name, value in headers.items()}
    host = next((host for host, name in EVENT.items() if name in named), None)
    if host is None:
        return "no delivery of a git host"
    identity = next((named[name] for name in IDENTITY[host] if name in named), "")
    return f"{host.value} {named[EVENT[host]][:60]} {identity[:60]}".rstrip()


def _printable(text: str) -> str:
    """Text that does nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


class _Handler(BoundedHandler):
    ears: Ears

    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        self.body(0)
        url = urlsplit(self.path)
        if url.path in PAGES:
            return self._send(*_page(url.path, dict(parse_qsl(url.query)).get("format", "")))
        if url.path == "/health":
            return self._answer(Answer(200, {"status": "up"}))
        return self._refuse(url.path)

    def do_POST(self) -> None:  # noqa: N802
        path = self.path.partition("?")[0]
        if path != WEBHOOK:
            return self._refuse(path)
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            return self._answer(Answer(411, {"error": "say how long the body is"}))
        if int(length) > LARGEST:
            return self._answer(Answer(413, {"error": f"more than {LARGEST} bytes"}))
        return self._answer(self.ears.hear(dict(self.headers.items()), self.body(int(length))))

    def __getattr__(self, name: str) -> Any:
        """All other methods are refused alike: `do_PUT`, `do_TRACE` and so on are looked up by name."""
        if name.startswith("do_"):
            return lambda: self._refuse(self.path.partition("?")[0])
        raise AttributeError(name)

    def _refuse(self, path: str) -> None:
        """404 for a path that is not here, 405 with what it takes for one that is."""
        known = {WEBHOOK: "POST", "/health": "GET", **dict.fromkeys(PAGES, "GET")}
        if path not in known:
            return self._answer(Answer(404))
        return self._answer(Answer(405, {"error": f"{path} takes {known[path]}"}), {"Allow": known[path]})

    def _answer(self, answer: Answer, headers: Mapping[str, str] | None = None) -> None:
        self._send(answer.status, "application/json" if answer.body else "", answer.body, headers or {})

    def _send(self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**({"Content-Type": kind} if kind else {}), **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@cache
def _page(path: str, form: str) -> tuple[int, str, str]:
    """What the webhook in AWS shows there: status, content type and text."""
    from src.hook.app import api

    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "queryStringParameters": {"format": form},
        "headers": {},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "path": path}},
        "isBase64Encoded": False,
    }
    found = api(lambda headers, body: Answer(204)).resolve(event, None)  # type: ignore[arg-type]
    return int(found["statusCode"]), str(found["headers"]["Content-Type"]), str(found["body"])
