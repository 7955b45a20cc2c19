"""Parts without the rows that a warehouse cannot hold, which are written down elsewhere with the reason.

Only a part that was refused as it is comes here: it is read row by row. What could be held in another spelling is
respelled in CSV, where nobody else does it: a leap second, and a text in a json column that is no JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from shared.common.formats import read_csv
from shared.contracts.columns import Column, ColumnType
from shared.landing.writer import rejection
from shared.warehouse.ports import StagedPart
from shared.warehouse.text import csv_header, opened
from shared.warehouse.unheld import unheld, unheld_text

Put = Callable[[StagedPart, bytes, bytes], None]
"""Takes the record of a row of a part that is set aside, as JSON, and the line that says why."""

_LEAP = re.compile(r":60(\.[0-9]+)?(?=[Zz+-])")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it goes on; with a reason it does not, because of `field`, and `line` is its record as JSON."""

    line: bytes
    respelled: bool = False
    reason: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Sifted:
    """A part without the rows that were set `aside`; `changed`: it is not what it was."""

    part: StagedPart
    aside: int
    changed: bool


def sifted(
    part: StagedPart,
    target: Path,
    *,
    columns: Sequence[Column],
    strict: bool,
    put: Put,
    deepest: int | None = None,
) -> Sifted:
    """Write the rows of `part` that can be held to `target` and give the others to `put`. `strict`, `deepest`: see
    `unheld`.

    Raises `Violation` where CSV is none.
    """
    csv = part.format.startswith("csv")
    aside, respelled = 0, False
    with target.open("wb") as file:
        if csv:
            file.write(_line(csv_header(part)))
        for number, row in enumerate((_csv if csv else _json)(part, columns, strict, deepest), start=1):
            if row.reason:
                aside += 1
                where = {"commit": part.commit, "part": part.key, "row": number}
                put(
                    part,
                    row.line,
                    rejection(row.line, reason=row.reason, pointer=_pointer(row.field), **where),
                )
            else:
                file.write(row.line)
                respelled = respelled or row.respelled
    left = replace(part, file=target, rows=part.rows - aside, format="csv" if csv else "jsonl")
    return Sifted(left, aside, respelled or aside > 0)


def _json(part: StagedPart, columns: Sequence[Column], strict: bool, deepest: int | None) -> Iterator[_Row]:
    with opened(part) as lines:
        for line in lines:
            if line.isspace():
                continue
            try:
                fields = _FIELDS.decode(line)
            except msgspec.DecodeError as error:
                # What is no JSON at all was damaged, which is for somebody to look at.
                yield _Row(line, reason=f"it cannot be read: {error}" if strict and _is_json(line) else "")
                continue
            for column in columns:
                reason = unheld(column, bytes(fields.get(column.name, _NULL)), strict=strict, deepest=deepest)
                if reason:
                    yield _Row(line, reason=reason, field=column.name)
                    break
            else:
                yield _Row(line if line.endswith(b"\n") else line + b"\n")


def _csv(part: StagedPart, columns: Sequence[Column], strict: bool, deepest: int | None) -> Iterator[_Row]:
    with opened(part) as body:
        records = read_csv(body.read())
    for cells in records:
        spelled = dict(cells)
        for column in columns:
            text = cells.get(column.name)
            if text is None:
                continue
            nested = column.type is ColumnType.JSON and unheld(
                column, text.encode(), strict=False, deepest=deepest
            )
            if reason := nested or unheld_text(column, text, strict=strict):
                yield _Row(json.dumps(cells).encode(), reason=reason, field=column.name)
                break
            spelled[column.name] = _respelled(column, text)
        else:
            yield _Row(_line(spelled.values()), respelled=spelled != cells)


def fields_of(part: StagedPart, record: bytes, columns: Iterable[Column]) -> bytes | None:
    """These columns of a record that `put` was given, as a line of JSON; None when it lacks one."""
    fields: Mapping[str, bytes]
    try:
        fields = {name: bytes(value) for name, value in _FIELDS.decode(record).items()}
    except msgspec.DecodeError:
        fields = {name: json.dumps(value).encode() for name, value in json.loads(record).items()}
    found = {column.name: fields.get(column.name, b"null") for column in columns}
    if part.format.startswith("csv"):
        # A nested value is a text there.
        for name in (column.name for column in columns if column.type is ColumnType.JSON):
            text = json.loads(found[name])
            found[name] = text.encode() if text is not None and _is_json(text) else found[name]
    if b"null" in found.values():
        return None
    return (
        b"{" + b",".join(json.dumps(name).encode() + b":" + value for name, value in found.items()) + b"}\n"
    )


def _respelled(column: Column, text: str) -> str:
    match column.type:
        case ColumnType.TIMESTAMP:
            return _LEAP.sub(":59.999999", text)
        case ColumnType.JSON if not _is_json(text):
            return json.dumps(text, ensure_ascii=False)
        case _:
            return text


def _is_json(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _line(cells: Iterable[str | None]) -> bytes:
    """Cells as RFC 4180 has them: nothing for null, and all others quoted."""
    return ",".join("" if c is None else '"' + c.replace('"', '""') + '"' for c in cells).encode() + b"\r\n"


def _pointer(field: str) -> str:
    return "/" + field.replace("~", "~0").replace("/", "~1") if field else ""
