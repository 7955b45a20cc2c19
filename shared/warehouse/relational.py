"""Databases at a SQLAlchemy URL as warehouses: SQLAlchemy finds driver, host and options, the door does the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, SluiceError
from shared.warehouse.ddl import LEDGER
from shared.warehouse.ports import TableSpec
from shared.warehouse.relational_door import Door
from shared.warehouse.relational_session import RelationalSession

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

Open = Callable[[Any], Door]
"""Makes a door of a driver's connection."""


class Relational:
    """A database. Within a process and outside of it, any number of sessions work side by side.

    Each session has a connection of its own; inside of `held` those that are no longer used are used again. Connections
    must be to the server itself or to a pooler that keeps them (PgBouncer: `pool_mode = session`), since the stage is a
    temporary table.
    """

    def __init__(
        self, url: URL, *, door: Open, explain: Callable[[Exception], SluiceError | None], **options: Any
    ) -> None:
        self.url = url
        self._door = door
        self._explain = explain
        self._options = options
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        self._held = 0
        self._idle: list[Door] = []

    @contextmanager
    def session(self, table: TableSpec) -> Iterator[RelationalSession]:
        with self._opened() as door:
            session = RelationalSession(door, table)
            session.prepare()
            yield session

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep connections for the next session."""
        with self._lock:
            self._held += 1
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
                idle, self._idle = ([], self._idle) if self._held else (self._idle, [])
            for door in idle:
                door.close()

    def positions(self, source: str) -> dict[str, int]:
        """See `ports.Warehouse`."""
        with self._opened() as door:
            if not door.types((LEDGER, "ledger")):
                return {}
            ledger = door.grammar.quote(LEDGER, "ledger")
            rows = door.query(f"SELECT stream, sequence FROM {ledger} WHERE source = ?", (source,))
            return {str(stream): int(sequence) for stream, sequence in rows}

    @contextmanager
    def _opened(self) -> Iterator[Door]:
        """A connection; it is closed, or kept where it is held and nothing went wrong."""
        with self._translated():
            door = self._taken()
            try:
                yield door
            except BaseException:
                door.close()
                raise
            with self._lock:
                if self._held:
                    self._idle.append(door)
                    return
            door.close()

    def _taken(self) -> Door:
        while idle := self._pop():
            try:
                idle.query("SELECT 1")
            except Exception as error:
                if self._explain(error) is None:
                    raise
                idle.close()  # the server ended it while nobody used it
            else:
                return idle
        with self._lock:
            if self._engine is None:
                self._engine = self._created()
            engine = self._engine
        try:
            connection = engine.raw_connection()
        except Exception as error:
            raise self._explain(getattr(error, "orig", None) or error) or error from error
        return self._door(connection)

    def _pop(self) -> Door | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _created(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError
        from sqlalchemy.pool import NullPool

        try:
            return create_engine(self.url, poolclass=NullPool, connect_args=self._options)
        except (ArgumentError, ImportError) as error:
            raise Misconfigured(
                f"the database's URL cannot be used: {error}", setting="WAREHOUSE_URL"
            ) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The driver's errors as ours."""
        try:
            yield
        except SluiceError:
            raise
        except Exception as error:
            ours = self._explain(error)
            if ours is None:
                raise
            raise ours from error


def parsed(url: str, *, driver: str) -> URL:
    """A SQLAlchemy URL with the driver that we use. Raises `Misconfigured`, not showing it: it may hold a password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        hint = "write it like postgresql://user:password@host:5432/database"
        raise Misconfigured("the database's URL cannot be read", hint=hint, setting="WAREHOUSE_URL") from None
    kind, _, asked = found.drivername.partition("+")
    if asked and asked != driver.partition("+")[2]:
        raise Misconfigured(
            f'unknown driver "{asked}"', hint=f"write {kind}:// or {driver}://", setting="WAREHOUSE_URL"
        )
    return found.set(drivername=driver)
