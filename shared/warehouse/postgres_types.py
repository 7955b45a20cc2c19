"""What the types and the names of a contract become in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    CLOSED_BY,
    COMMIT,
    IS_CURRENT,
    LOADED_AT,
    PART,
    RUN,
    VALID_FROM,
    VALID_TO,
    digits,
    shortened,
)
from shared.warehouse.ports import TableSpec
from shared.warehouse.relational_door import ROW, names_of

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

MOMENT = "timestamp with time zone"
OURS_TYPES = {
    RUN: "text",
    LOADED_AT: MOMENT,
    COMMIT: "bigint",
    PART: "integer",
    ROW: "bigint",
    VALID_FROM: MOMENT,
    VALID_TO: MOMENT,
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
TAKEN = ("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid")
"""Names that PostgreSQL has for columns of its own."""


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


def column_of(name: str, kind: str) -> Column | None:
    """The column that a type stands for; None for types that we do not use."""
    if kind in _KINDS:
        return Column(name, _KINDS[kind])
    found = _DECIMAL.fullmatch(kind)
    return found and Column(name, ColumnType.DECIMAL, precision=int(found[1]), scale=int(found[2]))


def fit(name: str) -> str:
    """A name that PostgreSQL takes without cutting it."""
    return shortened(name.replace("\0", "_"), _LONGEST_NAME, size=lambda text: len(text.encode()))


def columns_for(fields: Iterable[str], spec: TableSpec, *, there: Iterable[str] = ()) -> dict[str, str]:
    """The column of each field, in the final table of `spec`, whose columns are `there`, and its stages."""
    return names_of(fields, spec, taken=TAKEN, fit=fit, fold=str, there=there)
