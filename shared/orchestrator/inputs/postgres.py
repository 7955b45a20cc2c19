"""Input `postgres`: every row that is inserted, updated or deleted in chosen tables is an event.

Of all replicas that run the same input one listens (advisory lock); when its connection ends, another takes over
within a second. Rows of the outbox are deleted when they are in the journal, so whatever was written while nobody
listened is found afterwards. `horizon` holds rows back until every transaction that began before theirs has ended, so
that they come in the order of their numbers; a long transaction anywhere in the server delays them then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import psycopg
from psycopg import Connection, sql
from pydantic import BeforeValidator, Field

from shared.common.errors import Misconfigured, Refused, Transient
from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.event import Event
from shared.orchestrator.inputs.postgres_outbox import OPERATIONS, Outbox
from shared.orchestrator.received import exact
from shared.orchestrator.settings import InputSettings, Surroundings

LOG = logging.getLogger("sluice.dispatch")
BATCH = 500
CONTEST = 1.0
"""Seconds between attempts of a replica to become the one that listens."""
HELD = (0.005, 0.5)
"""Seconds between looks at rows that wait for an older transaction: the first pause and the longest."""


class PostgresInput(InputSettings):
    """Changes of tables of PostgreSQL, 13 or later."""

    type: Literal["postgres"]
    connection_string: str = Field(min_length=1)
    tables: Annotated[
        tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ] = ("*",)
    """Patterns of table names, `schema.table` (`table` alone is one of the schema public); `*` is every table."""
    payload: Literal["row", "none"] = "row"
    """Whether events hold the row: the new one, of a deletion the old one."""
    horizon: bool = True
    install: bool = False
    """Install what is missing when the input starts, instead of asking for `sluice dispatch install`."""
    poll: float = Field(5.0, gt=0, le=300)
    """Seconds between looks when nothing wakes us, and between looks for new tables."""

    def open(self, around: Surroundings) -> Input:
        return Listener(self, around.filled(self.connection_string, input=self.name))

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.name)

    def set_up(self, around: Surroundings) -> list[str]:
        """Install outbox and triggers; the tables that have them now. Raises `Refused`, `Transient`."""
        with connect(around.filled(self.connection_string, input=self.name), self.name) as connection:
            return install(self, connection)

    def unread(self, around: Surroundings) -> int:
        """Events that wait to be read, and that `tear_down` would throw away."""
        with connect(around.filled(self.connection_string, input=self.name), self.name) as connection:
            return self.outbox.unread(connection)

    def unmatched(self, around: Surroundings) -> list[str]:
        """The patterns of `tables` that no table fits now; `set_up` has to have run."""
        with connect(around.filled(self.connection_string, input=self.name), self.name) as connection:
            return self.outbox.unmatched(connection, self.tables)

    def tear_down(self, around: Surroundings) -> list[str]:
        """Take all of it out again; the tables that had triggers."""
        with connect(around.filled(self.connection_string, input=self.name), self.name) as connection:
            return self.outbox.uninstall(connection)


def install(settings: PostgresInput, connection: Connection[Any]) -> list[str]:
    try:
        return settings.outbox.install(
            connection,
            tables=settings.tables,
            operations=settings.operation,
            rows=settings.payload == "row",
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(
            f"the triggers may not be installed: {error.diag.message_primary}",
            hint="use a role that owns the tables and may create a schema",
            input=settings.name,
        ) from None


def connect(url: str, name: str) -> Connection[Any]:
    """Raises `Transient` when the server cannot be reached, `Misconfigured` for a URL that is none."""
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            connect_timeout=10,
            application_name=f"sluice dispatch {name}",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg.ProgrammingError as error:
        raise Misconfigured(f"the connection string cannot be read: {error}", input=name) from None
    except psycopg.OperationalError as error:
        raise Transient(f"PostgreSQL cannot be reached: {_line(error)}", input=name) from None


@dataclass(frozen=True, slots=True)
class Listener:
    """Listens where no other replica does."""

    settings: PostgresInput
    url: str

    def run(self, outlet: Outlet) -> None:
        try:
            with connect(self.url, self.settings.name) as connection:
                # A listener whose machine is gone without a word loses its lock after half a minute.
                connection.execute("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5")
                # Rows of the outbox that a crash of the server brings back are known by their keys: no need to wait for
                # the disk before the next ones are read.
                connection.execute("SET synchronous_commit = off")
                if self._lead(connection, outlet):
                    self._listen(connection, outlet)
        except psycopg.OperationalError as error:
            raise Transient(f"the connection ended: {_line(error)}", input=self.settings.name) from None

    def _lead(self, connection: Connection[Any], outlet: Outlet) -> bool:
        while not outlet.stopping():
            row = connection.execute(
                "SELECT pg_try_advisory_lock(%s)", (self.settings.outbox.lock,)
            ).fetchone()
            if row is not None and row[0]:
                return True
            outlet.wait(CONTEST)
        return False

    def _listen(self, connection: Connection[Any], outlet: Outlet) -> None:
        outbox = self.settings.outbox
        if self.settings.install:
            install(self.settings, connection)
        elif not outbox.is_installed(connection):
            raise Misconfigured(
                "no triggers are installed for this input",
                hint="run: sluice dispatch install CONFIG (or set install = true)",
                input=self.settings.name,
            )
        for one in outbox.unmatched(connection, self.settings.tables):
            LOG.warning(
                'input %s: no table fits "%s" now',
                self.settings.name,
                one,
                extra={"where": {"input": self.settings.name}},
            )
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(outbox.channel)))
        token = outbox.token(connection)
        scanned = outlet.clock.monotonic() - self.settings.poll
        while not outlet.stopping():
            held = self._drain(connection, outlet, token)
            if outlet.clock.monotonic() - scanned >= self.settings.poll:
                scanned = outlet.clock.monotonic()
                self._attach(connection)
            self._sleep(connection, outlet, held)

    def _sleep(self, connection: Connection[Any], outlet: Outlet, held: float) -> None:
        """Until something was written, the time is over, or the input shall stop."""
        left = held or self.settings.poll
        while left > 0 and not outlet.stopping():
            pause = min(left, 0.5)
            for _ in connection.notifies(timeout=pause, stop_after=1):
                return
            left -= pause

    def _drain(self, connection: Connection[Any], outlet: Outlet, token: str) -> float:
        """Hand everything over; for rows that an older transaction holds back, the seconds until the next look."""
        pause = HELD[0]
        while not outlet.stopping():
            rows, held = self._rows(connection)
            if rows:
                events = [_event(row) for row in rows]
                outlet.emit(events, keys=[f"{token}:{row[0]}" for row in rows])
                self._forget(connection, [row[0] for row in rows])
                pause = HELD[0]
            elif not held:
                return 0.0
            if len(rows) < BATCH:
                if not held:
                    return 0.0
                for _ in connection.notifies(timeout=pause, stop_after=1):
                    pass
                pause = min(pause * 2, HELD[1])
        return 0.0

    def _rows(self, connection: Connection[Any]) -> tuple[Sequence[Any], bool]:
        """The next rows, and whether others wait for an older transaction."""
        query = sql.SQL(
            "SELECT id, location, operation, key, payload::text FROM {} "
            "WHERE NOT %s OR xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY id LIMIT %s"
        ).format(self.settings.outbox.table)
        rows = connection.execute(query, (self.settings.horizon, BATCH), prepare=True).fetchall()
        if rows or not self.settings.horizon:
            return rows, False
        some = sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(self.settings.outbox.table)
        found = connection.execute(some, prepare=True).fetchone()
        return rows, bool(found and found[0])

    def _forget(self, connection: Connection[Any], numbers: list[int]) -> None:
        gone = sql.SQL("DELETE FROM {} WHERE id = ANY (%s)").format(self.settings.outbox.table)
        connection.execute(gone, (numbers,), prepare=True)

    def _attach(self, connection: Connection[Any]) -> None:
        """Tables that were made where no event trigger was allowed."""
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '2s'")
                connection.execute("SELECT sluice_dispatch.attach_all()")
        except (psycopg.errors.LockNotAvailable, psycopg.errors.InsufficientPrivilege) as error:
            LOG.warning("input %s: new tables: %s", self.settings.name, _line(error))


def _event(row: Sequence[Any]) -> Event:
    _, location, operation, key, payload = row
    row_as_json = None if payload is None else json.loads(payload, parse_float=exact)
    return Event(location, OPERATIONS[operation], key or "", payload=row_as_json)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
