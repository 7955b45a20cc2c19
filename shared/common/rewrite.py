"""Replaces or drops fields of a raw record and leaves the text of all other values as it was.

>>> rewrite(
...     b'{"id": 1.50, "name": "Ada", "card": {"n": "4111", "x": 2}}', {"name": str.upper, "card.n": DROP}
... )
b'{"id":1.50,"name":"ADA","card":{"x":2}}'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from shared.common.errors import Misconfigured


class Drop(Enum):
    """What to answer for a value that must go."""

    DROP = "drop"


DROP = Drop.DROP

Change = Callable[[Any], Any] | Drop
"""From the value to the value to put in its place, or `DROP`."""

Tree = dict[str, "Change | Tree"]

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def rewrite(record: bytes | msgspec.Raw, changes: Mapping[str, Change]) -> bytes:
    """`record` with the fields at some dotted paths changed; see `Rewriter`."""
    return Rewriter.of(changes)(record)


@dataclass(frozen=True)
class Rewriter:
    """Changes to a stream's records, prepared once. Paths are dotted; a list on the way is walked item by item.

    A function gets the value as plain data, with fractions as `Decimal` so that no digit is lost, and may answer
    `DROP`. A path that a record does not have changes nothing. Of a key that occurs twice only the last value stays.
    """

    tree: Tree

    @classmethod
    def of(cls, changes: Mapping[str, Change]) -> Rewriter:
        """Raises `Misconfigured` when one path lies inside another."""
        tree: Tree = {}
        for path in sorted(changes):
            *names, last = path.split(".")
            place = tree
            for name in names:
                inner = place.setdefault(name, {})
                if not isinstance(inner, dict):
                    raise Misconfigured(
                        f'"{path}" lies inside a field that is changed as a whole', hint="change one"
                    )
                place = inner
            place[last] = changes[path]
        return cls(tree)

    def __call__(self, record: bytes | msgspec.Raw) -> bytes:
        """The changed record. Raises `msgspec.DecodeError` when it is not a JSON object."""
        return _changed(record, self.tree) if self.tree else bytes(record)


def _changed(record: bytes | msgspec.Raw, tree: Tree) -> bytes:
    fields: dict[str, Any] = _decode(record)
    for name, change in tree.items():
        raw = fields.get(name)
        if raw is None:
            continue
        if isinstance(change, dict):
            fields[name] = _inside(raw, change)
            continue
        value = DROP if change is DROP else change(_plain(raw))
        if value is DROP:
            del fields[name]
        else:
            fields[name] = value
    return _encode(fields)


def _inside(raw: msgspec.Raw, tree: Tree) -> msgspec.Raw:
    match bytes(raw)[:1]:
        case b"{":
            return msgspec.Raw(_changed(raw, tree))
        case b"[":
            return msgspec.Raw(_encode([_inside(item, tree) for item in _decode_list(raw)]))
        case _:
            return raw


def _plain(raw: msgspec.Raw) -> Any:
    try:
        return _decode_any(raw)
    except msgspec.ValidationError:  # an integer of thousands of digits
        return bytes(raw).decode()
