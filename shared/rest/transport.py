"""Sends requests over HTTP with `requests`: kept connections, time limits, bodies counted to the last byte.

The transport does one request and nothing more: credentials, retries, redirects and limits belong to the client. All
failures that may pass are `Transient`; an answer of any status is an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
import requests
import urllib3

from shared.common.errors import Misconfigured, Transient, Violation
from shared.common.ports import Clock
from shared.rest.address import Guard
from shared.rest.guarded import GuardedAdapter
from shared.rest.inflate import inflate
from shared.rest.message import Request, Response
from shared.rest.unsent import cause_of, explain

_PIECE = 64 * 1024
"""Bytes per read: from 128 KB on, malloc maps and unmaps each buffer, and a page of 430 KB takes twice as long."""

LEAST = 1024
"""Bytes that count as progress: what comes slower than that in a minute is no transfer."""

_TARGETS = 1024
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds until a connection stands, between two pieces of an answer, and for the answer as a whole.

    `stall` are the seconds of waiting for a body in which `LEAST` bytes of it must come. `read` alone would let a
    server that sends a byte now and then hold a run for good; `total` alone would cut a large file that comes well.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 600.0
    stall: float = 60.0

    def within(self, remaining: float) -> Timeout:
        """The same, but none longer than `remaining` seconds."""
        if remaining > self.total:
            return self
        left = max(remaining, 0.1)
        return Timeout(min(self.connect, left), min(self.read, left), min(self.total, left), self.stall)


@dataclass(frozen=True, slots=True)
class Caps:
    """What an answer may cost: bytes of a decoded body, and how many times larger than sent it may become.

    The ratio counts only above `free` bytes: lists of equal records shrink well, and small bodies harm nobody.
    """

    body: int = 256 * _MB
    ratio: int = 200
    free: int = 16 * _MB


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is read piece by piece: `response` has no body; `pieces` raises when it ends too early."""

    response: Response
    pieces: Iterator[bytes]


