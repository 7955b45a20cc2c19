"""PostgreSQL as a source: its session, its catalogue, and how its rows become JSON.

The server writes each value as JSON and COPY puts them between separators that JSON cannot hold; the keys are put in
here, a block of rows at once. `row_to_json`, or any other way of making the whole line in the server, costs both sides
more (figures: docs/sql-sources.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from shared.common.errors import Misconfigured
from shared.contracts.columns import ColumnType
from shared.ingestion.sql_copy import copied
from shared.ingestion.sql_query import MARK, TEMPORAL, Dialect, Query
from shared.ingestion.sql_spec import split_name
from shared.ingestion.sql_table import Bound, TableColumn, TableShape

_SEPARATOR, _QUOTE = b"\x02", b"\x01"
_COPY = "COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02', NULL 'null')"

_SETTINGS = {
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "client_encoding": "UTF8",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",  # compiling would begin anew with every piece
}

_COLUMNS = """
WITH RECURSIVE base(attnum, oid, typmod, filled) AS (
  SELECT attnum, atttypid, atttypmod, attnotnull FROM pg_catalog.pg_attribute
  WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT b.attnum, t.typbasetype, CASE WHEN b.typmod = -1 THEN t.typtypmod ELSE b.typmod END,
         b.filled OR t.typnotnull
  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
SELECT a.attname::text, b.filled, n.nspname::text, t.typname::text, t.typtype::text,
       t.typcategory = 'A', b.typmod, coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '')
FROM base b
JOIN pg_catalog.pg_type t ON t.oid = b.oid AND t.typtype <> 'd'
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = {oid} AND a.attnum = b.attnum
ORDER BY a.attnum
"""

_KEY = """
SELECT a.attname::text FROM pg_catalog.pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = {oid} AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place
"""


class Postgres:
    """PostgreSQL's dialect (a `Dialect`)."""

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def literal(self, text: str, column: TableColumn) -> str:
        return f"{_text(text)}::{column.native}"

    def spelled(self, column: TableColumn) -> str:
        name = self.quote(column.name)
        match column.native:
            case '"pg_catalog"."timestamptz"' | '"pg_catalog"."timestamp"':
                return f'to_char({name}::timestamp, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        return f"{name}::text"

    def beyond(self, columns: Sequence[TableColumn], bound: Bound, *, operator: str) -> str:
        names = ", ".join(self.quote(column.name) for column in columns)
        values = ", ".join(self.literal(text, column) for text, column in zip(bound, columns, strict=True))
        return f"({names}) {operator} ({values})" if len(columns) > 1 else f"{names} {operator} {values}"

    def earlier(self, literal: str, column: TableColumn, by: timedelta) -> str:
        if column.type in TEMPORAL:
            return f"({literal} - interval '{by.total_seconds():f} s')"
        return f"({literal} - {by.total_seconds():g})"

    def past(self, lag: timedelta) -> str:
        return f"(now() - interval '{lag.total_seconds():f} s')"

    def lines(self, table: TableShape) -> str:
        guards = " AND ".join(column.guard for column in table.columns if column.guard)
        mark = [f"CASE WHEN ({guards}) IS FALSE THEN E'\\x{MARK.hex()}' ELSE '' END"] if guards else []
        return ", ".join([*mark, *(_value(column) for column in table.columns)])


