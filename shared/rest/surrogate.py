r"""Gets pages through the parser in which a text ends in the middle of a character: a surrogate without its other half.

`"\ud800"` is JSON (RFC 8259, 8.2), but no text, and a parser that makes texts refuses the whole body. Here each such
escape is replaced by one of the same length that the body does not hold, so that it can be told apart and taken back:
the record comes out as it was sent, and the contract refuses that record alone.

>>> stand_in = StandIn.of(rb'[{"a": "\ud800"}, {"b": "\ud83d\ude00"}]')
>>> stand_in.body.decode()
'[{"a": "\\ue800"}, {"b": "\\ud83d\\ude00"}]'
>>> stand_in.undo(rb'{"a": "\ue800"}').decode()
'{"a": "\\ud800"}'
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_SUSPECT = re.compile(rb"\\u[dD][89a-fA-F]")

# Every escape is consumed as a whole, else the end of `\\ud800` would count; two halves that fit are left alone.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|u([a-fA-F])([89a-fA-F][0-9a-fA-F]{2})"
    rb"|.)",
    re.DOTALL,
)

_LETTERS = "eabcf"
"""First digits of the escapes that may stand in: from U+E800 on nobody has characters (private use), so it is first."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A body in which no surrogate is alone; it has the length of the one that it stands for."""

    body: bytes
    letter: str

    @classmethod
    def of(cls, body: bytes) -> StandIn | None:
        """None when there is no lone surrogate, or when the body uses all escapes that could stand in."""
        if _SUSPECT.search(body) is None:
            return None
        used = {found[1].decode().lower() for found in _ESCAPE.finditer(body) if found[1]}
        free = [letter for letter in _LETTERS if letter not in used]
        if "d" not in used or not free:
            return None
        return cls(_exchange(body, "d", free[0]), free[0])

    def undo(self, piece: bytes) -> bytes:
        """A piece of `body` as it was sent."""
        return _exchange(piece, self.letter, "d")

    def within(self, value: Any) -> bool:
        """Whether a value that was read from `body` holds a character that nobody sent."""
        text = json.dumps(value).encode()
        return any(found[1] == self.letter.encode() for found in _ESCAPE.finditer(text))


def _exchange(text: bytes, old: str, new: str) -> bytes:
    change = {old.encode(): new.encode(), old.upper().encode(): new.upper().encode()}

    def one(found: re.Match[bytes]) -> bytes:
        return b"\\u" + change[found[1]] + found[2] if found[1] in change else found[0]

    return _ESCAPE.sub(one, text)
