"""Which faults of a record are about the type of a value, and not about the value or its absence."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from shared.contracts.columns import Column, ColumnType
from shared.contracts.validate import Fault
from shared.ingestion.kinds import kind_of
from shared.ingestion.loosen import Path, path_of

_decode = msgspec.json.Decoder().decode
_TEXTS = frozenset({ColumnType.DECIMAL, ColumnType.TIME, ColumnType.BINARY})
_NUMBERS = frozenset({ColumnType.NUMBER, ColumnType.DECIMAL})
_KINDS = {
    "integer": _NUMBERS | {ColumnType.INTEGER},
    "large": _NUMBERS | {ColumnType.INTEGER},
    "huge": _NUMBERS | {ColumnType.INTEGER},
    "number": _NUMBERS,
    "boolean": frozenset({ColumnType.BOOLEAN}),
}


def parted(
    faults: Iterable[Fault], record: bytes, columns: Mapping[str, Column], *, cursor: str | None
) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """The faults of type, and the others. Of the field `cursor` all are others: it has to be read as it is."""
    types, others, value = list[Fault](), list[Fault](), read(record)
    for fault in faults:
        path = path_of(fault.pointer)
        about_type = (
            bool(path) and path[0] != cursor and _of_type(fault, path, _value_at(value, path), columns)
        )
        (types if about_type else others).append(fault)
    return tuple(types), tuple(others)


def _of_type(fault: Fault, path: Path, value: Any, columns: Mapping[str, Column]) -> bool:
    column = columns.get(path[0])
    if value is None:
        return False
    if fault.keyword in ("type", "format"):
        return True
    if len(path) > 1 or column is None:
        return False
    spelled_wrong = fault.keyword in ("pattern", "contentEncoding") and column.type in _TEXTS
    return spelled_wrong or not _fits(value, column)


def paths_of(faults: Iterable[Fault]) -> list[Path]:
    """What a record has to lose; a value inside a list goes with its list."""
    found = []
    for fault in faults:
        path = path_of(fault.pointer)
        place = next((at for at, step in enumerate(path) if step.isdecimal()), len(path))
        found.append(path[: max(1, place)])
    return found


def says_more(kinds: Collection[str], column: Column | None) -> bool:
    """Whether kinds were seen that the column, as it is declared now, is not for."""
    if column is None or column.type in (ColumnType.STRING, ColumnType.JSON):
        return False
    expected = {column.type.value, *(kind for kind, types in _KINDS.items() if column.type in types)}
    return not set(kinds) <= expected


def read(record: bytes) -> Any:
    """The record as plain data; None where it is not JSON."""
    try:
        return _decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _value_at(record: Any, path: Path) -> Any:
    for step in path:
        if isinstance(record, dict):
            record = record.get(step)
        elif isinstance(record, list) and step.isdecimal() and int(step) < len(record):
            record = record[int(step)]
        else:
            return None
    return record


def _fits(value: Any, column: Column) -> bool:
    """Whether a value is of the kind that its column is for, whatever else is wrong with it."""
    if column.type is ColumnType.JSON:
        return True
    kind = kind_of(value)
    if kind == "json":
        return False
    if kind in _KINDS:
        return column.type in _KINDS[kind]
    return column.type not in (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.BOOLEAN)