class PostgresReader:
    """A connection of PostgreSQL within a transaction that sees one snapshot (a `Reader`)."""

    dialect: Dialect

    def __init__(self, connection: Any, *, timeout: timedelta, snapshot: str | None = None) -> None:
        """`connection` is SQLAlchemy's, with the isolation level set; the transaction begins here."""
        self.dialect = Postgres()
        self._connection = connection
        self._raw = connection.connection.driver_connection
        if snapshot is not None:
            self._raw.execute(f"SET TRANSACTION SNAPSHOT {_text(snapshot)}")
        settings = {**_SETTINGS, "statement_timeout": str(round(timeout.total_seconds() * 1000))}
        # Local to the transaction, so that nothing is left behind in a pooler's connection.
        for name, value in settings.items():
            self._raw.execute(f"SET LOCAL {name} = {_text(value)}")

    def share(self) -> str:
        """The name of this transaction's snapshot, for other connections while this one lives."""
        return str(self.rows("SELECT pg_catalog.pg_export_snapshot()")[0][0])

    def shape(self, name: str) -> TableShape:
        schema, table = split_name(name)
        quoted = ".".join(self.dialect.quote(part) for part in (schema, table) if part)
        sql = (
            "SELECT c.oid::int8, c.relkind::text, n.nspname::text FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE c.oid = pg_catalog.to_regclass({_text(quoted)})"
        )
        found = self.rows(sql)
        if not found or found[0][1] not in "rpmvf":
            raise Misconfigured(
                f"there is no table {name}, or this user may not see it",
                hint=f"there is: {', '.join(self._tables(schema)) or 'none'}",
                table=name,
            )
        oid, kind, home = found[0]
        columns = tuple(_column(row) for row in self.rows(_COLUMNS.format(oid=oid)))
        key = tuple(row[0] for row in self.rows(_KEY.format(oid=oid)))
        full = f"{self.dialect.quote(home)}.{self.dialect.quote(table)}"
        return TableShape(full, f"{home}.{table}", columns, key, view=kind in "vf")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._raw.execute(sql).fetchall()
        return found

    def blocks(self, sql: str, table: TableShape) -> Iterator[tuple[bytes, int]]:
        pattern = _pattern(table)
        for block, rows in copied(self._raw, _COPY.format(sql)):
            # A JSON null inside a json column is told from NULL by quotes, which make no difference here.
            whole = block.translate(None, _QUOTE) if _QUOTE in block else block
            values = whole.replace(b"\n", _SEPARATOR).split(_SEPARATOR)
            values.pop()
            yield pattern * rows % tuple(values), rows

    def cuts(self, query: Query, count: int) -> list[Bound]:
        """Quantiles of the keys of a sample: right for keys of any type and with any holes."""
        table, order = query.table, query.order
        size = self.rows(
            "SELECT greatest(reltuples, pg_relation_size(oid) / 200, 1)::float8, relkind::text "
            f"FROM pg_catalog.pg_class WHERE oid = {_text(table.name)}::regclass"
        )
        rows, kind = size[0]
        share = min(100.0, max(0.01, 100.0 * 2000 * count / rows))
        sample = f" TABLESAMPLE SYSTEM ({share:f}) REPEATABLE (1)" if kind in "rpm" else ""
        names = ", ".join(self.dialect.quote(column.name) for column in order)
        spelled = ", ".join(
            f"{self.dialect.spelled(column)} AS k{place}" for place, column in enumerate(order)
        )
        bounds = f" WHERE {self.dialect.quote(query.cursor.name)} IS NOT NULL" if query.cursor else ""
        texts = ", ".join(f"k{place}" for place in range(len(order)))
        found = self.rows(
            f"SELECT DISTINCT ON (q) {texts} FROM (SELECT {spelled}, row_number() OVER (ORDER BY {names}) AS place, "
            f"ntile({count}) OVER (ORDER BY {names}) AS q FROM {table.name}{sample}{bounds}) s "
            f"ORDER BY q, place DESC"
        )
        bounds_found = list(dict.fromkeys(tuple(row) for row in found[:-1]))
        return [bound for bound in bounds_found if all(text is not None for text in bound)]

    def close(self) -> None:
        self._connection.close()

    def _tables(self, schema: str) -> list[str]:
        where = f"schemaname = {_text(schema)}" if schema else "schemaname = ANY (current_schemas(false))"
        both = " UNION ".join(
            f"SELECT schemaname || '.' || {kind}name FROM pg_catalog.pg_{kind}s WHERE {where}"
            for kind in ("table", "view")
        )
        return [row[0] for row in self.rows(f"{both} ORDER BY 1 LIMIT 30")]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pattern(table: TableShape) -> bytes:
    """A row as bytes into which its values are put, the mark before them where the table has guards."""
    import msgspec

    fields = []
    for column in table.columns:
        key = msgspec.json.encode(column.name).replace(b"%", b"%%")
        fields.append(key + (b':"%b"' if _bare(column) else b":%b"))
    mark = b"%b" if any(column.guard for column in table.columns) else b""
    return mark + b"{" + b",".join(fields) + b"}\n"


