"""PostgreSQL (12 and later) as a warehouse: rows go in by COPY, the stage is a temporary table.

Values are sent as text, so they are what landed, digit by digit. NUL, which PostgreSQL cannot hold, becomes U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    DELETED,
    LEDGER,
    create_table,
    literal,
    quoted,
)
from shared.warehouse.dml import Grammar
from shared.warehouse.ports import Stage
from shared.warehouse.postgres_copy import COPY, copy_line, storable
from shared.warehouse.postgres_types import MOMENT, OURS_TYPES, TAKEN, column_of, fit, type_of
from shared.warehouse.relational import Relational, parsed
from shared.warehouse.relational_door import ROW, positional
from shared.warehouse.values import Spelling

if TYPE_CHECKING:
    import psycopg

_SETTINGS = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET lock_timeout = '30s'; SET temp_buffers = '32MB'"
_PREPARE = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}.ledger (
    source text, stream text, sequence bigint NOT NULL, run text, loaded_at timestamptz, PRIMARY KEY (source, stream)
);
CREATE TABLE IF NOT EXISTS {LEDGER}.{DELETED} (
    source text, stream text, identity text, moment timestamptz, number numeric, word text
);
CREATE TABLE IF NOT EXISTS {LEDGER}.loads (
    number bigint GENERATED ALWAYS AS IDENTITY, load text, source text, stream text, final text, disposition text,
    from_sequence bigint, to_sequence bigint, run text, inserted bigint, updated bigint, started_at timestamptz,
    loaded_at timestamptz, note text, deleted bigint
)
"""
# Any number will do, as long as all loaders take the same.
_EXCLUSIVE = 7_041_883_001
_LINES = 100
# Texts as RFC 3339 writes them, which is how the rows to come are written.
_ISO = (
    "regexp_replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '[.]000000Z$', 'Z')"
)


def _path(field: str, steps: Sequence[str]) -> str:
    return f"(({field})::jsonb #>> ARRAY{literal(list(steps))}::text[])"


GRAMMAR = Grammar(quote=quoted, place=ROW, path=_path, moment=MOMENT)


def postgres(url: str) -> Relational:
    """The warehouse at `postgresql://user:password@host/database` (more options behind `?`, as libpq has them)."""
    return Relational(
        parsed(url, driver="postgresql+psycopg"),
        door=PostgresDoor,
        explain=explained,
        application_name="sluice",
        connect_timeout=30,
    )


