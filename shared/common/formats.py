r"""Encodes raw records (JSON texts) as lines of a part: JSON lines and CSV, without changing a value.

Numbers keep their digits and strings their characters, because values are copied as text and not parsed: integers of
any size, decimals, NUL and U+2028 arrive as they were sent. Nothing in data is "fixed": a field that begins with `=`
(CSV injection) is the reader's to handle.

>>> JsonLines().encode([b'{"id": 1}', b'{\n  "id": 2.10\n}'])
b'{"id": 1}\n{"id":2.10}\n'
>>> table = Csv(("id", "name", "tags"))
>>> table.header() + table.encode([b'{"id":1.0,"name":"a \\"b\\" c"}', b'{"id":2,"name":"","tags":[1,2]}'])
b'id,name,tags\r\n1.0,"a ""b"" c",\r\n2,"","[1,2]"\r\n'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import repeat
from operator import contains
from typing import Any, ClassVar, Protocol

import msgspec

from shared.common.errors import Misconfigured, Violation

Record = bytes | msgspec.Raw
"""One JSON object as text."""


class Format(Protocol):
    """How a part holds its records."""

    extension: ClassVar[str]

    def header(self) -> bytes:
        """What a file begins with."""

    def encode(self, records: Sequence[Record]) -> bytes:
        """The records as whole lines, to be put behind each other."""


@dataclass(frozen=True)
class JsonLines:
    """One JSON text a line, ended by LF. A record that spans lines is compacted, its values untouched."""

    extension: ClassVar[str] = "jsonl"

    def header(self) -> bytes:
        return b""

    def encode(self, records: Sequence[Record]) -> bytes:
        texts = list(map(bytes, records))
        if any(map(contains, texts, repeat(b"\n"))) or any(map(contains, texts, repeat(b"\r"))):
            texts = list(map(_one_line, texts))
        texts.append(b"")
        return b"\n".join(texts)


def _one_line(record: bytes) -> bytes:
    return msgspec.json.format(record, indent=-1) if b"\n" in record or b"\r" in record else record


class Nested(StrEnum):
    """What CSV does with objects: a column of JSON text, or a column per field (`address.city`)."""

    JSON = "json"
    FLATTEN = "flatten"


@dataclass(frozen=True)
class Csv:
    """RFC 4180 with a header, in the order of `columns`, for two columns or more.

    null and missing fields are empty, and the empty string is `""`. Strings are always quoted, numbers and booleans
    never; lists, and objects that are not flattened, are JSON text. Fields that no column names are left out, unless
    `rest` names a column that takes them as one JSON object. In `json_columns` a string is JSON text too, with
    its quotes: a reader could not tell it from an object or a number otherwise.
    """

    columns: tuple[str, ...]
    nested: Nested = Nested.JSON
    rest: str | None = None
    json_columns: frozenset[str] = frozenset()
    extension: ClassVar[str] = "csv"

    def __post_init__(self) -> None:
        names = [*self.columns, *([self.rest] if self.rest else [])]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise Misconfigured(f"columns occur twice: {', '.join(doubled)}", hint="name each column once")
        if len(names) < 2:
            raise Misconfigured(
                "a CSV file needs two columns or more",
                hint="with one, a null is an empty line: use format jsonl",
            )

        _tree(self.columns, split=self.nested is Nested.FLATTEN)

    def header(self) -> bytes:
        names = [*self.columns, *([self.rest] if self.rest else [])]
        return b",".join([_quoted_name(name) for name in names]) + b"\r\n"

    def encode(self, records: Sequence[Record]) -> bytes:
        """One row per record. Raises `Violation` when a field with columns inside is not an object."""
        row = self._row
        return b"".join([b",".join(row(_decode_fields(record))) + b"\r\n" for record in records])

    @cached_property
    def _row(self) -> Callable[[dict[str, msgspec.Raw]], list[bytes]]:
        places = [place for place, name in enumerate(self.columns) if name in self.json_columns]
        if self.nested is Nested.JSON and self.rest is None:
            if not places:
                return lambda fields: _cells(map(fields.get, self.columns))
            return lambda fields: _with_json(list(map(fields.get, self.columns)), places)
        tree = _tree(self.columns, split=self.nested is Nested.FLATTEN)

        def row(fields: dict[str, msgspec.Raw]) -> list[bytes]:
            found: dict[str, msgspec.Raw] = {}
            others = _spread(fields, tree, found, "")
            cells = _with_json(list(map(found.get, self.columns)), places)
            if self.rest:
                cells.append(_doubled(msgspec.json.encode(others)) if others else b"")
            return cells

        return row


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def _cells(values: Iterator[msgspec.Raw | None]) -> list[bytes]:
    """The values as they stand between the commas.

    A JSON string without a backslash is a quoted CSV field as it stands, for it cannot hold a bare quote. The first
    byte tells what a value is; names for these bytes would cost a third of the time here.
    """
    cells: list[bytes] = []
    add = cells.append
    for value in values:
        if value is None:
            add(b"")
            continue
        text = bytes(value)
        first = text[0]
        if first == 34:  # "
            add(text if b"\\" not in text else _doubled(_decode_text(text).encode()))
        elif first == 110:  # null
            add(b"")
        elif first == 123 or first == 91:  # noqa: PLR1714  ({ and [; a tuple of them is slower)
            add(_doubled(text))
        else:
            add(text)
    return cells


def _with_json(values: list[msgspec.Raw | None], places: Sequence[int]) -> list[bytes]:
    """As `_cells`, with the strings in `places` as JSON text."""
    cells = _cells(iter(values))
    for place in places:
        value = values[place]
        if value is not None and (text := bytes(value)).startswith(b'"'):
            cells[place] = _doubled(text)
    return cells


def _doubled(text: bytes) -> bytes:
    return b'"' + text.replace(b'"', b'""') + b'"'


def _quoted_name(name: str) -> bytes:
    text = name.encode()
    return _doubled(text) if not text or re.search(rb'[",\r\n]', text) else text


Tree = dict[str, "str | Tree"]
"""Field -> the column it goes to, or the fields inside it."""


def _tree(columns: Sequence[str], *, split: bool) -> Tree:
    tree: Tree = {}
    for column in columns:
        *path, last = column.split(".") if split else [column]
        place = tree
        for name in path:
            inner = place.setdefault(name, {})
            if isinstance(inner, str):
                raise Misconfigured(
                    f'column "{column}" lies inside column "{inner}"', hint="name one of them"
                )
            place = inner
        if last in place:
            raise Misconfigured(
                f'other columns lie inside column "{column}"', hint="name it, or what is inside"
            )
        place[last] = column
    return tree


def _spread(
    fields: Mapping[str, msgspec.Raw], tree: Tree, found: dict[str, msgspec.Raw], prefix: str
) -> dict[str, msgspec.Raw]:
    """Put each field where the tree says; returns the fields that no column names, by dotted path."""
    others: dict[str, msgspec.Raw] = {}
    for name, value in fields.items():
        match tree.get(name):
            case None:
                others[prefix + name] = value
            case str() as column:
                found[column] = value
            case inner:
                text = bytes(value)
                if text.startswith(b"{"):
                    others |= _spread(_decode_fields(text), inner, found, f"{prefix}{name}.")
                elif text != b"null":
                    raise Violation(f'"{prefix}{name}" is not an object, but columns lie inside it')
    return others


def read_json_lines(data: bytes) -> Iterator[bytes]:
    """The JSON texts of a JSON-lines file; blank lines are skipped."""
    for line in data.split(b"\n"):
        if line.strip():
            yield line


_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|\Z)')


def read_csv(data: bytes) -> Iterator[dict[str, str | None]]:
    """The rows of a CSV file with a header; an empty field is None, `""` is the empty string.

    Raises `Violation` with the number of the row (the header is row 1) where the text is not RFC 4180.
    """
    rows = _rows(data.decode())
    names = next(rows, [])
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise Violation(f"row {number} has {len(row)} fields, the header {len(names)}")
        yield {name or "": value for name, value in zip(names, row, strict=True)}


def _rows(text: str) -> Iterator[list[str | None]]:
    row: list[str | None] = []
    at, number = 0, 1
    while at < len(text):
        field: Any = _FIELD.match(text, at)
        if field is None:
            raise Violation(f"row {number} is not CSV: a quote stands in the middle of a field")
        quoted, bare, end = field.groups()
        row.append(quoted.replace('""', '"') if quoted is not None else bare or None)
        at = field.end()
        if end != ",":
            yield row
            row, number = [], number + 1
    if row:
        yield [*row, None]
