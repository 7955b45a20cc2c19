"""Connections to a source's database: who signs in, one snapshot for all of them, and what errors mean.

SQLAlchemy opens them. User and password come out of the secrets and go nowhere but into the connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient
from shared.common.ports import Secrets
from shared.ingestion.sql_query import Reader
from shared.ingestion.sql_spec import SqlAuth, kind_of

CONNECT_TIMEOUT = 15
"""Seconds until a connection must stand."""

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database is and who reads it; `auth` names secrets."""

    url: str
    auth: SqlAuth | None
    secrets: Secrets
    timeout: timedelta = timedelta(minutes=10)

    @property
    def kind(self) -> str:
        return kind_of(self.url)

    @property
    def place(self) -> str:
        """Host and database, for messages."""
        return self.url.partition("://")[2].partition("?")[0]

    def engine(self) -> Any:
        """SQLAlchemy's engine, without a pool: a snapshot belongs to its connection."""
        from sqlalchemy import create_engine, make_url
        from sqlalchemy.pool import NullPool

        url = make_url(self.url).set(drivername=_DRIVERS[self.kind])
        if self.auth is not None:
            password = self.secrets.get(self.auth.password) if self.auth.password else None
            username = self.secrets.get(self.auth.username, hidden=False)
            url = url.set(username=username, password=password)
        extra: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT}
        if self.kind == "mysql":
            extra |= {"charset": "utf8mb4"}
        else:
            extra |= {"application_name": "sluice"}
        return create_engine(url, poolclass=NullPool, connect_args=extra, hide_parameters=True)


class Snapshot:
    """One moment of a database, for as many readers as are wanted. Use it as a context manager.

    PostgreSQL: one connection keeps the snapshot, each reader joins it. MySQL has no such thing: all reading goes
    through one connection, one statement after another; with `consistent=False` each reader has its own moment.
    """

    def __init__(self, database: Database, *, consistent: bool = True) -> None:
        self._database = database
        self._consistent = consistent
        self._lock = threading.Lock()
        self._keeper: Any = None
        self._name: str | None = None
        self._engine: Any = None

    def __enter__(self) -> Snapshot:
        with self._told():
            self._engine = self._database.engine()
            self._keeper = self._open(None)
            if self._database.kind == "postgresql" and self._consistent:
                self._name = self._keeper.share()
        return self

    def __exit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.close()

    @property
    def single(self) -> bool:
        """Whether there is one reader only, so that tables are read one after another."""
        return self._database.kind == "mysql" and self._consistent

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader of this moment; errors of the database come out of the block as ours."""
        if self.single:
            with self._lock, self._told():
                yield self._keeper
            return
        with self._told():
            reader = self._open(self._name)
            try:
                yield reader
            finally:
                reader.close()

    def _open(self, name: str | None) -> Any:
        timeout = self._database.timeout
        if self._database.kind == "mysql":
            from shared.ingestion.sql_mysql import MySqlReader

            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            return _or_closed(connection, lambda: MySqlReader(connection, timeout=timeout))
        from shared.ingestion.sql_postgres import PostgresReader

        connection = self._engine.connect().execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        return _or_closed(connection, lambda: PostgresReader(connection, timeout=timeout, snapshot=name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except SluiceError:
            raise
        except Exception as error:
            ours = explained(error, self._database)
            if ours is None:
                raise
            # Without the cause: what a driver's error holds is not known to be free of secrets.
            raise ours from None


def _or_closed(connection: Any, make: Any) -> Any:
    try:
        return make()
    except BaseException:
        connection.close()
        raise


def explained(error: Exception, database: Database) -> SluiceError | None:
    """A driver's error as ours; None when it is no error of a database."""
    origin = getattr(error, "orig", None) or error
    module = type(origin).__module__.partition(".")[0]
    if module == "psycopg":
        return _postgres(origin, database)
    if module == "pymysql":
        return _mysql(origin, database)
    if module == "sqlalchemy":
        return Misconfigured(
            f"the database cannot be opened: {type(origin).__name__}", database=database.place
        )
    return None


def _postgres(error: Any, database: Database) -> SluiceError:
    """By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    state = error.sqlstate or ""
    said = (error.diag.message_primary if error.sqlstate else None) or _first_line(error)
    place = database.place
    match state[:2]:
        case "28":
            return Refused(
                "the database does not let us in", hint=_look_at(database), kind=state, database=place
            )
        case "" if "authentication" in said or "no pg_hba.conf entry" in said or "does not exist" in said:
            return Refused("the database does not let us in", hint=_look_at(database), database=place)
        case "" | "08" | "53" | "57" | "40" | "55":
            if state == "57014":
                return _too_slow(database)
            return Transient(f"the database failed: {said}", database=place)
    if state == "42501":
        return Refused(
            f"the database does not allow it: {said}",
            hint="grant SELECT on the table to this user, or name columns in `leave_out`",
            kind=state,
            database=place,
        )
    return Refused(f"the database refused a statement: {said}", kind=state, database=place)


def _mysql(error: Any, database: Database) -> SluiceError:
    """By number: https://mariadb.com/kb/en/mariadb-error-code-reference/"""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[1]) if len(error.args) > 1 else _first_line(error)
    place = database.place
    match number:
        case 1044 | 1045 | 1049 | 1698 | 2059:
            return Refused(
                "the database does not let us in", hint=_look_at(database), kind=str(number), database=place
            )
        case 1142 | 1143 | 1227 | 1370:
            return Refused(
                f"the database does not allow it: {said}",
                hint="grant SELECT on the table to this user, or name columns in `leave_out`",
                kind=str(number),
                database=place,
            )
        case 1969 | 3024 | 1317:
            return _too_slow(database)
        case 0 | 1040 | 1053 | 1203 | 1205 | 1213 | 1412 | 2003 | 2006 | 2013 | 2014:
            return Transient(f"the database failed: {said}", database=place)
    return Refused(f"the database refused a statement: {said}", kind=str(number), database=place)


def _too_slow(database: Database) -> SluiceError:
    seconds = database.timeout.total_seconds()
    return Transient(
        f"a statement took longer than {seconds:g} s",
        hint="make chunk_size smaller, give the cursor column an index, or raise statement_timeout",
        database=database.place,
    )


def _look_at(database: Database) -> str:
    auth = database.auth
    names = "`auth`, which the source does not have" if auth is None else f"{auth.username}, {auth.password}"
    return f"look at the database's name and at the secrets {names}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
