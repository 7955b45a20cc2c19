"""Parts as rows for a warehouse that is sent them as text: one value per column, in the order of the log.

A record is decoded straight into the columns by a type that is made for them; what that refuses is taken apart value by
value, which knows every spelling that is right and says what is wrong with the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from shared.common.errors import Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ports import StagedPart
from shared.warehouse.text import opened
from shared.warehouse.values import NotAValue, Scalar, Spelling, cell, common_moment, decimal, from_text

Row = list[Any]
Line = Callable[[Row, bool], bytes]
"""Makes what is sent of a row; True: none of its texts has a control character other than line breaks and tabs."""

_CHUNK = 1 << 20
_NULL = msgspec.Raw(b"null")
_KINDS: Mapping[ColumnType, Any] = {
    ColumnType.STRING: str | None,
    ColumnType.TIME: str | None,
    ColumnType.INTEGER: int | None,
    ColumnType.NUMBER: float | None,
    ColumnType.BOOLEAN: bool | None,
    ColumnType.DATE: date | None,
    ColumnType.TIMESTAMP: str | None,
    ColumnType.UUID: UUID | None,
}
_UNNAMED = re.compile(r'[\\"\x00-\x1f]')
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')


class Rows:
    """Reads parts of one load. `line` makes what is sent of a row and of what stands behind it, the columns of ours.
    `careful` checks every value here, where the warehouse itself found something wrong.
    """

    def __init__(
        self, columns: Sequence[Column], spelling: Spelling, *, line: Line, careful: bool = False
    ) -> None:
        self._columns = columns
        self._spelling = spelling
        self._decode = None if careful else _decoder(columns)
        self._special = list(_special(columns, spelling))
        self._nested = [place for place, column in enumerate(columns) if column.type is ColumnType.JSON]
        self._line = line

    def of(self, part: StagedPart, *, tail: Sequence[Any], first: int) -> Iterator[bytes]:
        """The rows of a part, in order, with `tail` and their number behind them, which begins at `first`.

        Raises `Violation` naming line, column and value.
        """
        return (
            self._csv(part, tail, first) if part.format.startswith("csv") else self._json(part, tail, first)
        )

    def _json(self, part: StagedPart, tail: Sequence[Any], first: int) -> Iterator[bytes]:
        decode, special, nested, spell = self._decode, self._special, self._nested, self._spelling.nested
        astuple, make = msgspec.structs.astuple, self._line
        for number, line in enumerate(_lines(part), start=1):
            numbered = b"\\u" in line  # no control character but through an escape by number
            try:
                if decode is None:
                    raise NotAValue
                row = [*astuple(decode(line)), *tail, first + number]
                for place in nested:
                    text = str(row[place], "utf-8")
                    row[place] = None if text == "null" else spell(text) if numbered else text
                for place, of in special:
                    if row[place] is not None:
                        row[place] = of(row[place])
            except (msgspec.DecodeError, UnicodeDecodeError, NotAValue):
                row = [*self._taken_apart(line, number, part), *tail, first + number]
                numbered = True
            yield make(row, not numbered)

    def _taken_apart(self, line: bytes, number: int, part: StagedPart) -> Row:
        try:
            record = _RECORD.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Violation(f"line {number} of a part cannot be read: {error}", part=part.key) from error
        row: Row = []
        for column in self._columns:
            raw = bytes(record.get(column.name, _NULL))
            try:
                row.append(cell(column, raw, self._spelling))
            except (NotAValue, ValueError) as error:
                raise _refused(column, raw.decode("utf-8", "replace"), number, part, error) from error
        return row

    def _csv(self, part: StagedPart, tail: Sequence[Any], first: int) -> Iterator[bytes]:
        records = _records(part)
        header = [text or "" for text in next(records, (0, []))[1]]
        places = [header.index(c.name) if c.name in header else None for c in self._columns]
        for count, (number, cells) in enumerate(records, start=1):
            if len(cells) != len(header):
                raise Violation(
                    f"line {number} of a part cannot be read: it has {len(cells)} cells, and the header {len(header)}",
                    part=part.key,
                )
            row: Row = []
            for column, place in zip(self._columns, places, strict=True):
                text = None if place is None else cells[place]
                try:
                    row.append(None if text is None else from_text(column, text, self._spelling))
                except NotAValue as error:
                    raise _refused(column, text or "", number, part, error) from error
            yield self._line([*row, *tail, first + count], False)


_RECORD = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _decoder(columns: Sequence[Column]) -> Callable[[bytes], msgspec.Struct] | None:
    """Decodes a record into the columns in their order; None where a name cannot be said to the decoder."""
    if any(_UNNAMED.search(column.name) for column in columns):
        return None
    fields: list[tuple[str, Any, Any]] = []
    for place, column in enumerate(columns):
        kind = _KINDS.get(column.type, msgspec.Raw)
        fields.append((f"f{place}", kind, _NULL if kind is msgspec.Raw else None))
    rename = {f"f{place}": column.name for place, column in enumerate(columns)}
    return msgspec.json.Decoder(msgspec.defstruct("Record", fields, rename=rename)).decode


def _special(columns: Sequence[Column], spelling: Spelling) -> Iterator[tuple[int, Callable[[Any], Scalar]]]:
    """What is done with decoded values that cannot go in as they are."""
    for place, column in enumerate(columns):
        match column.type:
            case ColumnType.DECIMAL:
                yield place, decimal(column)
            case ColumnType.TIMESTAMP:
                yield place, common_moment(spelling)
            case ColumnType.BINARY:
                yield place, partial(_binary, column, spelling)


def _binary(column: Column, spelling: Spelling, raw: msgspec.Raw) -> Scalar:
    return cell(column, bytes(raw), spelling)


def _lines(part: StagedPart) -> Iterator[bytes]:
    """Lines without their ends; the empty ones are left out."""
    with opened(part) as body:
        rest = b""
        while chunk := body.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line for line in lines if line and not line.isspace())
        if rest and not rest.isspace():
            yield rest


def _records(part: StagedPart) -> Iterator[tuple[int, list[Any]]]:
    """Records of CSV with the number of their first line; a cell is None where nothing stands, and not even quotes."""
    held, begun = b"", 0
    for number, line in enumerate(_csv_lines(part), start=1):
        begun = begun or number
        held += line
        if held.count(b'"') % 2:
            continue
        yield begun, _cells(held, begun, part)
        held, begun = b"", 0
    if held:
        raise Violation(f"line {begun} of a part cannot be read: a quote is never closed", part=part.key)


def _csv_lines(part: StagedPart) -> Iterator[bytes]:
    with opened(part) as body:
        yield from body


def _cells(record: bytes, number: int, part: StagedPart) -> list[Any]:
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise Violation(f"line {number} of a part cannot be read: {error}", part=part.key) from error
    text = text.removesuffix("\n").removesuffix("\r")
    cells: list[Any] = []
    at = 0
    while True:
        found = _CELL.match(text, at)
        if found is None:
            raise Violation(f"line {number} of a part cannot be read: a quote within a cell", part=part.key)
        cells.append(found[2] or None if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if not found[3]:
            return cells


def _refused(column: Column, text: str, number: int, part: StagedPart, error: Exception) -> Violation:
    shown = text.strip('"')
    more = f"; {error}" if isinstance(error, NotAValue) and str(error) else ""
    return Violation(
        f'line {number}: the value of column "{column.name}" is no {column.type.value}, like {shown!r:.80}{more}',
        hint="correct the type in the contract, or the records at their source",
        part=part.key,
        column=column.name,
    )
