"""HTTP as values: what a server hands on and gets back, and which part of the program answers which path.

No server is in here; `http_server.py` is one, and a Lambda app can be another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.common.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Request:
    """`path` has no query; the names of `headers` are in lower case; `body` is as received."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]
_OWN = ("/api", "/page", "/metrics", "/health")


def is_reserved(path: str) -> bool:
    """Whether a path is the dispatcher's own: no input may listen there.

    >>> [is_reserved(one) for one in ("/", "/api", "/api/graph", "/healthy", "/in/api")]
    [True, True, True, False, False]
    """
    return path == "/" or path in _OWN or path.startswith(tuple(f"{one}/" for one in _OWN))


class Routes:
    """Paths and who answers them; may change while a server asks.

    >>> routes = Routes()
    >>> leave = routes.mount("/hooks/a", lambda request: Response(202))
    >>> routes.answer(Request("POST", "/hooks/a")).status, routes.answer(Request("GET", "/")).status
    (202, 404)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exact: dict[str, Handler] = {}
        self._below: dict[str, Handler] = {}
        self._drains = False

    def mount(self, path: str, handler: Handler, *, below: bool = False) -> Callable[[], None]:
        """Answer `path` (and, with `below`, all that is under it) until the function that is returned is called.

        Raises `Misconfigured` when the path is taken.
        """
        with self._lock:
            table = self._below if below else self._exact
            if path in table:
                raise Misconfigured(
                    f"{path} is taken: somebody else listens there",
                    hint="give each input a path of its own; /api, /page, /metrics and /health are the dispatcher's",
                )
            table[path] = handler

        def leave() -> None:
            with self._lock:
                if table.get(path) is handler:
                    del table[path]

        return leave

    def drain(self) -> None:
        """From now on take nothing in: only looks are answered, and everything else is to come again later."""
        with self._lock:
            self._drains = True

    def answer(self, request: Request) -> Response:
        handler = self._handler(request.path)
        if self._drains and (handler is None or request.method not in ("GET", "HEAD")):
            return Response(503, b"the dispatcher is ending\n", {"Retry-After": "5"})
        return handler(request) if handler else Response(404, b"nothing is here\n")

    def _handler(self, path: str) -> Handler | None:
        with self._lock:
            if found := self._exact.get(path):
                return found
            near = [prefix for prefix in self._below if path.startswith(prefix)]
            return self._below[max(near, key=len)] if near else None
