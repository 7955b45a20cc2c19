"""Lets containers reach servers that listen on 127.0.0.1 only: the same ports at the address of their network."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

IP_FREEBIND = getattr(socket, "IP_FREEBIND", 15)
"""Linux: listen at an address that is not there yet. The network's comes with its first container."""


class _Relay(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()


class _Guest(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        _, port = self.request.getsockname()
        with socket.create_connection(("127.0.0.1", port)) as host:
            back = threading.Thread(target=_pass_on, args=(host, self.request), daemon=True)
            back.start()
            _pass_on(self.request, host)
            back.join()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):  # whoever hangs up, the other one hears of it
        while block := one.recv(65536):
            other.sendall(block)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


@contextmanager
def relays(address: str, ports: Iterable[int]) -> Iterator[None]:
    """Pass on what comes to `address` at each of the ports to 127.0.0.1 at the same port."""
    with ExitStack() as stack:
        for port in ports:
            relay = stack.enter_context(_Relay((address, port), _Guest))
            threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(relay.shutdown)
        yield
