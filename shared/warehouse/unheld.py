"""Values that fit their contract and that no column of a warehouse can hold: too many digits, no such moment.

What is no value of the column's type at all is not found here: then contract and records do not belong together, and
somebody has to look at all of them.
"""

from __future__ import annotations

import re
from datetime import UTC, date
from decimal import Decimal, InvalidOperation
from math import isinf

import msgspec

from shared.contracts.columns import DIGITS, Column, ColumnType
from shared.warehouse.ddl import digits
from shared.warehouse.values import moment

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{}]', re.DOTALL)
_RFC_3339 = re.compile(
    _DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_decode = msgspec.json.Decoder(str).decode


def unheld(column: Column, raw: bytes, *, strict: bool, deepest: int | None = None) -> str:
    """Why no column holds this JSON value (whole JSON); empty when one does, or when it is none of the column's type.

    `strict` also finds what only some warehouses refuse, `deepest` what is nested deeper than that.
    """
    if deepest is not None and column.type is ColumnType.JSON and _depth(raw) > deepest:
        return f"it is nested deeper than {deepest} levels"
    if raw == b"null":
        return ""
    if raw[:1] == b'"':
        return unheld_text(column, _decode(raw), strict=strict)
    if column.type is ColumnType.JSON:
        return _nested(raw) if strict else ""
    return unheld_text(column, raw.decode("utf-8", "replace"), strict=strict)


def unheld_text(column: Column, text: str, *, strict: bool) -> str:
    """As `unheld`, for the text of a value as CSV has it."""
    match column.type:
        case ColumnType.INTEGER | ColumnType.DECIMAL | ColumnType.NUMBER if _NUMBER.fullmatch(text):
            return _number(column, text)
        case ColumnType.DATE | ColumnType.TIMESTAMP if strict:
            return _time(text)
        case _:
            return ""


def _depth(raw: bytes) -> int:
    """How many objects and lists stand in one another."""
    depth = most = 0
    for found in _BRACKET.finditer(raw):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        most = max(most, depth)
    return most


def _number(column: Column, text: str) -> str:
    if column.type is ColumnType.NUMBER:
        return "it is beyond the largest number of 64 bits" if isinf(float(text)) else ""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return "its exponent is beyond all bounds"
    if value.is_zero():
        return ""
    if column.type is ColumnType.INTEGER:
        return f"it has more than {DIGITS} digits" if value.adjusted() >= DIGITS else ""
    total, scale = digits(column)
    if value.adjusted() >= total - scale:
        return (
            f"it has more than {total - scale} digits before the point, see precision and scale of the column"
        )
    _, figures, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    zeros = len(figures) - len("".join(map(str, figures)).rstrip("0"))
    if -exponent - zeros > scale:
        return (
            f"it would be rounded to {scale} digits behind the point, see precision and scale of the column"
        )
    return ""


def _time(text: str) -> str:
    try:
        if _RFC_3339.fullmatch(text):
            moment(text).astimezone(UTC)
        elif _DAY.fullmatch(text):
            date.fromisoformat(text)
    except (ValueError, OverflowError):
        return "no calendar from year 1 to 9999 has it (in UTC)"
    return ""


def _nested(raw: bytes) -> str:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"it cannot be read: {error}"
    return ""