class Transport(Protocol):
    """Sends one request. Safe to share between threads."""

    def send(self, request: Request, *, timeout: Timeout) -> Response:
        """The whole answer. Raises `Transient` for whatever may pass, `Violation` for an answer beyond the caps."""

    def stream(self, request: Request, *, timeout: Timeout) -> AbstractContextManager[Stream]:
        """The answer with its body as it was sent (not decoded), piece by piece. Raises as `send` does."""

    def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """The real thing. `connections` are kept open per host; take as many as there may be requests at once.

    `verify` is a CA bundle, or True for the system's idea (REQUESTS_CA_BUNDLE); `proxies` as in requests, by default
    those of the environment, read once. Behind a proxy the proxy resolves names, so there only spelled-out addresses
    are checked. Cookies are not kept, and a .netrc file is not read.

    Pools, TLS and proxies are those of requests' adapter; a request then goes straight to its pool, because what
    `Session.send` adds per request (cookies, hooks, history) is not wanted here and takes 0.5 ms.
    """

    def __init__(
        self,
        guard: Guard,
        clock: Clock,
        *,
        connections: int = 16,
        caps: Caps | None = None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._caps = caps or Caps()
        with requests.Session() as session:
            settings = session.merge_environment_settings(guard.base, dict(proxies or {}), True, verify, None)
        self._verify: bool | str = verify if settings["verify"] is None else settings["verify"]
        self._proxies: dict[str, str] = dict(settings["proxies"])
        self._adapter = GuardedAdapter(guard, connections)
        self._targets: dict[str, _Target] = {}

    def send(self, request: Request, *, timeout: Timeout) -> Response:
        began = self._clock.monotonic()
        with self._open(request, timeout) as answer:
            body = b"".join(self._pieces(answer, timeout, began, cap=self._caps.body))
            headers = _headers(answer)
        if request.method != "HEAD" and (encoding := headers.get("content-encoding")):
            room = max(self._caps.free, len(body) * self._caps.ratio)
            body = inflate(body, encoding, cap=min(self._caps.body, room))
        return Response(answer.status, headers, body, request.full_url(), self._clock.monotonic() - began)

    @contextmanager
    def stream(self, request: Request, *, timeout: Timeout) -> Iterator[Stream]:
        began = self._clock.monotonic()
        with self._open(request, timeout) as answer:
            head = Response(
                answer.status, _headers(answer), b"", request.full_url(), self._clock.monotonic() - began
            )
            yield Stream(head, self._pieces(answer, timeout, began, cap=None))

    def close(self) -> None:
        self._targets.clear()
        self._adapter.close()

    @contextmanager
    def _open(self, request: Request, timeout: Timeout) -> Iterator[urllib3.BaseHTTPResponse]:
        target = self._target(request.url)
        headers, content = _content(request)
        path = target.path
        if request.params:
            path += ("&" if "?" in path else "?") + urlencode(request.params)
        try:
            answer = target.pool.urlopen(
                request.method,
                path,
                body=content,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=timeout.connect, read=timeout.read),
                preload_content=False,
                decode_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._targets.pop(
                request.url, None
            )  # The adapter may have closed the pool in favour of other hosts.
            explain(error, headers)
        try:
            yield answer
        except BaseException:
            answer.close()  # What is left of the body must not be taken for the next answer.
            raise
        # A body that was read to its end has given its connection back already; this is for the others.
        if answer.closed:
            answer.release_conn()
        else:
            answer.close()

    def _target(self, url: str) -> _Target:
        """The pool for a URL and what its request line says; remembered, because a stream asks one URL many times."""
        target = self._targets.get(url)
        if target is not None:
            return target
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare(method="GET", url=url)
            pool = self._adapter.get_connection_with_tls_context(
                prepared, self._verify, proxies=self._proxies
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Misconfigured(f"the request cannot be sent: {cause_of(error)}") from error
        self._adapter.cert_verify(pool, prepared.url or url, self._verify, None)  # type: ignore[no-untyped-call]
        target = _Target(pool, self._adapter.request_url(prepared, self._proxies))
        if len(self._targets) >= _TARGETS:
            self._targets.clear()
        self._targets[url] = target
        return target

    def _pieces(
        self, answer: urllib3.BaseHTTPResponse, timeout: Timeout, began: float, *, cap: int | None
    ) -> Iterator[bytes]:
        """The body as it was sent; urllib3 raises when it is shorter than Content-Length or lacks its last chunk."""
        length = answer.length_remaining
        if cap is not None and length is not None and length > cap:
            raise _too_large(length, cap)
        monotonic, end = self._clock.monotonic, began + timeout.total
        read = counted = 0
        waited, asked = 0.0, monotonic()
        try:
            while piece := answer.read1(
                _PIECE if length is None else min(_PIECE, max(length - read, 1)), False
            ):
                now = monotonic()
                read += len(piece)
                waited += now - asked
                yield piece
                if read == length:
                    return
                if cap is not None and read > cap:
                    raise _too_large(read, cap)
                if now > end:
                    raise Transient(f"the answer took too long: {read} bytes had come when its time was over")
                if read - counted >= LEAST:
                    counted, waited = read, 0.0
                elif waited > timeout.stall:
                    raise Transient(
                        f"the answer hardly moves: {read - counted} bytes came in {waited:.0f} seconds",
                        hint="the server, or something on the way to it, is in trouble: ask again later",
                    )
                asked = monotonic()  # What is done with a piece meanwhile is not the server's time.
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(
                f"the answer broke off after {read} bytes{_of(length)}: {cause_of(error)}"
            ) from error


@dataclass(frozen=True, slots=True)
class _Target:
    """Where requests for one URL go: a pool of connections, and the path for the request line."""

    pool: Any
    path: str


def _headers(answer: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _too_large(size: int, cap: int) -> Violation:
    return Violation(
        f"an answer of {size:,} bytes is larger than {cap:,} bytes allow",
        hint="ask for smaller pages, or raise the cap",
    )


def _of(length: int | None) -> str:
    return "" if length is None else f" of {length}"


def _content(request: Request) -> tuple[dict[str, str], bytes | None]:
    headers = {
        "accept-encoding": "gzip",
        "user-agent": "sluice",
        **{n.lower(): v for n, v in request.headers},
    }
    if request.json is not None:
        headers.setdefault("content-type", "application/json")
        return headers, msgspec.json.encode(request.json)
    if request.form:
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        return headers, urlencode(request.form).encode()
    return headers, None
