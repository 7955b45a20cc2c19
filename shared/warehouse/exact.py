"""JSON lines rewritten so that a warehouse's own reader cannot bend them.

Readers of warehouses take numbers for doubles on their way to a decimal, refuse an object that says a key twice, and
know fewer spellings of a time than RFC 3339. Here only the top level is taken apart; nested values stay the bytes that
landed. About 60,000 records of 2.4 KB a second, so it is done only where it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec

from shared.common.errors import Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ports import StagedPart
from shared.warehouse.text import opened

_LEAP = re.compile(rb":60(\.[0-9]+)?(?=[Zz+-])")
_LIKELY = re.compile(rb'"[0-9]{4}-[0-9TtZz:.+-]+"')
_NULL = b"null"
_FEWEST, _MOST = -100, 100


def rewrite(part: StagedPart, target: Path, *, columns: Iterable[Column], names: Mapping[str, str]) -> int:
    """Write the records of a JSON-lines part to `target`, uncompressed: only `columns`, under their names in the table.

    Decimals become strings of plain digits, timestamps upper case; the 60th second of a leap second, which no warehouse
    knows, becomes the last moment of the 59th. The last of two equal keys counts. Returns the
    bytes of the longest line. Raises `Violation` naming the line.
    """
    rules = {column.name: (names[column.name], _rule_of(column)) for column in columns}
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    encoder, line_number, longest = msgspec.json.Encoder(), 0, 0
    buffer = bytearray()
    with opened(part) as lines, target.open("wb") as file:
        for line in lines:
            line_number += 1
            try:
                record = _record(decode(line), rules)
            except (msgspec.DecodeError, ArithmeticError) as error:
                raise Violation(
                    f"line {line_number} of a part cannot be read: {error}", part=part.key
                ) from error
            encoder.encode_into(record, buffer)
            buffer += b"\n"
            file.write(buffer)
            longest = max(longest, len(buffer))
    return longest


_Rule = Callable[[bytes], bytes]


def _record(
    found: Mapping[str, msgspec.Raw], rules: Mapping[str, tuple[str, _Rule | None]]
) -> dict[str, msgspec.Raw]:
    record = {}
    for field, raw in found.items():
        name, rule = rules.get(field, (None, None))
        if name is not None:
            record[name] = raw if rule is None else msgspec.Raw(rule(bytes(raw)))
    return record


def _decimal(raw: bytes) -> bytes:
    if raw == _NULL or raw[:1] == b'"':
        return raw
    value = Decimal(raw.decode())
    # No column holds so many digits: written out they would fill the memory, as they are the warehouse refuses them.
    return b'"%s"' % (format(value, "f").encode() if _FEWEST < value.adjusted() < _MOST else raw)


def _timestamp(raw: bytes) -> bytes:
    return _LEAP.sub(b":59.999999", raw.upper()) if _LIKELY.match(raw) else raw


def _digits(raw: bytes) -> bytes:
    return b'"%s"' % raw if raw[:1] in b"-0123456789" else raw


def is_exact(column: Column) -> bool:
    """Whether a column holds the digits of numbers, as a decimal or, where there are too many for one, as text."""
    return column.type is ColumnType.DECIMAL or _is_long(column)


def _is_long(column: Column) -> bool:
    return column.type is ColumnType.STRING and column.precision is not None


def _rule_of(column: Column) -> _Rule | None:
    return _digits if _is_long(column) else _RULES.get(column.type)


_RULES: dict[ColumnType, _Rule] = {ColumnType.DECIMAL: _decimal, ColumnType.TIMESTAMP: _timestamp}
