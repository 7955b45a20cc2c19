"""PostgreSQL (12 and later) as a warehouse: rows go in by COPY, the stage is a temporary table.

Values are sent as text, so they are what landed, digit by digit. NUL, which PostgreSQL cannot hold, becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    CLOSED_BY,
    COMMIT,
    DELETED,
    IS_CURRENT,
    LEDGER,
    LOADED_AT,
    PART,
    RUN,
    VALID_FROM,
    VALID_TO,
    create_table,
    digits,
    literal,
    quoted,
    shortened,
)
from shared.warehouse.dml import Grammar
from shared.warehouse.ports import Stage
from shared.warehouse.relational import Relational, parsed
from shared.warehouse.relational_door import ROW, positional
from shared.warehouse.values import REPLACEMENT, Spelling

if TYPE_CHECKING:
    import psycopg

TYPES = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "double precision",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.TIME: "text",
    ColumnType.JSON: "jsonb",
    ColumnType.UUID: "uuid",
    ColumnType.BINARY: "bytea",
}
WIDE = "numeric(38,0)"

_MOMENT = "timestamp with time zone"
_OURS = {
    RUN: "text",
    LOADED_AT: _MOMENT,
    COMMIT: "bigint",
    PART: "integer",
    ROW: "bigint",
    VALID_FROM: _MOMENT,
    VALID_TO: _MOMENT,
    IS_CURRENT: "boolean",
    CLOSED_BY: "bigint",
}
_KINDS = {
    **{kind: column for column, kind in TYPES.items() if column is not ColumnType.TIME},
    "smallint": ColumnType.INTEGER,
    "integer": ColumnType.INTEGER,
    WIDE: ColumnType.INTEGER,
    "real": ColumnType.NUMBER,
}
_DECIMAL = re.compile(r"numeric\((\d+),(\d+)\)")
_LONGEST_NAME = 63
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
_NUL = "\\u0000"
_BETWEEN, _NOTHING = "\x1e", "\x1d"
_COPY = "COPY {stage} FROM STDIN (DELIMITER E'\\x1e', NULL E'\\x1d')"
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", REPLACEMENT.encode()))
_HARDLY_EVER = str.maketrans(
    {"\x1e": "\\\x1e", "\x1d": "\\\x1d", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": REPLACEMENT}
)
_JSON_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_LINES = 100
# Texts as RFC 3339 writes them, which is how the rows to come are written.
_ISO = (
    "regexp_replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '[.]000000Z$', 'Z')"
)


def _path(field: str, steps: Sequence[str]) -> str:
    return f"(({field})::jsonb #>> ARRAY{literal(list(steps))})"


def type_of(column: Column, *, wide: bool = False) -> str:
    """The type of a column in a final table; `wide` is for integers beyond 64 bits."""
    match column.type:
        case ColumnType.DECIMAL:
            total, scale = digits(column)
            return f"numeric({total},{scale})"
        case ColumnType.INTEGER if wide:
            return WIDE
        case kind:
            return TYPES[kind]


GRAMMAR = Grammar(quote=quoted, place=ROW, path=_path, moment=_MOMENT)


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
    ours: Mapping[str, str] = _OURS
    taken: Sequence[str] = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid")

    def __init__(self, pooled: Any) -> None:
        self._pooled = pooled
        self._connection: psycopg.Connection[tuple[Any, ...]] = pooled.driver_connection
        self._connection.prepare_threshold = None
        self._connection.autocommit = True
        self._connection.execute(_SETTINGS)
        self.spelling = Spelling(
            moment=lambda at: at.isoformat(),
            binary=lambda value: "\\x" + value.hex(),
            nested=_storable,
            as_landed=True,
        )

    def fit(self, name: str) -> str:
        return shortened(name.replace("\0", "_"), _LONGEST_NAME, size=lambda text: len(text.encode()))

    def fold(self, name: str) -> str:
        return name.casefold()

    def type_of(self, column: Column, *, wide: bool = False) -> str:
        return type_of(column, wide=wide)

    def stage_type(self, column: Column, *, wide: bool) -> str:
        return self.type_of(column, wide=wide)

    def column_of(self, name: str, kind: str) -> Column | None:
        if kind in _KINDS:
            return Column(name, _KINDS[kind])
        found = _DECIMAL.fullmatch(kind)
        return found and Column(name, ColumnType.DECIMAL, precision=int(found[1]), scale=int(found[2]))

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
            with cursor.copy(_COPY.format(stage=stage.name).encode()) as copy:
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


def copy_line(row: Sequence[Any], *, plain: bool = False) -> bytes:
    r"""A row as COPY reads it: between cells, and for null, stand characters that texts hardly ever have.

    `plain`: no text of this row has them.

    >>> copy_line(["a\tb\n", None, True, 1.5])
    b'a\tb\\n\x1e\x1d\x1eTrue\x1e1.5\n'
    """
    line = _BETWEEN.join([_NOTHING if value is None else str(value) for value in row]).encode()
    if not plain and (line.count(b"\x1e") != len(row) - 1 or line.count(b"\x1d") != row.count(None)):
        cells = [_NOTHING if value is None else str(value).translate(_HARDLY_EVER) for value in row]
        return _BETWEEN.join(cells).encode() + b"\n"
    for one, other in _ESCAPES:
        if one in line:
            line = line.replace(one, other)
    return line + b"\n"


def _storable(text: str) -> str:
    """JSON without what jsonb refuses: NUL, and halves of surrogate pairs."""
    if "\\u" not in text:
        return text
    cleaned = _JSON_ESCAPE.sub(lambda found: "\\ufffd" if found[0] == _NUL else found[0], text)
    if "\\ud" in cleaned or "\\uD" in cleaned:
        return _PAIR.sub(lambda found: found[0] if found[1] or found[3] else "\\ufffd", cleaned)
    return cleaned


_PAIR = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(\\.)"
)


def _first(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
