"""The HTTP server with bounds: clients that are slow, too many or gone, over real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared.common.http_bounds import BoundedHandler, BoundedServer


class Echo(BoundedHandler):
    protocol_version = "HTTP/1.1"
    seen: list[bytes]
    release: threading.Event
    working: threading.Semaphore

    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        self.body(0)
        if self.path == "/slow":
            self.working.release()
            self.release.wait(20)
        self._reply(b"got")

    def do_POST(self) -> None:  # noqa: N802
        self.seen.append(self.body(int(self.headers["Content-Length"])))
        self._reply(b"taken")

    def _reply(self, text: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Served:
    def __init__(self, server: BoundedServer, handler: type[Echo], told: list[str]) -> None:
        self.handler, self.told = handler, told
        self._port = server.server_port

    def connection(self, text: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        made.sendall(text)
        return made

    def ask(self, text: bytes) -> bytes:
        with self.connection(text) as one:
            return everything(one)


@contextmanager
def serving(*, connections: int = 8, patience: float = 10.0) -> Iterator[Served]:
    told: list[str] = []
    handler: Any = type(
        "Handler", (Echo,), {"seen": [], "release": threading.Event(), "working": threading.Semaphore(0)}
    )
    server = BoundedServer(
        ("127.0.0.1", 0), handler, tell=told.append, connections=connections, patience=patience
    )
    server.begin("test-http")
    try:
        yield Served(server, handler, told)
    finally:
        handler.release.set()
        server.end()


def everything(one: socket.socket) -> bytes:
    found = b""
    try:
        while part := one.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


GET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def test_one_more_than_the_bound_gets_in_and_the_one_that_waited_longest_is_cut() -> None:
    with serving(connections=4) as served:
        half = [served.connection(b"GET / HTTP/1.1\r\nHost:") for _ in range(4)]
        answer = served.ask(GET)
        cut = half[0].recv(10)
        half[-1].sendall(b" h\r\nConnection: close\r\n\r\n")
        last = everything(half[-1])
        for one in half:
            one.close()

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"" == cut
    assert last.startswith(b"HTTP/1.1 200")
    assert 1 == len(served.told)
    assert "4 connections are open, which is the bound" in served.told[0]


def test_a_flood_of_half_requests_leaves_room_for_whole_ones() -> None:
    with serving(connections=4) as served:
        half = [served.connection(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx") for _ in range(60)]
        answers = [served.ask(GET) for _ in range(3)]
        for one in half:
            one.close()

    assert [b"HTTP/1.1 200"] * 3 == [one[:12] for one in answers]
    assert [] == served.handler.seen


def test_where_all_are_at_work_a_further_one_is_to_come_again() -> None:
    with serving(connections=2) as served:
        working = [served.connection(GET.replace(b"/ ", b"/slow ", 1)) for _ in range(2)]
        for _ in range(2):
            assert served.handler.working.acquire(timeout=10)
        further = served.ask(GET)
        served.handler.release.set()
        done = [everything(one) for one in working]
        for one in working:
            one.close()

    assert further.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in further
    assert [b"HTTP/1.1 200"] * 2 == [one[:12] for one in done]


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nContent-Length: 999\r\n\r\n"]
)
def test_a_request_of_a_byte_at_a_time_is_cut_when_the_patience_is_over(start: bytes) -> None:
    with serving(patience=0.6) as served, served.connection(start) as one:
        one.settimeout(0.1)
        for _ in range(100):
            try:
                one.sendall(b"x")
                if one.recv(10) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            raise AssertionError("the request was never cut")

    assert [] == served.handler.seen
    assert ["a request was cut"] == [line.partition(":")[0] for line in served.told]


def test_connections_are_kept_for_further_requests_and_told_to_go_on() -> None:
    with serving() as served, served.connection(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") as one:
        first = one.recv(65536)
        one.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        going_on = one.recv(65536)
        one.sendall(b"abc")
        second = one.recv(65536)

    assert first.endswith(b"got")
    assert going_on.startswith(b"HTTP/1.1 100 ")
    assert second.endswith(b"taken")
    assert [b"abc"] == served.handler.seen


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_request_gets_a_line_and_no_page_of_python(text: bytes) -> None:
    with serving() as served:
        answer = served.ask(text)

    assert b"<" not in answer.replace(b"'", b"")
    assert b"Python" not in answer


def test_a_port_that_is_taken_is_told_at_once() -> None:
    with serving() as served:
        with served.connection() as one:
            port = one.getpeername()[1]
        with pytest.raises(OSError, match="in use"):
            BoundedServer(("127.0.0.1", port), Echo, tell=served.told.append)
