"""The records of a file, line by line in constant memory: JSON lines or CSV, plain or gzip.

Nothing is judged here but what makes a record of CSV: its values become JSON by what the contract says of their
columns, and a value that does not fit stays a text, for the contract to refuse.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import msgspec
from isal import igzip, isal_zlib

from shared.common.errors import Misconfigured, Violation
from shared.common.formats import read_csv
from shared.contracts.columns import Column, ColumnType
from shared.ingestion.files_look import looks_like

CHUNK = 1024 * 1024
LONGEST = 64 * 1024 * 1024
"""Bytes of a line; a longer one is refused, so that memory has a bound."""

_SHOWN = 1000
"""Bytes of a line that is too long that are kept."""

_BOM = b"\xef\xbb\xbf"
_CORRUPT: tuple[Any, ...] = (igzip.BadGzipFile, EOFError, isal_zlib.error, zlib.error)
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Line:
    """A record and where it begins. `fault` says why it is none; `shown` is then what was read of it."""

    number: int
    record: bytes
    fault: str = ""


def unpacked(file: BinaryIO) -> BinaryIO:
    """The content of a file: gzip is known by its first two bytes."""
    start = file.read(2)
    whole = io.BufferedReader(_Rejoined(start, file), CHUNK)
    content: BinaryIO = igzip.open(whole) if start == b"\x1f\x8b" else whole  # type: ignore[no-untyped-call]
    return content


class _Rejoined(io.RawIOBase):
    """A stream with what was read of it already put before it."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start or self._rest.read(len(buffer))
        self._start = b""
        buffer[: len(data)] = data
        return len(data)


def chunks(content: BinaryIO) -> Iterator[bytes]:
    """The content in pieces. Raises `Violation` when it is gzip and broken."""
    try:
        while chunk := content.read(CHUNK):
            yield chunk
    except _CORRUPT as error:
        raise Violation(f"the file is not whole gzip: {error}", hint="fetch it again") from None


def lines(content: BinaryIO) -> Iterator[Line]:
    """The lines, each without its end; the last one may lack it. Numbers count from 1, blank lines too."""
    number, held, size = 1, list[bytes](), 0
    first = True
    for piece in chunks(content):
        chunk = piece.removeprefix(_BOM) if first else piece
        first = False
        *whole, rest = chunk.split(b"\n")
        for end in whole:
            held.append(end)
            yield _line(number, b"".join(held), size + len(end))
            number, held, size = number + 1, [], 0
        size += len(rest)
        if size <= LONGEST:
            held.append(rest)
        else:
            held = [b"".join(held)[:_SHOWN]]
    if size:
        yield _line(number, b"".join(held), size)


def _line(number: int, text: bytes, size: int) -> Line:
    if size > LONGEST:
        return Line(number, text[:_SHOWN], f"the line has {size} bytes, more than {LONGEST}")
    return Line(number, text.rstrip(b"\r"))


def json_records(content: BinaryIO) -> Iterator[Line]:
    """The lines that are not blank."""
    for line in lines(content):
        text = line.record.strip()
        if text or line.fault:
            yield Line(line.number, text, line.fault)


def csv_records(
    content: BinaryIO, columns: tuple[Column, ...], *, header: list[str] | None = None
) -> Iterator[Line]:
    """The rows of a CSV file (RFC 4180, with a header) as JSON objects, by the types of the columns.

    An empty field is null, `""` the empty text. A header `a.b` that the contract has as an object is put into one.
    The names of the columns are put into `header`, which is empty when it is given.
    Raises `Misconfigured` for a header that names a column twice, or none.
    """
    rows = _rows(content)
    top = next(rows, None)
    if top is None:
        raise Misconfigured("the CSV file has no header", hint="its first line must name the columns")
    names = _header(top)
    if header is not None:
        header.extend(names)
    types = {column.name: column.type for column in columns}
    for row in rows:
        if row.fault or not row.record.strip():
            if row.fault:
                yield row
            continue
        try:
            (values,) = read_csv(top.record + b"\n" + row.record + b"\n")
        except (Violation, UnicodeDecodeError, ValueError) as error:
            said = error.message if isinstance(error, Violation) else f"not CSV: {error}"
            yield Line(row.number, row.record, said.replace("row 2", "the row"))
            continue
        yield Line(row.number, _object([(name, values[name]) for name in names], types))


def _rows(content: BinaryIO) -> Iterator[Line]:
    """Lines joined to rows: a line end within quotes ends no row."""
    held, open_, first, size = list[bytes](), False, 0, 0
    for line in lines(content):
        first = first or line.number
        held.append(line.record)
        size += len(line.record)
        open_ ^= line.record.count(b'"') % 2 == 1
        if line.fault or size > LONGEST:
            yield Line(
                first, b"\n".join(held)[:_SHOWN], line.fault or f"the row has more than {LONGEST} bytes"
            )
        elif open_:
            continue
        else:
            yield Line(first, b"\n".join(held))
        held, open_, first, size = [], False, 0, 0
    if held:
        yield Line(first, b"\n".join(held)[:_SHOWN], "the file ends within quotes")


def _header(row: Line) -> list[str]:
    if b"\r" in row.record and b'"' not in row.record:
        raise Misconfigured(
            "the lines of the CSV file end with CR alone, so that all of it is one line",
            hint="write line ends as LF or CRLF: tr '\\r' '\\n'",
        )
    try:
        (names,) = read_csv(
            b",".join([b"c%d" % i for i in range(row.record.count(b",") + 1)]) + b"\n" + row.record
        )
    except (Violation, UnicodeDecodeError, ValueError):
        seems = looks_like("csv", row.record)
        raise Misconfigured(
            "the header of the CSV file cannot be read",
            hint=seems or "it must name the columns, with commas between",
        ) from None
    found = [name or "" for name in names.values()]
    if found[-1] == "" and "" not in found[:-1] and len(found) > 1:
        raise Misconfigured(
            f"the header of the CSV file ends with a comma: its last column, number {len(found)}, has no name",
            hint="take the comma from the header, and from every row; or name the column",
        )
    doubled = sorted({name for name in found if found.count(name) > 1})
    if doubled or "" in found:
        what = f"names {', '.join(doubled)} twice" if doubled else "has a column without a name"
        raise Misconfigured(f"the header of the CSV file {what}", hint="give each column one name")
    return found


def _object(values: list[tuple[str, str | None]], types: dict[str, ColumnType]) -> bytes:
    """One row as a JSON object; values of dotted columns are put into the objects that they name."""
    made: dict[str, Any] = {}
    for name, value in values:
        place, last = made, name
        if "." in name and name in types:
            *path, last = name.split(".")
            for step in path:
                place = place.setdefault(step, {})
        place[last] = _value(value, types.get(name))
    return msgspec.json.encode(made)


def _value(text: str | None, type_: ColumnType | None) -> Any:
    """A field as the JSON value that its column wants, or as text when it is none."""
    if text is None:
        return None
    match type_:
        case ColumnType.INTEGER if _INTEGER.fullmatch(text):
            return msgspec.Raw(text.encode())
        case ColumnType.NUMBER | ColumnType.DECIMAL if _NUMBER.fullmatch(text):
            return msgspec.Raw(text.encode())
        case ColumnType.BOOLEAN if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case ColumnType.JSON:
            try:
                return msgspec.json.decode(text, type=msgspec.Raw)
            except msgspec.DecodeError:
                return text
    return text
