"""The journal of one dispatcher in a SQLite file: WAL, every commit waits for the disk."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator import sqlite_schema as sql
from shared.orchestrator.graph import Route, route_from_json, route_json
from shared.orchestrator.journal import LEASE, Batch, Claimed, Outcome
from shared.orchestrator.journal_rows import event_of, row_of
from shared.orchestrator.sqlite_archive import SqliteArchive

MEMORY = ":memory:"


class SqliteJournal(SqliteArchive):
    """A journal in the file `path`, or in memory (`:memory:`), where nothing outlives the program.

    One dispatcher at a time may `open` it; looking at it, and deciding about dead letters, is free to all, and holds
    nothing open afterwards. The file is made, for its owner alone, unless `existing` says that it has to be there.
    """

    def __init__(self, path: str | Path, *, existing: bool = False) -> None:
        self.path = str(path)
        self._existing = existing
        self.lease = LEASE
        self.shared = self.held_up = False
        self._lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._held: int | None = None
        self._ended = False
        self._next = 1
        self._routes: dict[Route, int] = {}
        self._known: dict[int, Route] = {}
        super().__init__(self._reading)

    def open(self) -> None:
        with self._lock:
            self._make()
            before = self._held
            self._hold()
            try:
                with self._writing() as connection:
                    connection.execute(sql.LEFT_BEHIND)
                    self._next = connection.execute(sql.NEXT).fetchone()[0]
            except BaseException:
                if before is None:
                    self._let_go()
                raise

    def write(self, batch: Batch) -> list[int]:
        fresh: dict[Route, int] = {}
        with self._writing() as connection:
            numbers = self._accept(connection, batch, fresh) if batch.accepts else []
            if batch.outcomes:
                connection.execute(sql.OUTCOME, (_packed(batch.outcomes),))
            if batch.closings:
                connection.execute(sql.CLOSE, (json.dumps(batch.closings),))
            for source, body in batch.bookmarks.items():
                connection.execute(sql.BOOKMARK, (source, body))
        # Not remembered before the commit: a transaction that is rolled back takes its routes with it.
        self._routes.update(fresh)
        self._next = max([self._next, *(number + 1 for number in numbers)])
        return numbers

    def claim(self, limit: int) -> list[Claimed]:
        with self._writing() as connection:
            rows = sorted(connection.execute(sql.CLAIM, (limit,)).fetchall())
            outcomes = self.outcomes(connection, [row[0] for row in rows])
            return [
                Claimed(
                    row[0], row[1], event_of(row[2]), self._route(connection, row[3]), row[4], row[5],
                    tuple(outcomes.get(row[0], ())),
                )
                for row in rows
            ]  # fmt: skip

    def release(self, events: Sequence[int]) -> None:
        with self._writing() as connection:
            connection.execute(sql.RELEASE, (json.dumps(list(events)),))

    def beat(self) -> None:
        """The file is locked as long as this process lives, so there is nobody else to hear it."""

    def trim(self, keep: int) -> int:
        with self._writing() as connection:
            old = json.dumps([row[0] for row in connection.execute(sql.OLD, (keep,))])
            connection.execute(sql.FORGET_PAIRS, (old,))
            return connection.execute(sql.FORGET, (old,)).rowcount

    def close(self) -> None:
        with self._lock:
            if self._writer is not None:
                with contextlib.suppress(Transient):
                    if self._held is not None:
                        with self._writing() as connection:
                            connection.execute(sql.RELEASE_ALL)
                self._writer.close()
                self._writer = None
            self._let_go()
            self._ended = True
        self.leave()

    def _accept(self, connection: sqlite3.Connection, batch: Batch, fresh: dict[Route, int]) -> list[int]:
        keys = [accept.key for accept in batch.accepts]
        taken = {row[0] for row in connection.execute(sql.KNOWN, (json.dumps(keys),))}
        numbers, rows, number = list[int](), list[list[Any]](), self._next
        for accept in batch.accepts:
            if accept.key in taken:
                numbers.append(0)
                continue
            taken.add(accept.key)
            route = self._routes.get(accept.route) or fresh.get(accept.route)
            if route is None:
                route = fresh[accept.route] = self._route_number(connection, accept.route)
            rows.append(
                [
                    number,
                    accept.key,
                    accept.event.to_json(ascii_only=True),
                    route,
                    accept.at,
                    int(accept.mine),
                ]
            )
            numbers.append(number)
            number += 1
        if rows:
            connection.execute(sql.ACCEPT, (json.dumps(rows),))
        return numbers

    @staticmethod
    def _route_number(connection: sqlite3.Connection, route: Route) -> int:
        """Routes are few: each is written once."""
        body = route_json(route)
        connection.execute("INSERT INTO route (body) VALUES (?) ON CONFLICT DO NOTHING", (body,))
        return int(connection.execute("SELECT id FROM route WHERE body = ?", (body,)).fetchone()[0])

    def _route(self, connection: sqlite3.Connection, number: int) -> Route:
        if number not in self._known:
            body = connection.execute("SELECT body FROM route WHERE id = ?", (number,)).fetchone()[0]
            self._known[number] = route_from_json(body)
            self._routes[self._known[number]] = number
        return self._known[number]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises `Transient` when the file cannot be written."""
        with self._lock:
            connection = self._connected()
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise self._fault(error) from None
            finally:
                if self._held is None and self.path != MEMORY:
                    connection.close()
                    self._writer = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Readers have a connection of their own, so that a long look holds nobody up."""
        if self.path == MEMORY:
            with self._lock:
                yield self._connected()
            return
        try:
            with closing(self._made()) as connection, connection:
                yield connection
        except sqlite3.OperationalError as error:
            raise self._fault(error) from None

    def _connected(self) -> sqlite3.Connection:
        with self._lock:
            if self._writer is None:
                if self._ended and self.path == MEMORY:
                    raise Misconfigured("this journal was in memory, and ended with its dispatcher")
                try:
                    self._writer = self._made()
                except sqlite3.OperationalError as error:
                    raise self._fault(error) from None
            return self._writer

    def _made(self) -> sqlite3.Connection:
        """A connection to a file that has its tables."""
        self._make()
        connection = _connect(self.path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """What events hold is for nobody else to read. SQLite gives the files beside it the same rights."""
        if self.path == MEMORY or Path(self.path).exists():
            return
        if self._existing:
            raise Misconfigured(
                "there is no journal", hint="name the one that `serve` writes, with --journal", file=self.path
            )
        try:
            Path(self.path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise Misconfigured(f"no journal can be made: {error.strerror}", file=self.path) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        while found in sql.CHANGES:
            connection.executescript(
                f"BEGIN; {sql.CHANGES[found]}; PRAGMA user_version = {found + 1}; COMMIT;"
            )
            found += 1
        if found not in (0, sql.LAYOUT):
            raise Misconfigured(
                f"the journal has layout {found}, and this program writes {sql.LAYOUT}",
                hint="use the version of Sluice that wrote it, or name another file",
                file=self.path,
            )
        if found == 0:
            connection.executescript(f"{sql.TABLES}; PRAGMA user_version = {sql.LAYOUT};")

    def _hold(self) -> None:
        """The lock ends with the process, however that ends."""
        if self.path == MEMORY or self._held is not None:
            return
        held = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            raise Misconfigured(
                "another dispatcher works with this journal",
                hint="end it, or give each a journal of its own; several replicas need one in PostgreSQL",
                file=self.path,
            ) from None
        self._held = held

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _fault(self, error: sqlite3.OperationalError) -> Transient:
        text = str(error)
        if "disk is full" in text or "disk I/O" in text:
            return Transient(f"the journal cannot be written: {text}", hint="make room", file=self.path)
        return Transient(f"the journal cannot be used: {text}", file=self.path)


_NAME_ANOTHER = "name the file of a journal, or one that is not there yet"


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        _refuse_foreign(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -16000")
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_foreign(connection: sqlite3.Connection, path: str) -> None:
    """Before anything is written, were it only the mode of the file. Raises `Misconfigured`."""
    try:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    except sqlite3.OperationalError:
        raise  # locked, or a disk that fails
    except sqlite3.DatabaseError as error:
        raise Misconfigured(f"this is no journal: {error}", hint=_NAME_ANOTHER, file=path) from None
    if tables and "pair" not in tables:
        raise Misconfigured("this is a database of something else", hint=_NAME_ANOTHER, file=path)


def _packed(outcomes: Sequence[Outcome]) -> str:
    return json.dumps(list({(one.event, one.process): row_of(one) for one in outcomes}.values()))
