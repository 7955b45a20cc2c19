"""The statements that read a table piece by piece, in the words of whichever dialect.

A piece is a range of keys: its rows are asked for without an order, because only its two ends matter for going on. The
end of the next piece is found by walking over the key's index alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.common.errors import Misconfigured
from shared.common.instants import format_instant
from shared.contracts.columns import ColumnType
from shared.ingestion.sql_spec import Table
from shared.ingestion.sql_table import Bound, Range, TableColumn, TableShape

TEMPORAL = (ColumnType.DATE, ColumnType.TIMESTAMP)
NUMERIC = (ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.NUMBER)


class Dialect(Protocol):
    """How one kind of database writes what all of them can say. Pure: text in, text out."""

    def quote(self, name: str) -> str: ...

    def literal(self, text: str, column: TableColumn) -> str:
        """A value of the column from its own spelling (see `spelled`)."""

    def spelled(self, column: TableColumn) -> str:
        """The expression of a value as text from which `literal` makes the same value."""

    def beyond(self, columns: Sequence[TableColumn], bound: Bound, *, operator: str) -> str:
        """Whether the columns, compared one after another, lie beyond the bound (`>` or `<=`)."""

    def earlier(self, literal: str, column: TableColumn, by: timedelta) -> str:
        """A literal moved back by a length of time; by as many units where it is a number."""

    def past(self, lag: timedelta) -> str:
        """The time `lag` ago, by the database's clock."""

    def lines(self, table: TableShape) -> str:
        """What is selected of a row, for `Reader.blocks` to make a line of; `MARK` when a column's guard is false."""


class Reader(Protocol):
    """One connection that reads within a snapshot. Raises `Transient`, `Refused`, `Misconfigured` as its errors say."""

    dialect: Dialect

    def shape(self, name: str) -> TableShape:
        """The table as the catalogue has it. Raises `Misconfigured` when there is none."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...

    def blocks(self, sql: str, table: TableShape) -> Iterator[tuple[bytes, int]]:
        """The rows that `Query.lines` selects as blocks of whole JSON lines, and how many they are.

        A row in which a guard is false begins with `MARK`.
        """

    def cuts(self, query: Query, count: int) -> list[Bound]:
        """At most `count - 1` keys that cut the table into ranges of about the same size."""

    def close(self) -> None: ...


MARK = b"\x03"
"""What a line begins with that must be looked at: a value in it is neither JSON nor a date. JSON never holds it."""


@dataclass(frozen=True, slots=True)
class Query:
    """What one run reads of a table: its order, and the bounds of its cursor in the database's spelling."""

    dialect: Dialect
    table: TableShape
    cursor: TableColumn | None = None
    since: str | None = None
    until: str | None = None
    strict: bool = False
    look_back: timedelta | None = None

    @property
    def order(self) -> tuple[TableColumn, ...]:
        """The columns that the rows are cut by: the cursor, then the key. Empty: they cannot be cut."""
        key = tuple(self.table.column(name) for name in self.table.key)
        if self.cursor is None:
            return key
        return (self.cursor, *(column for column in key if column.name != self.cursor.name))

    def lines(self, span: Range) -> str:
        """The rows of a range."""
        return f"SELECT {self.dialect.lines(self.table)} FROM {self.table.name}{self._where(span)}"

    def boundary(self, span: Range, rows: int) -> str:
        """The key that ends a piece of `rows` rows at the beginning of a range; no row when fewer are left."""
        names = ", ".join(self.dialect.quote(column.name) for column in self.order)
        # Under names of their own: ORDER BY would take `id::text AS id` for the column, and order numbers as texts.
        spelled = ", ".join(
            f"{self.dialect.spelled(column)} AS sluice_{place}" for place, column in enumerate(self.order)
        )
        return (
            f"SELECT {spelled} FROM {self.table.name}{self._where(span)} "
            f"ORDER BY {names} LIMIT 1 OFFSET {rows - 1}"
        )

    def newest(self, lag: timedelta | None) -> str:
        """The greatest value of the cursor that is one; no row when there is none."""
        assert self.cursor is not None
        name = self.dialect.quote(self.cursor.name)
        conditions = [f"{name} IS NOT NULL", *([self.cursor.guard] if self.cursor.guard else [])]
        if lag is not None:
            _must_be(self.cursor, TEMPORAL, "lag")
            conditions.append(f"{name} <= {self.dialect.past(lag)}")
        return (
            f"SELECT {self.dialect.spelled(self.cursor)} AS sluice_0 FROM {self.table.name} "
            f"WHERE {' AND '.join(conditions)} ORDER BY {name} DESC LIMIT 1"
        )

    def any_null(self, columns: Sequence[TableColumn]) -> str:
        """One row when a row of the table has null in one of the columns."""
        names = " OR ".join(f"{self.dialect.quote(column.name)} IS NULL" for column in columns)
        return f"SELECT 1 FROM {self.table.name} WHERE {names} LIMIT 1"

    def _where(self, span: Range) -> str:
        dialect, conditions = self.dialect, list[str]()
        if self.cursor is not None:
            name = dialect.quote(self.cursor.name)
            if self.since is not None:
                since = dialect.literal(self.since, self.cursor)
                if self.look_back:
                    since = dialect.earlier(since, self.cursor, self.look_back)
                conditions.append(f"{name} {'>' if self.strict and not self.look_back else '>='} {since}")
            if self.until is not None:
                conditions.append(f"{name} <= {dialect.literal(self.until, self.cursor)}")
        if span.lower is not None:
            conditions.append(dialect.beyond(self.order, span.lower, operator=">"))
        if span.upper is not None:
            conditions.append(dialect.beyond(self.order, span.upper, operator="<="))
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def query_for(
    reader: Reader, shape: TableShape, table: Table, *, since: str | None = None, until: str | None = None
) -> Query:
    """The query of a run, bounded by the cursor where the table has one and is not read as a whole."""
    if table.cursor_field is None or table.incremental is None or table.disposition == "replace":
        return Query(reader.dialect, shape)
    cursor = shape.column(table.cursor_field)
    if table.incremental.look_back:
        _must_be(cursor, (*TEMPORAL, *NUMERIC), "look_back")
    return Query(
        reader.dialect,
        shape,
        cursor,
        since,
        until,
        strict=table.disposition == "append",
        look_back=table.incremental.look_back,
    )


def asked_since(column: TableColumn, instant: datetime) -> str:
    """An instant that somebody asks to begin at as a value of the cursor."""
    _must_be(column, TEMPORAL, "--since")
    return format_instant(instant)


def asked_until(column: TableColumn, instant: datetime) -> str:
    """The last value before an instant that somebody asks to end at."""
    _must_be(column, TEMPORAL, "--until")
    last = instant - timedelta(microseconds=1)
    return last.date().isoformat() if column.type is ColumnType.DATE else format_instant(last)


def _must_be(column: TableColumn, types: Sequence[ColumnType], what: str) -> None:
    if column.type not in types:
        raise Misconfigured(
            f'{what} does not go with the cursor "{column.name}", which is {column.type.value}',
            hint=f"it goes with {', '.join(one.value for one in types)}",
        )
