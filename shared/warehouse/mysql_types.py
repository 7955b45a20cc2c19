"""What the types and the names of a contract become in MySQL and MariaDB."""

from __future__ import annotations

import re
import unicodedata
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
    quoted,
    shortened,
)
from shared.warehouse.ports import TableSpec
from shared.warehouse.relational_door import ROW, names_of

TYPES = {
    ColumnType.STRING: "LONGTEXT",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.BOOLEAN: "TINYINT(1)",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "DATETIME(6)",
    ColumnType.TIME: "LONGTEXT",
    ColumnType.JSON: "JSON",
    ColumnType.UUID: "CHAR(36)",
    ColumnType.BINARY: "LONGBLOB",
}
WIDE = "DECIMAL(38,0)"
MOST_DIGITS, MOST_SCALE = 65, 30

MOMENT = "DATETIME(6)"
OURS_TYPES = {
    RUN: "VARCHAR(190)",
    LOADED_AT: MOMENT,
    COMMIT: "BIGINT",
    PART: "INT",
    ROW: "BIGINT PRIMARY KEY",
    VALID_FROM: MOMENT,
    VALID_TO: MOMENT,
    IS_CURRENT: "TINYINT(1)",
    CLOSED_BY: "BIGINT",
}
_KINDS = {
    **{kind: column for column, kind in TYPES.items() if column is not ColumnType.TIME},
    "TEXT": ColumnType.STRING,
    "MEDIUMTEXT": ColumnType.STRING,
    "SMALLINT": ColumnType.INTEGER,
    "INT": ColumnType.INTEGER,
    WIDE: ColumnType.INTEGER,
    "FLOAT": ColumnType.NUMBER,
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_WIDTH = re.compile(r"^(BIGINT|INT|SMALLINT)\(\d+\)")
_LONGEST_NAME = 64
TAKEN = ("_sluice_new",)
"""Names that no column may have: that of the column beside one that is widened."""


def backticked(*names: str) -> str:
    """An identifier, or several that are the parts of one address, in any mode of the server."""
    quoted(*names)  # refuses what can be no name
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def type_of(column: Column, *, wide: bool = False) -> str:
    """The type of a column in a final table; `wide` is for integers beyond 64 bits."""
    match column.type:
        case ColumnType.DECIMAL:
            total, scale = digits(column)
            return f"DECIMAL({total},{scale})"
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


def spelled(kind: str) -> str:
    """A type as the catalogue says it, as it is said here."""
    return _WIDTH.sub(r"\1", kind.upper())


def fit(name: str) -> str:
    """A name that MySQL takes, and does not cut."""
    plain = "".join("_" if ord(letter) > 0xFFFF else letter for letter in name.rstrip(" ")) or "_"
    if plain != name:  # a name of its own, though it lost what the server does not take
        plain = shortened(f"{plain}{' ' * _LONGEST_NAME}{name}", _LONGEST_NAME)
        plain = f"{plain[:-9].rstrip(' ')[: _LONGEST_NAME - 9]}{plain[-9:]}"
    return shortened(plain, _LONGEST_NAME)


def fold(name: str) -> str:
    """The same for all names that MySQL takes for equal."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def columns_for(fields: Iterable[str], spec: TableSpec, *, there: Iterable[str] = ()) -> dict[str, str]:
    """The column of each field, in the final table of `spec`, whose columns are `there`, and its stages."""
    return names_of(fields, spec, taken=TAKEN, fit=fit, fold=fold, there=there)
