"""Columns of a stream without a contract, from every record of its parts: text wherever the type is in doubt.

JSON says which values are numbers, so that is believed; a text is a date or a time only when every value of the field
is one. CSV says nothing: its fields are text. Write a contract to have it otherwise (decimals, for one).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from math import isinf
from typing import Any

import msgspec

from shared.common.errors import Violation
from shared.contracts.columns import DIGITS, Column, ColumnType
from shared.warehouse.ddl import join
from shared.warehouse.ports import StagedPart
from shared.warehouse.text import csv_header, opened

_MOMENT = re.compile(r"(?P<date>\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?")
_EXACT = 2**53
_WIDEST = 10**38
_PLAIN = {
    bool: ColumnType.BOOLEAN,
    int: ColumnType.INTEGER,
    float: ColumnType.NUMBER,
    dict: ColumnType.JSON,
    list: ColumnType.JSON,
}


class Evidence:
    """What was seen of each field so far."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[ColumnType]] = {}
        self.large: set[str] = set()
        self._text: set[str] = set()

    def see(self, record: Mapping[str, Any]) -> None:
        kinds = self.kinds
        for name, value in record.items():
            found = kinds.get(name)
            if found is None:
                found = kinds[name] = set()
            if value is None:
                continue
            if value.__class__ is str:
                if name not in self._text:
                    found.add(self._of_text(name, value))
                continue
            found.add(_PLAIN[value.__class__])
            if value.__class__ is int and not -_EXACT <= value <= _EXACT:
                self._large(name, value)

    def columns(self) -> tuple[Column, ...]:
        """Fields in the order in which they were first seen; those that were always null are text."""
        return tuple(self._column(name, found) for name, found in self.kinds.items())

    def _column(self, name: str, found: set[ColumnType]) -> Column:
        kind = self._type(name, found)
        # With a precision: such as a double would round.
        wide = kind is ColumnType.INTEGER and name in self.large
        return Column(name, kind, precision=DIGITS if wide else None)

    def _of_text(self, name: str, value: str) -> ColumnType:
        kind = _kind_of_text(value)
        if kind is ColumnType.STRING:
            self._text.add(name)
        return kind

    def _large(self, name: str, value: int) -> None:
        self.large.add(name)
        if not -_WIDEST < value < _WIDEST:
            self.kinds[name].add(ColumnType.STRING)

    def _type(self, name: str, found: set[ColumnType]) -> ColumnType:
        kind = reduce(join, found) if found else ColumnType.STRING
        # A double would round integers this large: an identifier must not change its digits.
        return ColumnType.STRING if kind is ColumnType.NUMBER and name in self.large else kind


def infer(parts: Iterable[StagedPart]) -> tuple[Column, ...]:
    """The columns that hold the records of all parts. Raises `Violation` naming the line that is no JSON object."""
    return evidence_of(parts).columns()


def evidence_of(parts: Iterable[StagedPart]) -> Evidence:
    """As `infer`: what was seen."""
    evidence = Evidence()
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for part in parts:
        if part.format.startswith("csv"):
            evidence.see(dict.fromkeys(csv_header(part), ""))
            continue
        with opened(part) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    evidence.see(decode(line))
                except msgspec.DecodeError as error:
                    evidence.see(_leniently(line, number, part, error))
    return evidence


def _leniently(line: bytes, number: int, part: StagedPart, error: Exception) -> dict[str, Any]:
    """A record with a number beyond all doubles, which only text can hold."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise Violation(f"line {number} of a part is no record: {error}", part=part.key)
    return {
        name: "" if isinstance(value, float) and isinf(value) else value for name, value in record.items()
    }


def _kind_of_text(value: str) -> ColumnType:
    match = _MOMENT.fullmatch(value)
    if match is None:
        return ColumnType.STRING
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ColumnType.STRING
    return ColumnType.DATE if moment.tzinfo is None else ColumnType.TIMESTAMP
