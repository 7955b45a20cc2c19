"""From the lines that a database wrote to the bytes of a part.

The server has made the JSON already, so a block of lines passes as it is, unless a contract of the file or a mask wants
to see each record, or a line is marked: then it holds a value (NaN, infinity, 0000-00-00) that no column can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from shared.contracts.contract import Contract
from shared.contracts.validate import Validator
from shared.ingestion.sieve import Seen, Sieve
from shared.ingestion.sql_query import MARK
from shared.ingestion.window import Window
from shared.rest.message import Page, Request, Response

_TOKENS = re.compile(rb'("(?:[^"\\]|\\.)*")|(-?Infinity|NaN)')
_NULL = msgspec.Raw(b"null")
_NOWHERE = (Request(""), Response(200))
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Treated:
    """What became of a block: `rows` lines that land, rejected lines with their reasons, and values made null."""

    chunk: bytes
    rows: int
    quarantine: bytes = b""
    rejected: int = 0
    nulled: int = 0


@dataclass(frozen=True, slots=True)
class Lines:
    """How the lines of a table are treated, by one reader.

    With `every` all records go through `strict()`, the sieve, which is made when it is first needed. `known` is the
    contract of the catalogue, against which a marked line shows what is wrong with it; with `nulls` that becomes null,
    otherwise the record is quarantined.
    """

    known: Contract
    strict: Callable[[], Sieve]
    every: bool
    nulls: bool

    def treat(self, block: bytes, lines: int) -> Treated:
        """Treat a block of whole lines."""
        marked = MARK in block
        if not marked and not self.every:
            return Treated(block, lines)
        records = block.split(b"\n")
        if not records[-1]:
            records.pop()
        nulled = 0
        if marked and self.nulls:
            records, nulled = self._nulled(records)
        elif marked:
            records = [unmarked(record) for record in records]
        page = Page(*_NOWHERE, records=tuple(records))
        if not self.every and self.nulls:
            return Treated(b"\n".join([*records, b""]), len(records), nulled=nulled)
        found = self.strict().sift(page, window=Window(), seen=Seen(), included={})
        return Treated(found.chunk, found.rows, found.quarantine, found.rejected, nulled)

    def _nulled(self, records: list[bytes]) -> tuple[list[bytes], int]:
        """The records with the values that the catalogue's contract does not allow made null, and how many."""
        validator, made, nulled = Validator.for_contract(self.known), [], 0
        for record in records:
            if not record.startswith(MARK):
                made.append(record)
                continue
            fields = _fields.decode(unmarked(record))
            wrong = {_top(fault.pointer) for fault in validator.check(unmarked(record))}
            fields.update((name, _NULL) for name in wrong)
            nulled += len(wrong)
            made.append(msgspec.json.encode(fields))
        return made, nulled


def unmarked(record: bytes) -> bytes:
    """A marked line as JSON: numbers that are none become texts.

    >>> unmarked(MARK + b'{"a":NaN,"b":-Infinity,"c":"x:NaN"}')
    b'{"a":"NaN","b":"-Infinity","c":"x:NaN"}'
    """
    return _TOKENS.sub(lambda token: token[1] or b'"%s"' % token[2], record.removeprefix(MARK))


def _top(pointer: str) -> str:
    return pointer.split("/")[1].replace("~1", "/").replace("~0", "~")
