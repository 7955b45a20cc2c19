"""An HTTP server of the standard library with bounds: on connections, and on the time that a client may take.

A connection has a thread of its own, and there are so many of them at most. When one more comes, the one is cut that
has kept us waiting longest for a request; where all are at work, it gets 503. A request has to be there as a whole
within `patience` seconds from its first byte, and its answer has to be taken within as many.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, cast

CONNECTIONS = 128
PATIENCE = 30.0
QUIET = 60.0
"""Seconds between two lines about connections that were cut."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 30\r\nConnection: close\r\n\r\ntoo many requests are at work\n"
)


class BoundedServer(http.server.HTTPServer):
    """Bound to `address` when it is made; answers from `begin` until `end`. `tell` gets lines for the log.

    Raises `OSError` where the address cannot be had.
    """

    request_queue_size = 128
    allow_reuse_port = False  # a second server is to hear that the port is taken

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BoundedHandler],
        *,
        tell: Callable[[str], None],
        connections: int = CONNECTIONS,
        patience: float = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tell, self.connections, self.patience, self.monotonic = tell, connections, patience, monotonic
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, float] = {}
        """Since when a client keeps us waiting."""
        self._threads: dict[socket.socket, threading.Thread] = {}
        self._cut, self._told_at = 0, -QUIET
        self._accepting: threading.Thread | None = None
        super().__init__(address, handler)

    def begin(self, name: str) -> None:
        """Answer what comes, and what has come since the server was made."""
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.1,), name=name, daemon=True)
        self._accepting.start()

    def end(self, seconds: float = 5.0) -> None:
        """Close the port and the connections; answers that are at work have `seconds` to end."""
        if self._accepting is not None:
            self.shutdown()
            self._accepting.join(seconds)
        self.server_close()
        with self._lock:
            for one in self._waiting:
                _shut(one)
            threads = [thread for thread in self._threads.values() if thread.is_alive()]
        until = self.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, until - self.monotonic()))

    def waits(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting[connection] = self.monotonic()

    def works(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting.pop(connection, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = len(self._threads) >= self.connections
            cut = self._cut_one() if is_full else None
        if cut is not None:
            cut.join(1.0)  # nothing keeps it: what it waits for has come to an end
        with self._lock:
            thread = None
            if len(self._threads) < self.connections:
                thread = threading.Thread(
                    target=self._serve, args=(request, client_address), name="http-connection", daemon=True
                )
                self._threads[request], self._waiting[request] = thread, self.monotonic()
        if is_full:
            self._tell_of_bound()
        if thread is None:
            self._turn_away(request)
        else:
            thread.start()

    def _cut_one(self) -> threading.Thread | None:
        """Cut whoever has kept us waiting longest; its thread, if there was one. The lock is held."""
        if not self._waiting:
            return None
        longest = min(self._waiting, key=self._waiting.__getitem__)
        del self._waiting[longest]
        _shut(longest)
        return self._threads[longest]

    def _tell_of_bound(self) -> None:
        self._cut += 1
        now = self.monotonic()
        if now - self._told_at >= QUIET:
            self.tell(
                f"{self.connections} connections are open, which is the bound: "
                f"{self._cut} that kept us waiting were cut, or turned away with 503"
            )
            self._cut, self._told_at = 0, now

    def _turn_away(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            request.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                request.recv(65536)  # what is unread at the close would take the answer with it
            request.send(_FULL)
        self.shutdown_request(request)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # the client left, or was cut
        except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its connection and nothing else
            self.tell(f"a connection ended: {type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._threads.pop(request, None)
                self._waiting.pop(request, None)
            self.shutdown_request(request)


class BoundedHandler(http.server.BaseHTTPRequestHandler):
    """Reads requests within the patience of its server; to be derived with `do_GET` and so on."""

    server_version = "sluice"
    sys_version = ""
    disable_nagle_algorithm = True

    @property
    def bounds(self) -> BoundedServer:
        return cast(BoundedServer, self.server)

    def setup(self) -> None:
        super().setup()
        self._incoming = _Incoming(self.connection, self.bounds.patience, self.bounds.monotonic)
        self.rfile = io.BufferedReader(self._incoming, 65536)
        # One packet for headers and body, sent at once: else each answer waits 40 ms for the client's acknowledgement.
        self.wfile = io.BufferedWriter(_Outgoing(self.connection, self.bounds.patience), 65536)

    def handle_one_request(self) -> None:
        self.bounds.waits(self.connection)
        self._incoming.begins_anew()
        super().handle_one_request()

    def body(self, length: int) -> bytes:
        """The body, as long as was said; the connection counts as at work from now on. Raises `OSError`."""
        found = self.rfile.read(length)
        if len(found) < length:
            raise ConnectionAbortedError("the client left in the middle of a body")
        self.bounds.works(self.connection)
        return found

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A fault of the request line or the headers, without the page that Python has for it."""
        if not getattr(self, "command", None):
            self.command = ""
        text = f"{message or self.responses.get(code, ('refused',))[0]}\n".encode(errors="replace")
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_error(self, format: str, *args: Any) -> None:
        """Only the end of the patience comes here."""
        if self._incoming.has_begun:
            seconds = self.bounds.patience
            self.bounds.tell(
                f"a request was cut: it was not there, or its answer not taken, after {seconds:g} s"
            )

    def log_message(self, format: str, *args: Any) -> None:
        """Whoever answers tells what matters."""


class _Incoming(io.RawIOBase):
    """What a client sends, until the patience with its request is over."""

    def __init__(self, connection: socket.socket, patience: float, monotonic: Callable[[], float]) -> None:
        self._connection, self._patience, self._monotonic = connection, patience, monotonic
        self._until = 0.0
        self.has_begun = False

    def begins_anew(self) -> None:
        self.has_begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - self._monotonic() if self.has_begun else self._patience
        if left <= 0:
            raise TimeoutError(f"it was not there after {self._patience:g} s")
        self._connection.settimeout(left)
        count = self._connection.recv_into(buffer)
        if not self.has_begun:
            self.has_begun, self._until = True, self._monotonic() + self._patience
        return count


class _Outgoing(io.RawIOBase):
    """What a client is sent; all of one write within the patience."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience = connection, patience

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._connection.settimeout(self._patience)
        self._connection.sendall(data)
        return len(data)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
