"""A value of a record as the value of a column, exactly, or the reason why it is none.

For warehouses whose rows are sent by us as text. What a contract's types take is said here once; it is what DuckDB's
reader takes (docs/warehouses.md), so that a stream has the same rows wherever it is loaded.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

import msgspec

from shared.contracts.columns import DIGITS, Column, ColumnType
from shared.warehouse.ddl import digits

Scalar = None | bool | int | float | str | msgspec.Raw

REPLACEMENT = "\ufffd"
"""What stands for a character that a warehouse cannot hold: NUL in PostgreSQL, half a surrogate pair anywhere."""

_WIDEST = 10**DIGITS
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})([Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_COMMON = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_TRUE, _FALSE = frozenset({"true", "t", "1", "yes"}), frozenset({"false", "f", "0", "no"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class NotAValue(Exception):
    """The text is no value of the column's type; the message says more where there is more to say."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a warehouse wants what JSON has no word for: a time in UTC, bytes, and the text of a nested value (of one
    that has escapes by number; others stay as they are).
    """

    moment: Callable[[datetime], str]
    binary: Callable[[bytes], str]
    nested: Callable[[str], str]
    as_landed: bool = False
    """Whether a time may go in as it landed (RFC 3339 in UTC, at most microseconds)."""


def cell(column: Column, raw: bytes, spelling: Spelling) -> Scalar:
    """The value of a column out of the bytes of a JSON value."""
    if raw == b"null":
        return None
    text = raw.decode()
    if column.type is ColumnType.JSON:
        return spelling.nested(text)
    if raw[:1] == b'"':
        return from_text(column, json.loads(text), spelling)
    return from_text(column, text, spelling)


def from_text(column: Column, text: str, spelling: Spelling) -> Scalar:
    """The value of a column out of its text, as CSV has it. Raises `NotAValue`."""
    try:
        return _OF_TEXT[column.type](column, text, spelling)
    except (ValueError, OverflowError, InvalidOperation, binascii.Error) as error:
        raise NotAValue from error


def moment(text: str) -> datetime:
    """A time of RFC 3339, or nearly so; without a zone it is UTC; what is finer than microseconds is cut."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, clock, fraction, zone = found[1], found[3] or "00:00:00", (found[4] or "")[:7], found[5] or "Z"
    if clock.endswith(":60"):  # a leap second, which no warehouse knows
        clock, fraction = clock[:-2] + "59", ".999999"
    return datetime.fromisoformat(f"{day}T{clock}{fraction.ljust(7, '0') if fraction else ''}{zone.upper()}")


def common_moment(spelling: Spelling) -> Callable[[str], str]:
    """The way of most times, which are written as everybody writes them."""
    matches, spell = _COMMON.fullmatch, spelling.moment
    if spelling.as_landed:
        return lambda text: text if matches(text) else spell(_utc(text))
    return lambda text: spell(_utc(text))


def decimal(column: Column) -> Callable[[msgspec.Raw], Scalar]:
    """Decimals out of JSON values: their own digits."""
    total, scale = digits(column)

    def of(raw: msgspec.Raw) -> Scalar:
        value = bytes(raw)
        if value == b"null":
            return None
        text = value.strip(b'"').decode()
        whole, _, rest = text.partition(".")
        if len(rest) <= scale and len(whole) <= total - scale and _PLAIN.fullmatch(text):
            return text
        return _decimal(column, json.loads(value) if value[:1] == b'"' else text)

    return of


def _utc(text: str) -> datetime:
    try:
        return moment(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise NotAValue from error


def _string(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column, spelling
    return text if text.isascii() else _SURROGATE.sub(REPLACEMENT, text)


def _integer(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column, spelling
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    value = Decimal(text)
    if value.is_zero():
        return 0
    if value.adjusted() > DIGITS or int(value) != value or not -_WIDEST < int(value) < _WIDEST:
        raise ValueError(text)
    return int(value)


def _number(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column, spelling
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _decimal(column: Column, text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise NotAValue
    total, scale = digits(column)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise NotAValue("its exponent is beyond all bounds") from None
    if value.is_zero():
        return "0"
    if value.adjusted() >= total - scale:
        raise NotAValue(f"it has more than {total - scale} digits before the point")
    rounded = f"it would be rounded to {scale} digits"
    if value.adjusted() < -scale:  # Not written out to see that: the exponent says how long it would be.
        raise NotAValue(rounded)
    whole, _, rest = format(value, "f").partition(".")
    rest = rest.rstrip("0")
    if len(rest) > scale:
        raise NotAValue(rounded)
    return f"{whole}.{rest}" if rest else whole


def _boolean(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column, spelling
    word = text.casefold()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(text)


def _date(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column, spelling
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text).isoformat()


def _nested(column: Column, text: str, spelling: Spelling) -> Scalar:
    del column
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        json.loads(text)  # half a surrogate pair is no error here
    return spelling.nested(text)


_OF_TEXT: dict[ColumnType, Callable[[Column, str, Spelling], Scalar]] = {
    ColumnType.STRING: _string,
    ColumnType.TIME: _string,
    ColumnType.INTEGER: _integer,
    ColumnType.NUMBER: _number,
    ColumnType.DECIMAL: lambda column, text, spelling: _decimal(column, text),
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.TIMESTAMP: lambda column, text, spelling: spelling.moment(_utc(text)),
    ColumnType.JSON: _nested,
    ColumnType.UUID: lambda column, text, spelling: str(UUID(text)),
    ColumnType.BINARY: lambda column, text, spelling: spelling.binary(b64decode(text, validate=True)),
}