def _bare(column: TableColumn) -> bool:
    """Whether the quotes of a value come from the pattern: not where it may be null, which has none."""
    return column.quoted and not column.nullable


def _value(column: TableColumn) -> str:
    """The JSON of a column; NULL stays NULL, which COPY writes as null."""
    return f"'\"' || {column.json}::text || '\"'" if column.quoted and column.nullable else column.json


def _column(row: tuple[Any, ...]) -> TableColumn:
    name, filled, schema, kind, family, listed, modifier, description = row
    quoted = Postgres().quote(name)
    native = f"{Postgres().quote(schema)}.{Postgres().quote(kind)}"
    type_, json, marks, guard = _written(quoted, kind if schema == "pg_catalog" else "", family, listed)
    if kind == "hstore":
        type_, json = ColumnType.JSON, f"to_json({quoted})"
    precision = scale = None
    if kind == "numeric" and modifier >= 4:
        precision, scale = (modifier - 4) >> 16 & 0xFFFF, ((modifier - 4 & 0x7FF) ^ 1024) - 1024
        guard = f"{quoted} <> 'NaN'"  # with a precision there is no infinity
        if scale < 0 or scale > precision:  # rounds before the point, or has more zeros than digits behind it
            precision = scale = None
    return TableColumn(
        name, type_, native, json, nullable=not filled, quoted=marks, guard=guard, description=description,
        precision=precision, scale=scale,
    )  # fmt: skip


_FINITE = "({0} > '-Infinity' AND {0} < 'Infinity')"
_DAYS = "({0} BETWEEN '0001-01-01' AND '9999-12-31')"
_TIMES = "({0} BETWEEN '0001-01-01 00:00:00' AND '9999-12-31 23:59:59.999999')"  # in UTC, as the session is
_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), (ColumnType.INTEGER, "{0}", False, "")),
    **dict.fromkeys(("float4", "float8"), (ColumnType.NUMBER, "{0}", False, _FINITE)),
    "numeric": (ColumnType.DECIMAL, "{0}", False, _FINITE),
    "money": (ColumnType.DECIMAL, "{0}::numeric", False, ""),
    "bool": (ColumnType.BOOLEAN, "{0}::text", False, ""),
    "date": (ColumnType.DATE, "{0}", True, _DAYS),
    "timestamptz": (ColumnType.TIMESTAMP, "to_json({0})", False, _TIMES),
    "timestamp": (ColumnType.TIMESTAMP, "to_json({0}::timestamptz)", False, _TIMES),
    "time": (ColumnType.TIME, "{0}", True, ""),
    "uuid": (ColumnType.UUID, "{0}", True, ""),
    "bytea": (ColumnType.BINARY, "translate(encode({0}, 'base64'), E'\\n', '')", True, ""),
    # Not through text, which would cut the blanks that a char(n) ends with.
    "bpchar": (ColumnType.STRING, "to_json({0})", False, ""),
    # A json value keeps its line ends, which stand between its tokens only.
    "json": (ColumnType.JSON, "translate({0}::text, E'\\n\\r\\t', '   ')", False, ""),
    "jsonb": (ColumnType.JSON, "{0}", False, ""),
}
"""Type, JSON expression, whether it lacks its quotes, and guard of the server's own types; any other is text."""

_LISTED = (ColumnType.JSON, "translate(to_json({0})::text, E'\\n\\r', '  ')", False, "")
_TEXT = (ColumnType.STRING, "to_json({0}::text)", False, "")


def _written(name: str, kind: str, family: str, listed: bool) -> tuple[ColumnType, str, bool, str]:
    """Type, JSON expression and guard of a column; `kind` is empty for types that are not the server's own."""
    type_, json, marks, guard = _LISTED if listed or family == "c" else _KINDS.get(kind, _TEXT)
    return type_, json.replace("{0}", name), marks, guard.replace("{0}", name)
