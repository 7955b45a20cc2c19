"""Rows as MySQL reads them behind VALUES: JSON arrays in round brackets, with the few escapes that it has otherwise."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.warehouse.values import Spelling

_ENCODER = msgspec.json.Encoder()
_ESCAPE = re.compile(rb"\\(u[0-9a-f]{4}|.)")


def values_line(row: Sequence[Any], *, plain: bool = False) -> bytes:
    r"""A row in round brackets. `plain`: no text of this row has control characters.

    >>> values_line(["a\0\f\n'", None, True, 1.5])
    b'("a\\0\x0c\\n\'",null,true,1.5)'
    """
    line = _ENCODER.encode(row)
    if b"\\f" in line or (not plain and b"\\u00" in line):
        line = _ESCAPE.sub(_written_out, line)
    return b"(%b)" % line[1:-1]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _binary(value: bytes) -> str:

    return b64encode(value).decode()


def _written_out(found: re.Match[bytes]) -> bytes:
    """An escape of JSON as MySQL has it."""
    name = found[1]
    if name == b"f":
        return b"\f"
    if len(name) == 1:
        return found[0]
    return b"\\0" if name == b"u0000" else chr(int(name[1:], 16)).encode()


SPELLING = Spelling(moment=_moment, binary=_binary, nested=str)
