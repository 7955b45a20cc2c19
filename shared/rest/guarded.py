"""Connections that check whom they have reached before anything is sent: no name leads them into a private network."""

from __future__ import annotations

import socket
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared.rest.address import Guard

_HOSTS = 64


class GuardedAdapter(HTTPAdapter):
    """requests' adapter whose connections check their peer before anything is sent."""

    def __init__(self, guard: Guard, connections: int) -> None:
        self._guard = guard
        super().__init__(pool_connections=_HOSTS, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._guard)


def _pools(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    def connect(scheme: str, connection: HTTPConnection, dial: Any) -> socket.socket:
        origin = (scheme, connection.host.lower(), connection.port)
        try:
            guard.check_name(origin)
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(connection.host, connection, error) from error
        dialled: socket.socket = dial()
        try:
            guard.check_address(origin, dialled.getpeername()[0])
        except BaseException:
            dialled.close()
            raise
        return dialled

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect("http", self, super()._new_conn)

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect("https", self, super()._new_conn)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
