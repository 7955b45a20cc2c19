"""Snowflake as a warehouse: sessions of one account, each signed in by key or by the role of the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.common.errors import SluiceError, Transient
from shared.common.ports import Secrets
from shared.warehouse.ddl import LEDGER
from shared.warehouse.ports import TableSpec
from shared.warehouse.snowflake_connection import Connection, missing, number_of
from shared.warehouse.snowflake_files import Bucket, Files, Uploads
from shared.warehouse.snowflake_login import Connect, opened
from shared.warehouse.snowflake_session import SnowflakeSession
from shared.warehouse.snowflake_url import Address, Names, identifier

APP = "sluice"

_ASLEEP = 90064


class Snowflake:
    """The database at `address`. `landing` is the URL of the landing zone: a bucket is read in place, a folder
    uploaded.

    `connect` is the connector's, or what stands in for it.
    """

    def __init__(
        self,
        address: Address,
        *,
        secrets: Secrets,
        landing: str,
        app: str = APP,
        connect: Connect | None = None,
    ) -> None:
        self.address = address
        self._secrets = secrets
        self._landing = landing
        self._app = app
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._holders = 0
        self._open = 0

    @contextmanager
    def session(self, table: TableSpec) -> Iterator[SnowflakeSession]:
        with self._borrowed() as connection:
            tag, match = self._app, self.address.names is Names.EXACT
            session = SnowflakeSession(connection, table, self._files(), tag, match)
            try:
                session.prepare()
            except Transient:
                if not connection.broken:
                    raise
                connection.reconnect()  # it was idle, and ended meanwhile
                session.prepare()
            yield session

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep connections over several sessions: signing in takes a second."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                last = not self._holders
                done, self._idle = (self._idle, []) if last else ([], self._idle)
            for connection in done:
                self._end(connection, last=connection is done[-1])

    def positions(self, source: str) -> dict[str, int]:
        with self._borrowed() as connection:
            try:
                rows = connection.query(
                    f"SELECT stream, MAX(sequence) FROM {LEDGER}.ledger WHERE source = ? GROUP BY stream",
                    (source,),
                )
            except SluiceError as error:
                if missing(error):
                    return {}
                raise
        return {str(stream): int(sequence) for stream, sequence in rows}

    def run(self, statements: Iterator[str]) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
        """Run statements one after the other, without a ledger: for those that set an account up."""
        with self._borrowed() as connection:
            for statement in statements:
                yield statement, connection.query(statement)

    def _files(self) -> Files:
        return Bucket(self._landing) if self._landing.startswith("s3://") else Uploads()

    @contextmanager
    def _borrowed(self) -> Iterator[Connection]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
            self._open += 1
        if connection is None:
            connection = opened(
                self.address, self._secrets, tag=f'{{"app":"{self._app}"}}', connect=self._connect
            )
        try:
            yield connection
        finally:
            with self._lock:
                self._open -= 1
                keep = bool(self._holders) and not connection.broken
                if keep:
                    self._idle.append(connection)
                last = not self._open and not self._holders
            if not keep:
                self._end(connection, last=last)

    def _end(self, connection: Connection, *, last: bool) -> None:
        """Sign out, and let the virtual warehouse sleep where that was asked for."""
        try:
            if last and self.address.suspend and self.address.warehouse and not connection.broken:
                self._suspend(connection)
        finally:
            connection.close()

    def _suspend(self, connection: Connection) -> None:
        try:
            connection.query(f"ALTER WAREHOUSE {identifier(self.address.warehouse)} SUSPEND")
        except SluiceError as error:
            if number_of(error) != _ASLEEP:
                raise