class PostgresDoor:
    """See `relational_door.Door`."""

    grammar = GRAMMAR
    ours: Mapping[str, str] = OURS_TYPES
    taken: Sequence[str] = TAKEN
    most_digits = (1000, 1000)

    def __init__(self, pooled: Any) -> None:
        self._pooled = pooled
        self._connection: psycopg.Connection[tuple[Any, ...]] = pooled.driver_connection
        self._connection.prepare_threshold = None
        self._connection.autocommit = True
        self._connection.execute(_SETTINGS)
        self.spelling = Spelling(
            moment=lambda at: at.isoformat(),
            binary=lambda value: "\\x" + value.hex(),
            nested=storable,
            as_landed=True,
        )

    def fit(self, name: str) -> str:
        return fit(name)

    def fold(self, name: str) -> str:
        return name  # names in quotes are equal when they are the same

    def type_of(self, column: Column, *, wide: bool = False) -> str:
        return type_of(column, wide=wide)

    def stage_type(self, column: Column, *, wide: bool) -> str:
        return self.type_of(column, wide=wide)

    def column_of(self, name: str, kind: str) -> Column | None:
        return column_of(name, kind)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        return self._execute(sql, parameters).rowcount

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._execute(sql, parameters).fetchall()

    def _execute(self, sql: str, parameters: Sequence[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        if parameters:
            return self._connection.execute(positional(sql).encode(), parameters)
        return self._connection.execute(sql.encode())

    def types(self, address: tuple[str, str]) -> dict[str, str]:
        sql = (
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
        return {str(name): str(kind) for name, kind in self.query(sql, (quoted(*address),))}

    def prepare(self) -> None:
        self._schema(LEDGER)
        self.run(_PREPARE)
        there = self.types((LEDGER, "loads"))
        for name, kind in (("note", "text"), ("deleted", "bigint")):
            if name not in there:
                self.run(f"ALTER TABLE {LEDGER}.loads ADD COLUMN {name} {kind}")

    def _schema(self, name: str) -> None:
        """Make a schema; one that is there needs no right to make schemas."""
        if not self.query("SELECT 1 FROM pg_namespace WHERE nspname = ?", (name,)):
            self.run(f"CREATE SCHEMA {quoted(name)}")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self.query(f"SELECT pg_advisory_lock({_EXCLUSIVE})")
        try:
            yield
        finally:
            if not self._connection.closed:
                self.query(f"SELECT pg_advisory_unlock({_EXCLUSIVE})")

    def create_stage(self, name: str, kinds: Mapping[str, str], *, keys: Sequence[str]) -> str:
        del keys  # hash joins need no index
        stage = quoted("pg_temp", name)
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in kinds.items())
        self.run(f"DROP TABLE IF EXISTS {stage}")
        # Rows of up to 8 KB stay whole, so that texts are compressed once: on their way into the final table.
        self.run(f"CREATE TEMPORARY TABLE {stage} ({listed}) WITH (toast_tuple_target = 8160)")
        return stage

    def line(self, row: Sequence[Any], plain: bool) -> bytes:
        return copy_line(row, plain=plain)

    def send(self, stage: Stage, lines: Iterable[bytes]) -> int:
        with self._connection.cursor() as cursor:
            with cursor.copy(COPY.format(stage=stage.name).encode()) as copy:
                rest = iter(lines)
                while some := list(islice(rest, _LINES)):
                    copy.write(b"".join(some))
            return cursor.rowcount

    def create_table(
        self, address: tuple[str, str], kinds: Mapping[str, str], *, keys: Sequence[str]
    ) -> None:
        self._schema(address[0])
        self.run(create_table(address, kinds.items()))
        if keys:
            self.run(f"CREATE INDEX ON {quoted(*address)} ({', '.join(map(quoted, keys))})")

    def widen(self, address: tuple[str, str], name: str, *, before: Column, after: str) -> None:
        field = quoted(name)
        value = field
        if after == "text" and before.type is ColumnType.TIMESTAMP:
            value = _ISO.format(field)
        elif after == "text" and before.type is ColumnType.BINARY:
            value = f"translate(encode({field}, 'base64'), E'\\n', '')"
        table = quoted(*address)
        self.run(f"ALTER TABLE {table} ALTER COLUMN {field} TYPE {after} USING CAST({value} AS {after})")

    def drop_superfluous(self, stage: str, places: str) -> None:
        self.run(f"DELETE FROM {stage} WHERE {ROW} IN ({places})")

    def look_over(self, stage: str, columns: Sequence[str]) -> None:
        self.run(f"ANALYZE {stage} ({', '.join(map(quoted, columns))})" if columns else f"ANALYZE {stage}")

    def pin(self, table: str) -> None:
        self.run(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")

    def is_fault_of_rows(self, error: Exception) -> bool:
        import psycopg

        return isinstance(error, psycopg.DataError)

    def close(self) -> None:
        self._pooled.close()


def explained(error: Exception) -> SluiceError | None:
    """An error of psycopg as one of ours. Its own words do not hold the password."""
    import psycopg

    if not isinstance(error, psycopg.Error):
        return None
    state, text = error.sqlstate or "", _first(error)
    if state == "42501":
        return Refused(f"PostgreSQL denies it: {text}", hint="grant what docs/warehouses.md lists")
    if state.startswith("28") or "authentication failed" in text or "no password supplied" in text:
        return Refused(
            f"PostgreSQL lets nobody in: {text}", hint="correct user and password in WAREHOUSE_URL"
        )
    if state == "3D000" or ("does not exist" in text and not state):
        return Misconfigured(
            f"PostgreSQL has no such database: {text}", hint="create it, or correct WAREHOUSE_URL"
        )
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError) or state == "54000":
        return Violation(f"PostgreSQL refused the rows: {text}")
    if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        return Transient(
            f"PostgreSQL could not go on: {text}", hint="load again; the ledger knows what is done"
        )
    return None


def _first(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
