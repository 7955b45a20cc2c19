"""Rows and nested values as COPY and jsonb of PostgreSQL take them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shared.warehouse.values import REPLACEMENT

_NUL = "\\u0000"
_BETWEEN, _NOTHING = "\x1e", "\x1d"
COPY = "COPY {stage} FROM STDIN (DELIMITER E'\\x1e', NULL E'\\x1d')"
_ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", REPLACEMENT.encode()))
_HARDLY_EVER = str.maketrans(
    {"\x1e": "\\\x1e", "\x1d": "\\\x1d", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": REPLACEMENT}
)
_JSON_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


def copy_line(row: Sequence[Any], *, plain: bool = False) -> bytes:
    r"""A row as COPY reads it: between cells, and for null, stand characters that texts hardly ever have.

    `plain`: no text of this row has them.

    >>> copy_line(["a\tb\n", None, True, 1.5])
    b'a\tb\\n\x1e\x1d\x1eTrue\x1e1.5\n'
    """
    line = _BETWEEN.join([_NOTHING if value is None else str(value) for value in row]).encode()
    if not plain and (line.count(b"\x1e") != len(row) - 1 or line.count(b"\x1d") != row.count(None)):
        cells = [_NOTHING if value is None else str(value).translate(_HARDLY_EVER) for value in row]
        return _BETWEEN.join(cells).encode() + b"\n"
    for one, other in _ESCAPES:
        if one in line:
            line = line.replace(one, other)
    return line + b"\n"


def storable(text: str) -> str:
    """JSON without what jsonb refuses: NUL, and halves of surrogate pairs."""
    if "\\u" not in text:
        return text
    cleaned = _JSON_ESCAPE.sub(lambda found: "\\ufffd" if found[0] == _NUL else found[0], text)
    if "\\ud" in cleaned or "\\uD" in cleaned:
        return _PAIR.sub(lambda found: found[0] if found[1] or found[3] else "\\ufffd", cleaned)
    return cleaned


_PAIR = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(\\.)"
)
