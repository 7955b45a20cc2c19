"""SQL of steps in the warehouse of the settings: transformations and checks by query, references bound as values."""

# ruff: noqa: S608 - names are quoted, the SQL is its author's, and what a run finds is bound

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, SluiceError, Transient, Violation
from shared.common.types import JSON
from shared.pipelines.runner.executor import Task
from shared.pipelines.values import Reference, Template, Value, as_text
from shared.pipelines.work import Check, Ref, Transform, Write
from src.pipeline import export
from src.pipeline.objects import PLACES
from src.pipeline.objects import found as found_files

if TYPE_CHECKING:
    from src.workplace import Workplace

_WAIT_SECONDS = 30.0  # how long DuckDB's file may be held by another process
_SAMPLES = 5
_LOOK = 0.2  # seconds between two looks whether an attempt is to end
_READERS = {
    "jsonl": "read_json_auto",
    "csv": "read_csv_auto",
    "parquet": "read_parquet",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """SQL with marks where values go, and the values."""

    sql: str
    values: tuple[Any, ...] = ()


def bound(value: Value, task: Task, *, mark: str) -> Bound:
    """SQL whose references are marks; a percent sign is doubled for drivers whose mark is one."""
    parts: tuple[str | Reference, ...]
    match value:
        case Template(parts):
            pass
        case Reference():
            parts = (value,)
        case _:
            return Bound(str(task.value(value)))
    values = [task.value(part) for part in parts if isinstance(part, Reference)]
    text = "".join(
        mark if isinstance(part, Reference) else (part.replace("%", "%%") if mark == "%s" else part)
        for part in parts
    )
    scalars = [
        one if one is None or isinstance(one, str | int | float | bool) else as_text(one) for one in values
    ]
    return Bound(text, tuple(scalars))


@dataclass(slots=True)
class Database:
    """The warehouse for SQL that people write. DuckDB has one writer at a time, also among the steps of a run."""

    place: Workplace
    one_at_a_time: threading.RLock = field(default_factory=threading.RLock)

    @property
    def kind(self) -> str:
        return self.place.settings.warehouse_url.partition(":")[0].partition("+")[0]

    @property
    def mark(self) -> str:
        return "?" if self.kind in ("duckdb", "snowflake") else "%s"

    @contextmanager
    def alone(self, task: Task) -> Iterator[None]:
        """Held by whoever works in a DuckDB file; free in other warehouses. Raises `Transient` when told to end."""
        if self.kind != "duckdb":
            yield
            return
        while not self.one_at_a_time.acquire(timeout=_LOOK):
            if task.cancelled():
                raise Transient("was told to end while another step had the DuckDB file", step=task.step.name)
        try:
            yield
        finally:
            self.one_at_a_time.release()

    @contextmanager
    def transaction(self, task: Task) -> Iterator[Any]:
        """A cursor whose work is committed when all went well, and interrupted when the attempt is to end.

        Raises `SluiceError` for what the database refuses.
        """
        with self.alone(task):
            connection = self._connect()
            try:
                cursor = connection.cursor()
                with self._watched(connection, cursor, task):
                    if self.kind == "duckdb":
                        cursor.execute("BEGIN")
                    yield cursor
                    cursor.execute("COMMIT") if self.kind == "duckdb" else connection.commit()
            except SluiceError:
                raise
            except Exception as error:
                first = str(error).strip().splitlines()[:2] or [type(error).__name__]
                if task.cancelled():
                    raise Transient("the query was told to end", step=task.step.name) from error
                raise Violation(f"the warehouse refuses the SQL: {' '.join(first)}") from error
            finally:
                connection.close()  # what is not committed is undone

    @contextmanager
    def _watched(self, connection: Any, cursor: Any, task: Task) -> Iterator[None]:
        """Meanwhile somebody looks whether the attempt is to end, because a query cannot."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_LOOK):
                if task.cancelled():
                    with suppress(Exception):  # it ended just now; else the attempt is left behind in the end
                        self._interrupt(connection, cursor)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _interrupt(self, connection: Any, cursor: Any) -> None:
        match self.kind:
            case "duckdb":
                cursor.interrupt()  # it is a connection of its own there
            case "postgresql" | "postgres":
                connection.cancel()
            case "mysql" | "mariadb":
                other = self._connect()
                try:
                    other.cursor().execute(f"KILL QUERY {int(connection.thread_id())}")
                finally:
                    other.close()

    def _connect(self) -> Any:
        url = self.place.settings.warehouse_url
        match self.kind:
            case "duckdb":
                return self._duckdb(url.partition("://")[2][1:])
            case "postgresql" | "postgres":
                import psycopg

                return psycopg.connect("postgresql://" + url.partition("://")[2])
            case "mysql" | "mariadb":
                import pymysql
                from sqlalchemy.engine import make_url

                parts = make_url(url)
                return pymysql.connect(
                    host=parts.host, port=parts.port or 3306, user=parts.username,
                    password=str(parts.password or ""), database=parts.database,
                )  # fmt: skip
            case "snowflake":
                return self._snowflake(url)
        raise Misconfigured(
            f"SQL of steps is not run in a warehouse of kind {self.kind}",
            hint="known: duckdb, mariadb, mysql, postgresql, snowflake",
        )

    def _snowflake(self, url: str) -> Any:
        """DDL commits there, so what fills a table begins behind it; `_fill` makes the table first."""
        from shared.warehouse.snowflake_login import opened
        from shared.warehouse.snowflake_url import parse

        raw: Any = opened(parse(url), self.place.configuration.secrets, tag='{"app":"sluice step"}').session
        raw.autocommit(False)
        return raw

    def _duckdb(self, path: str) -> Any:
        import duckdb

        clock = self.place.clock
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        until = clock.monotonic() + _WAIT_SECONDS
        while True:
            try:
                return duckdb.connect(path)
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise Misconfigured(
                        f"the DuckDB file cannot be opened: {str(error).splitlines()[0]}"
                    ) from error
                if clock.monotonic() >= until:
                    raise Transient(
                        f"another process has the DuckDB file: {str(error).splitlines()[0]}"
                    ) from error
                clock.sleep(0.2)


def transform(database: Database, task: Task) -> JSON:
    """Do a transformation step."""
    work = task.step.work
    assert isinstance(work, Transform)
    found = bound(work.sql, task, mark=database.mark)
    if len(work.outputs) > 1:
        raise Misconfigured("a transformation has one output", step=task.step.name, at=task.step.place)
    with ExitStack() as files, database.transaction(task) as cursor:
        if not work.outputs:
            cursor.execute(found.sql, found.values or None)
            return {"rows": _count(cursor)}
        (goal,) = work.outputs
        query = _with_inputs(found.sql, work.inputs, database, task, files, cursor)
        if goal.table:
            return {"rows": _fill(cursor, database, goal, Bound(query, found.values), work.write)}
        rows, _ = export.query(cursor, query, found.values, goal, work.write, task)
        return {"rows": rows}


def check(database: Database, task: Task) -> JSON:
    """Do a check by query: its rows are what is wrong. Raises `Violation` with some of them."""
    work = task.step.work
    assert isinstance(work, Check)
    assert work.sql is not None
    found = bound(work.sql, task, mark=database.mark)
    with database.transaction(task) as cursor:
        cursor.execute(found.sql, found.values or None)
        rows = cursor.fetchmany(1000)
    if rows:
        many = f"{len(rows)}{' or more' if len(rows) == 1000 else ''}"
        some = "; ".join(", ".join(map(str, row)) for row in rows[:_SAMPLES])
        raise Violation(f"the check found {many} rows: {some[:300]}", step=task.step.name, at=task.step.place)
    return {"passed": True, "failed": 0}


def quoted(database: Database, table: str) -> str:
    """`schema.table` for SQL of this warehouse. Raises `Misconfigured` for what is no name."""
    names = table.split(".")
    if not all(names) or len(names) > 3 or any("\0" in name for name in names):
        raise Misconfigured(
            f'"{table}" is no name of a table', hint="write table, schema.table or database.schema.table"
        )
    quote = "`" if database.kind in ("mysql", "mariadb") else '"'
    return ".".join(quote + name.replace(quote, quote * 2) + quote for name in names)


def _with_inputs(
    sql: str, inputs: Sequence[Ref], database: Database, task: Task, files: ExitStack, cursor: Any
) -> str:
    """The query with its inputs as relations under their names."""
    sql = sql.strip().rstrip(";")
    if not inputs:
        return sql
    names = ", ".join(
        f"{quoted(database, ref.name)} AS (SELECT * FROM {_relation(ref, database, task, files, cursor)})"
        for ref in inputs
    )
    return f"WITH {names} SELECT * FROM ({sql}) AS q"


def _relation(ref: Ref, database: Database, task: Task, files: ExitStack, cursor: Any) -> str:
    if ref.table:
        return quoted(database, f"{ref.schema}.{ref.table}" if ref.schema else ref.table)
    if ref.store in PLACES and ref.path and database.kind == "duckdb":
        there = found_files(ref, task.step)
        names = ", ".join(
            f"'{str(files.enter_context(one.on_disk())).replace(chr(39), chr(39) * 2)}'" for one in there
        )
        forms = {one.format for one in there}
        if len(forms) == 1:
            relation = f"{_READERS[forms.pop()]}([{names}], union_by_name = true)"
            _check_readable(cursor, relation, ref, task)
            return relation
        raise Misconfigured(
            f'input "{ref.name}" has files of several formats: {", ".join(sorted(forms))}',
            hint="give it a path with *, such as data/*.csv", step=task.step.name, at=task.step.place,
        )  # fmt: skip
    raise Misconfigured(
        f'input "{ref.name}" of {ref.store} cannot be read in a warehouse of kind {database.kind}',
        hint="give it a `table` of the warehouse; files are read by DuckDB, elsewhere load them by an ingestion step",
        step=task.step.name,
        at=task.step.place,
    )


def _check_readable(cursor: Any, relation: str, ref: Ref, task: Task) -> None:
    """Raises `Violation` for files that cannot be read: in the whole query DuckDB says that the input is not there."""
    import duckdb

    try:
        cursor.execute(f"DESCRIBE SELECT * FROM {relation}")
    except duckdb.Error as error:
        if task.cancelled():
            raise
        raise Violation(
            f'input "{ref.name}" at {ref.path} cannot be read: {str(error).splitlines()[0]}',
            step=task.step.name,
            at=task.step.place,
        ) from error


def _fill(cursor: Any, database: Database, ref: Ref, query: Bound, write: Write) -> int | None:
    table = quoted(database, f"{ref.schema}.{ref.table}" if ref.schema else ref.table)
    schema = (f"{ref.schema}.{ref.table}" if ref.schema else ref.table).rpartition(".")[0]
    if schema:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(database, schema)}")
    # The table gets the columns of the query, and no rows: so that what follows is the same for new and old tables.
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM ({query.sql}) AS q WHERE 1 = 0",
        query.values or None,
    )
    if write is Write.REPLACE:
        cursor.execute(f"DELETE FROM {table}")
    cursor.execute(f"INSERT INTO {table} {query.sql}", query.values or None)
    return _count(cursor)


def _count(cursor: Any) -> int | None:
    """How many rows the last statement changed, where the database says so."""
    if type(cursor).__module__.startswith(("duckdb", "_duckdb")):
        try:
            row = cursor.fetchone()
        except Exception:  # noqa: BLE001 - a statement without an answer has no number
            return None
        return int(row[0]) if row and len(row) == 1 and isinstance(row[0], int) else None
    return int(cursor.rowcount) if cursor.rowcount >= 0 else None
