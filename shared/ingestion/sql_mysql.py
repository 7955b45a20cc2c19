"""MySQL and MariaDB as a source: the session, the catalogue, and their way of writing a row as JSON.

The server makes the JSON, as one text a row: the driver is pure Python, and one column costs it a fifth of ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from shared.common.errors import Misconfigured
from shared.contracts.columns import ColumnType
from shared.ingestion.sql_query import MARK, NUMERIC, TEMPORAL, Dialect, Query
from shared.ingestion.sql_spec import split_name
from shared.ingestion.sql_table import Bound, TableColumn, TableShape

BLOCK = 256 * 1024
"""Bytes that are handed on at once."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")

_COLUMNS = """
SELECT column_name, is_nullable = 'NO', data_type, column_type, numeric_precision, numeric_scale, column_comment
FROM information_schema.columns WHERE table_schema = {schema} AND table_name = {table} ORDER BY ordinal_position
"""
_KEY = """
SELECT column_name FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {table} AND index_name = 'PRIMARY' ORDER BY seq_in_index
"""
_JSON_CHECKS = """
SELECT check_clause FROM information_schema.check_constraints
WHERE constraint_schema = {schema} AND table_name = {table} AND check_clause LIKE 'json\\_valid(%'
"""


class MySql:
    """The dialect of MySQL and MariaDB (a `Dialect`)."""

    def quote(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, text: str, column: TableColumn) -> str:
        if column.type in NUMERIC and _NUMBER.fullmatch(text):
            return text
        if column.type is ColumnType.BINARY:
            return f"X'{text}'"
        if column.type in TEMPORAL:
            text = text.replace("T", " ").removesuffix("Z")
        return _text(text)

    def spelled(self, column: TableColumn) -> str:
        name = self.quote(column.name)
        match column.type:
            case ColumnType.BINARY:
                return f"HEX({name})"
            case ColumnType.TIMESTAMP:
                return f"CONCAT(REPLACE(CAST({name} AS CHAR), ' ', 'T'), 'Z')"
            case ColumnType.INTEGER | ColumnType.NUMBER:
                return f"CAST({name} + 0 AS CHAR)"
        return f"CONVERT(CAST({name} AS CHAR) USING utf8mb4)"

    def beyond(self, columns: Sequence[TableColumn], bound: Bound, *, operator: str) -> str:
        """Spelled out, because MySQL finds no range of an index in a comparison of rows."""
        strict = operator[0]
        first, *rest = columns
        name, value = self.quote(first.name), self.literal(bound[0], first)
        if not rest:
            return f"{name} {operator} {value}"
        inner = self.beyond(rest, bound[1:], operator=operator)
        return f"({name} {strict}= {value} AND ({name} {strict} {value} OR {inner}))"

    def earlier(self, literal: str, column: TableColumn, by: timedelta) -> str:
        if column.type in TEMPORAL:
            return f"DATE_SUB({literal}, INTERVAL {round(by.total_seconds() * 1_000_000)} MICROSECOND)"
        return f"({literal} - {by.total_seconds():g})"

    def past(self, lag: timedelta) -> str:
        return f"DATE_SUB(NOW(6), INTERVAL {round(lag.total_seconds() * 1_000_000)} MICROSECOND)"

    def lines(self, table: TableShape) -> str:
        import msgspec

        words, before = [], "{"
        for column in table.columns:
            words += [_text(f"{before}{msgspec.json.encode(column.name).decode()}:"), _json(column)]
            before = ","
        guards = " AND ".join(column.guard for column in table.columns if column.guard)
        mark = [f"IF(({guards}) IS FALSE, {_text(MARK.decode())}, '')"] if guards else []
        return f"CONCAT({', '.join([*mark, *words, _text('}')])})"


