"""The journal of several dispatchers in PostgreSQL.

Replicas register, and beat; what a dead one had is claimed by the others (`FOR UPDATE SKIP LOCKED`; events that are
done in an order, one claim after the other: `postgres_lines`). Every write holds
a share lock on the own registration, and whoever declares a replica dead deletes that row first: so either our write is
in before the takeover, or it is refused. A COMMIT whose answer was lost is treated like a takeover: what happened is
read back from the journal and not guessed.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator import postgres_lines
from shared.orchestrator import postgres_schema as sql
from shared.orchestrator.faults import Fenced
from shared.orchestrator.graph import Route, route_from_json, route_json
from shared.orchestrator.journal import LEASE, Accept, Batch, Claimed
from shared.orchestrator.journal_rows import event_of, row_of
from shared.orchestrator.postgres_archive import PostgresArchive

DEADLOCKS = 5
"""Attempts of a transaction that meets another replica's: two may take the same events in different order."""


class InTheWay(Transient):
    """The server has ended one of two transactions that waited for each other; nothing of it has happened."""


class PostgresJournal(PostgresArchive):
    """`lease` is in seconds; see `journal.LEASE`. Tables are made unless `existing` says that they have to be there."""

    def __init__(self, url: str, *, lease: float = LEASE, existing: bool = False) -> None:
        self._url = url
        self._existing = existing
        self.lease = lease
        self.shared, self.held_up = True, False
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._me: int | None = None
        self._routes: dict[Route, int] = {}
        self._known: dict[int, Route] = {}
        self._prepared = False

    def open(self) -> None:
        with self._transaction() as connection:
            connection.execute(sql.LOCK_LINES)
            if self._me is not None:
                connection.execute(sql.LEAVE, {"me": self._me})
            connection.execute(sql.REAP)
            row = connection.execute(sql.REGISTER, (self.lease,)).fetchone()
        assert row is not None
        self._me = row[0]

    def write(self, batch: Batch) -> list[int]:
        for _ in range(DEADLOCKS - 1):
            with contextlib.suppress(InTheWay):
                return self._write(batch)
        return self._write(batch)

    def _write(self, batch: Batch) -> list[int]:
        fresh: dict[Route, int] = {}
        with self._mine() as connection:
            numbers = self._accept(connection, batch.accepts, fresh) if batch.accepts else []
            if batch.outcomes:
                rows = {(one.event, one.process): row_of(one) for one in batch.outcomes}.values()
                columns = zip(*rows, strict=True)
                connection.execute(sql.OUTCOME, [list(one) for one in columns])
            if batch.closings:
                ids, standings = zip(*batch.closings, strict=True)
                closed = connection.execute(sql.CLOSE, (list(ids), [int(one) for one in standings]))
                postgres_lines.leave(connection, (row[0] for row in closed.fetchall()))
            for source, body in batch.bookmarks.items():
                connection.execute(sql.BOOKMARK, (source, body))
        self._routes.update(fresh)
        return numbers

    def claim(self, limit: int) -> list[Claimed]:
        with self._mine() as connection:
            found, self.held_up = postgres_lines.claim(connection, self._me, limit)
            rows = sorted(found)
            outcomes = self.outcomes(connection, [row[0] for row in rows])
            strange = list({row[3] for row in rows} - self._known.keys())
            for number, body in connection.execute(sql.ROUTES, (strange,)) if strange else ():
                self._known[number] = route_from_json(body)
        return [
            Claimed(
                row[0], row[1], event_of(row[2]), self._known[row[3]], row[4], row[5], tuple(outcomes.get(row[0], ()))
            )
            for row in rows
        ]  # fmt: skip

    def release(self, events: Sequence[int]) -> None:
        with self._mine() as connection:
            connection.execute(sql.LOCK_LINES)
            freed = connection.execute(sql.RELEASE, (self._me, list(events))).fetchall()
            postgres_lines.leave(connection, (row[0] for row in freed))

    def beat(self) -> None:
        with self._transaction() as connection:
            if connection.execute(sql.BEAT, (self.lease, self._me)).rowcount == 0:
                raise self._fenced()
            connection.execute(sql.LOCK_LINES)
            connection.execute(sql.REAP)

    def trim(self, keep: int) -> int:
        with self._transaction() as connection:
            row = connection.execute(sql.TRIM, (keep,)).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        with self._lock:
            try:
                if self._me is not None:
                    with self._transaction() as connection:
                        connection.execute(sql.LOCK_LINES)
                        connection.execute(sql.LEAVE, {"me": self._me})
            except (Transient, Fenced):
                pass  # the lease runs out
            finally:
                self._me = None
                self._drop()

    def _accept(
        self, connection: psycopg.Connection[Any], accepts: Sequence[Accept], fresh: dict[Route, int]
    ) -> list[int]:
        routes = []
        for one in accepts:
            number = self._routes.get(one.route) or fresh.get(one.route)
            if number is None:
                row = connection.execute(sql.ROUTE, {"body": route_json(one.route)}).fetchone()
                if row is None:  # another replica wrote it since our statement began
                    row = connection.execute(sql.ROUTE, {"body": route_json(one.route)}).fetchone()
                assert row is not None
                number = fresh[one.route] = row[0]
            routes.append(number)
        rows = connection.execute(
            sql.ACCEPT,
            (
                [one.key for one in accepts],
                [one.event.to_json(ascii_only=True) for one in accepts],
                routes,
                [one.at for one in accepts],
                [self._me if one.mine else None for one in accepts],
                [postgres_lines.text(one.lines) for one in accepts],
            ),
            prepare=True,
        )
        known = {key: number for number, key in rows}
        return [known.pop(one.key, 0) for one in accepts]

    @contextmanager
    def _mine(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction in which this replica cannot be declared dead. Raises `Fenced` when it was."""
        if self._me is None:
            raise Transient("this replica is not registered in the journal yet")
        with self._transaction() as connection:
            if connection.execute(sql.ALIVE, (self._me,), prepare=True).fetchone() is None:
                raise self._fenced()
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            connection = self._connected()
            ending = False
            try:
                connection.execute("BEGIN")
                try:
                    yield connection
                    ending = True
                    connection.execute("COMMIT")
                except BaseException:
                    if not connection.closed and not ending:
                        connection.execute("ROLLBACK")
                    raise
            except psycopg.errors.DeadlockDetected:
                raise InTheWay("the journal: replicas were in each other's way") from None
            except psycopg.OperationalError as error:
                self._drop()
                text = " ".join(str(error).split())[:300]
                if ending:
                    raise Fenced(f"the answer to a COMMIT of the journal was lost: {text}") from None
                raise Transient(f"the journal cannot be reached: {text}") from None
            finally:
                if self._me is None:  # whoever only decides something holds nothing open
                    self._drop()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            connection = self._connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(
                self._url, autocommit=True, connect_timeout=10, application_name="sluice dispatch journal"
            )
        except psycopg.ProgrammingError as error:
            raise Misconfigured(f"the URL of the journal cannot be read: {error}") from None
        except psycopg.OperationalError as error:
            raise Transient(f"the journal cannot be reached: {' '.join(str(error).split())[:300]}") from None

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        if self._prepared:
            return
        there, current = connection.execute(sql.IS_THERE).fetchone() or (False, False)
        if self._existing and not there:
            raise Misconfigured(
                "there is no journal in this database",
                hint="name the one that `serve` writes, with --journal",
            )
        if self._existing and current:  # whoever only looks needs no right to make tables
            self._prepared = True
            return
        with connection.transaction():
            connection.execute(sql.LOCK)
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(sql.TABLES)
        self._prepared = True

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[Any]]:
        """Readers have a connection of their own, so that a long look holds nobody up."""
        try:
            with self._connect() as connection:
                self._prepare(connection)
                yield connection
        except psycopg.OperationalError as error:
            raise Transient(f"the journal cannot be reached: {' '.join(str(error).split())[:300]}") from None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _fenced() -> Fenced:
        return Fenced(
            "this replica was taken for dead, and others have its events",
            hint="it was not heard of for too long: was the machine asleep, or the database out of reach?",
        )
