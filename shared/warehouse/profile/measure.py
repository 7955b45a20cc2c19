"""Measures a table: one aggregate query over all columns, then the frequent values and the shape of each column."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from shared.common.errors import unknown
from shared.common.instants import format_instant
from shared.common.ports import Clock
from shared.warehouse.checks.dialect import Dialect, Query, columns_of
from shared.warehouse.checks.plan import number, plain
from shared.warehouse.profile.model import Bin, ColumnProfile, Days, Kind, Profile, Top

TOP = 10
BINS = 24
CATEGORIES = 6
"""A column of at most this many values (and one with this many columns of them) is shown per day."""

_MOST_DAYS = 40
_LONGEST = 80
_NUMBERS = ("INT", "DECIMAL", "NUMERIC", "NUMBER", "DOUBLE", "FLOAT", "REAL")
_NESTED = ("JSON", "VARIANT", "OBJECT", "ARRAY", "STRUCT", "MAP", "[]", "BLOB", "BYTEA", "BINARY")


@dataclass(frozen=True, slots=True)
class _Table:
    query: Query
    sql: str
    dialect: Dialect
    types: Mapping[str, str]

    def kind(self, name: str) -> Kind:
        declared = self.dialect.kind(self.types[name])
        if any(word in declared for word in _NESTED):
            return "other"
        if declared in ("BOOLEAN", "BOOL"):
            return "boolean"
        if declared.startswith(("DATE", "TIMESTAMP")):
            return "time"
        if (
            any(word in declared for word in _NUMBERS)
            and "INTERVAL" not in declared
            and "POINT" not in declared
        ):
            return "number"
        return "text" if self.dialect.is_text(declared) else "other"

    def value(self, name: str) -> str:
        """The column as something that can be compared: nested values as text, texts so that equal means equal."""
        column = self.dialect.quote(name)
        match self.kind(name):
            case "other":
                return self.dialect.cast_text.format(x=column)
            case "text":
                return self.dialect.exact.format(x=column)
        return column


def measure(
    query: Query,
    table: str,
    *,
    name: str,
    dialect: Dialect,
    clock: Clock,
    hidden: Sequence[str] = (),
    by: str | None = None,
) -> Profile:
    """The profile of a table, which stands in SQL as it is; `name` is what people call it.

    `by` is a column of times by whose days rows are counted; None: there is none. Columns in `hidden` are left out.
    """
    began = clock.monotonic()
    ours = {name.casefold() for name in hidden}  # Snowflake says names of ours in capital letters
    found = columns_of(query, table, dialect).items()
    types = {column: kind for column, kind in found if column.casefold() not in ours}
    there = _Table(query, table, dialect, types)
    rows, columns = _summary(there)
    shaped = tuple(_shaped(there, column, rows) for column in columns)
    days = None
    if by is not None:
        times = [one for one in types if there.kind(one) == "time"]
        same = [one for one in times if one == by] or [
            one for one in times if one.casefold() == by.casefold()
        ]
        if len(same) != 1:
            raise unknown("column of dates or timestamps", by, times)
        days = _days(there, same[0], shaped)
    now = format_instant(clock.now())
    return Profile(name, now, rows, shaped, days, round(clock.monotonic() - began, 3))


def _summary(table: _Table) -> tuple[int, list[ColumnProfile]]:
    """The rows, and all that one aggregate query can say about the columns."""
    wanted = {name: _asked(table, name) for name in table.types}
    asked = list(dict.fromkeys(["count(*)", *(sql for one in wanted.values() for sql in one.values())]))
    row = table.query(f"SELECT {', '.join(asked)} FROM {table.sql}")[0]
    values = dict(zip(asked, row, strict=True))
    rows = number(values["count(*)"])
    return rows, [
        _told(table, name, rows, {k: values[sql] for k, sql in one.items()}) for name, one in wanted.items()
    ]


def _asked(table: _Table, name: str) -> dict[str, str]:
    """The aggregates of a column."""
    column, value, kind = table.dialect.quote(name), table.value(name), table.kind(name)
    asked = {"there": f"count({column})", "distinct": f"count(DISTINCT {value})"}
    if kind in ("number", "time", "text"):
        asked |= {"low": f"min({value})", "high": f"max({value})"}
    if kind == "number":
        double = table.dialect.double.format(x=column)
        asked |= {"mean": f"avg({double})", "deviation": f"stddev_samp({double})"}
    if kind == "text":
        length = table.dialect.length.format(x=column)
        asked |= {"shortest": f"min({length})", "longest": f"max({length})"}
    return asked


def _told(table: _Table, name: str, rows: int, values: Mapping[str, Any]) -> ColumnProfile:
    shortest, longest = values.get("shortest"), values.get("longest")
    return ColumnProfile(
        name,
        table.types[name],
        table.kind(name),
        rows - number(values["there"]),
        number(values["distinct"]),
        _short(values.get("low")),
        _short(values.get("high")),
        _float(values.get("mean")),
        _float(values.get("deviation")),
        None if shortest is None else number(shortest),
        None if longest is None else number(longest),
    )


def _shaped(table: _Table, column: ColumnProfile, rows: int) -> ColumnProfile:
    """The column with its most frequent values, where any value repeats, and its histogram."""
    present = rows - column.nulls
    value = table.value(column.name)
    top: tuple[Top, ...] = ()
    if 0 < column.distinct < present or 0 < column.distinct <= TOP:
        where = f"WHERE {table.dialect.quote(column.name)} IS NOT NULL"
        found = table.query(
            f"SELECT {value}, count(*) FROM {table.sql} {where} GROUP BY {value} ORDER BY 2 DESC, 1 LIMIT {TOP}"
        )
        top = tuple(Top(str(_short(row[0])), number(row[1])) for row in found)
    bins: tuple[Bin, ...] = ()
    if column.kind == "number":
        bins = _number_bins(table, column)
    elif column.kind == "time":
        counts = _per_day(table, column.name)
        bins = tuple(
            Bin(low, high, sum(counts[day] for day in days)) for low, high, days in _spans(list(counts))
        )
    return replace(column, top=top, bins=bins)


def _number_bins(table: _Table, column: ColumnProfile) -> tuple[Bin, ...]:
    """Bins of equal width from the least to the greatest value."""
    if not isinstance(column.low, int | float) or not isinstance(column.high, int | float):
        return ()
    low, high = float(column.low), float(column.high)
    width = (high - low) / BINS
    if not (math.isfinite(width) and width > 0 and column.distinct > 1):
        return ()
    literal, name = table.dialect.literal, table.dialect.quote(column.name)
    place = f"floor(({table.dialect.double.format(x=name)} - {literal(low)}) / {literal(width)})"
    sql = f"SELECT {place}, count(*) FROM {table.sql} WHERE {name} IS NOT NULL GROUP BY {place}"
    counts: defaultdict[int, int] = defaultdict(int)
    for row in table.query(sql):
        if row[0] is not None and math.isfinite(row[0]):
            counts[max(0, min(BINS - 1, int(row[0])))] += number(row[1])
    return tuple(Bin(low + place * width, low + (place + 1) * width, counts[place]) for place in range(BINS))


def _per_day(table: _Table, name: str) -> dict[str, int]:
    """Rows per day that has any, the oldest first."""
    day = table.dialect.day.format(x=table.dialect.quote(name))
    found = table.query(f"SELECT {day}, count(*) FROM {table.sql} GROUP BY {day} ORDER BY 1")
    return {_day(row[0]): number(row[1]) for row in found if row[0] is not None}


def _spans(days: Sequence[str], most: int = _MOST_DAYS) -> list[tuple[str, str, list[str]]]:
    """At most `most` pieces of equal length between the first and the last day, with the days that are in each."""
    if not days:
        return []
    try:
        first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    except ValueError:  # infinity, or a year that Python does not have
        return []
    width = max(1, math.ceil(((last - first).days + 1) / most))
    found: list[tuple[str, str, list[str]]] = []
    for place in range(((last - first).days // width) + 1):
        low = first + timedelta(days=place * width)
        high = low + timedelta(days=min(width - 1, (last - low).days))
        found.append((low.isoformat(), high.isoformat(), []))
    for day in days:
        found[(date.fromisoformat(day) - first).days // width][2].append(day)
    return found


def _days(table: _Table, by: str, columns: Sequence[ColumnProfile]) -> Days | None:
    """Rows per day, and what the columns of few values were on these days."""
    counts = _per_day(table, by)
    spans = _spans(list(counts))
    if not spans:
        return None
    rows = tuple(sum(counts[day] for day in days) for _, _, days in spans)
    few = [c for c in columns if c.kind in ("text", "boolean") and 1 < c.distinct <= CATEGORIES and c.top]
    shares = {column.name: _shares(table, by, column, spans) for column in few[:CATEGORIES]}
    low, high, _ = spans[0]
    width = (date.fromisoformat(high) - date.fromisoformat(low)).days + 1
    return Days(by, width, spans[-1][1], tuple(low for low, _, _ in spans), rows, shares)


def _shares(
    table: _Table, by: str, column: ColumnProfile, spans: Sequence[tuple[str, str, list[str]]]
) -> dict[str, tuple[int, ...]]:
    """Rows per piece of time for each value of a column of few values."""
    day, value = table.dialect.day.format(x=table.dialect.quote(by)), table.value(column.name)
    place = {day: number for number, (_, _, days) in enumerate(spans) for day in days}
    counts = {top.value: [0] * len(spans) for top in column.top}
    for row in table.query(f"SELECT {day}, {value}, count(*) FROM {table.sql} GROUP BY {day}, {value}"):
        if row[0] is not None and row[1] is not None and str(_short(row[1])) in counts:
            counts[str(_short(row[1]))][place[_day(row[0])]] += number(row[2])
    return {value: tuple(found) for value, found in counts.items()}


def _day(value: Any) -> str:
    return value.date().isoformat() if isinstance(value, datetime) else str(plain(value))[:10]


def _short(value: Any) -> Any:
    found = plain(value)
    return f"{found[: _LONGEST - 1]}…" if isinstance(found, str) and len(found) > _LONGEST else found


def _float(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