class MySqlReader:
    """A connection of MySQL within a transaction that sees one snapshot (a `Reader`)."""

    dialect: Dialect

    def __init__(self, connection: Any, *, timeout: timedelta) -> None:
        """`connection` is SQLAlchemy's, in autocommit: the transaction is begun here, with its snapshot."""
        self.dialect = MySql()
        self._connection = connection
        self._raw = connection.connection.driver_connection
        version = str(self.rows("SELECT VERSION()")[0][0])
        seconds = timeout.total_seconds()
        limit = (
            f"max_statement_time = {seconds:f}"
            if "MariaDB" in version
            else f"max_execution_time = {round(seconds * 1000)}"
        )
        for statement in (
            f"SET SESSION {limit}",
            "SET SESSION time_zone = '+00:00'",
            "SET SESSION sql_mode = ''",
            "SET SESSION net_write_timeout = 600",
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        ):
            self.rows(statement)

    def shape(self, name: str) -> TableShape:
        schema, table = split_name(name)
        schema = schema or str(self.rows("SELECT DATABASE()")[0][0])
        place = {"schema": _text(schema), "table": _text(table)}
        kinds = self.rows(
            "SELECT table_type FROM information_schema.tables "
            "WHERE table_schema = {schema} AND table_name = {table}".format(**place)
        )
        if not kinds:
            known = self.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = {schema} "
                "ORDER BY 1 LIMIT 30".format(**place)
            )
            raise Misconfigured(
                f"there is no table {name}, or this user may not see it",
                hint=f"there is: {', '.join(row[0] for row in known) or 'none'}",
                table=name,
            )
        checked = self._checked(place)
        columns = tuple(_column(row, checked) for row in self.rows(_COLUMNS.format(**place)))
        key = tuple(row[0] for row in self.rows(_KEY.format(**place)))
        full = f"{self.dialect.quote(schema)}.{self.dialect.quote(table)}"
        return TableShape(full, f"{schema}.{table}", columns, key, view="VIEW" in kinds[0][0])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._raw.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def blocks(self, sql: str, table: TableShape) -> Iterator[tuple[bytes, int]]:
        from pymysql.cursors import SSCursor

        with self._raw.cursor(SSCursor) as cursor:
            cursor.execute(sql)
            held, lines = 0, list[bytes]()
            for (line,) in cursor:
                if line is None:
                    raise Misconfigured(
                        "a row is longer than the server's max_allowed_packet",
                        hint="raise max_allowed_packet on the server, or leave out the long column",
                    )
                text = line if isinstance(line, bytes) else line.encode()
                lines.append(text)
                held += len(text)
                if held >= BLOCK:
                    yield b"\n".join([*lines, b""]), len(lines)
                    held, lines = 0, []
            if lines:
                yield b"\n".join([*lines, b""]), len(lines)

    def cuts(self, query: Query, count: int) -> list[Bound]:
        """Equal steps between the least and the greatest key, where that is one whole number; else no cuts."""
        order = query.order
        if len(order) != 1 or order[0].type is not ColumnType.INTEGER:
            return []
        name = self.dialect.quote(order[0].name)
        low, high = self.rows(f"SELECT MIN({name}), MAX({name}) FROM {query.table.name}")[0]
        if low is None:
            return []
        steps = [int(low) + (int(high) - int(low)) * place // count for place in range(1, count)]
        return [(str(step),) for step in dict.fromkeys(steps)]

    def close(self) -> None:
        self._connection.close()

    def _checked(self, place: dict[str, str]) -> str:
        """The checks by which MariaDB, which has no type of its own for it, says that a text is JSON."""
        columns = self.rows(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = 'information_schema' "
            "AND table_name = 'CHECK_CONSTRAINTS' AND column_name = 'TABLE_NAME'"
        )
        if not columns:
            return ""
        return " ".join(str(row[0]) for row in self.rows(_JSON_CHECKS.format(**place)))


def _text(text: str) -> str:
    """A text in SQL, whatever the session thinks of backslashes."""
    return f"_utf8mb4 X'{text.encode().hex()}'" if text else "''"


def _json(column: TableColumn) -> str:
    return f"COALESCE({column.json}, 'null')" if column.nullable else column.json


def _column(row: tuple[Any, ...], checked: str) -> TableColumn:
    name, filled, kind, full, precision, scale, description = row
    quoted = MySql().quote(name)
    kind, full = str(kind).lower(), str(full).lower()
    if f"json_valid({quoted})" in checked:
        kind = "json"
    type_, json, guard = _written(quoted, kind, full)
    decimal = type_ is ColumnType.DECIMAL
    return TableColumn(
        name, type_, kind, json, nullable=not filled, guard=guard, description=str(description or ""),
        precision=int(precision) if decimal else None, scale=int(scale) if decimal else None,
    )  # fmt: skip


def _written(name: str, kind: str, full: str) -> tuple[ColumnType, str, str]:
    """Type, JSON expression and guard of a column."""
    text = f"CAST({name} AS CHAR)"
    match kind:
        case "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year":
            number = f"CAST({name} AS UNSIGNED)" if "zerofill" in full else name
            return ColumnType.INTEGER, f"CAST({number} AS CHAR)", ""
        case "bit":
            return ColumnType.INTEGER, f"CAST({name} + 0 AS CHAR)", ""
        case "decimal":
            number = f"({name} + 0)" if "zerofill" in full else name
            return ColumnType.DECIMAL, f"CAST({number} AS CHAR)", ""
        case "float" | "double":
            return ColumnType.NUMBER, f"CAST({name} + 0e0 AS CHAR)", ""
        case "date":
            return ColumnType.DATE, f"CONCAT('\"', {name}, '\"')", _whole_date(name)
        case "datetime" | "timestamp":
            return (
                ColumnType.TIMESTAMP,
                f"CONCAT('\"', REPLACE({text}, ' ', 'T'), 'Z\"')",
                _whole_date(name),
            )
        case "time" | "uuid" | "inet4" | "inet6":
            type_ = ColumnType.UUID if kind == "uuid" else ColumnType.STRING
            return type_, f"CONCAT('\"', {text}, '\"')", ""
        case "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob":
            return ColumnType.BINARY, f"CONCAT('\"', REPLACE(TO_BASE64({name}), CHAR(10), ''), '\"')", ""
        case "json":
            # Line ends stand between tokens only: within a text JSON writes them as escapes.
            return (
                ColumnType.JSON,
                f"REPLACE(REPLACE(CONVERT({name} USING utf8mb4), CHAR(10), ' '), CHAR(13), ' ')",
                "",
            )
        case (
            "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | ("multipolygon" | "geometrycollection" | "geomcollection")
        ):
            return ColumnType.STRING, f"JSON_QUOTE(ST_AsText({name}))", ""
    return ColumnType.STRING, f"JSON_QUOTE(CONVERT({name} USING utf8mb4))", ""


def _whole_date(name: str) -> str:
    """False for `0000-00-00` and other days that are in no calendar."""
    return f"(YEAR({name}) > 0 AND MONTH({name}) > 0 AND DAYOFMONTH({name}) > 0)"
