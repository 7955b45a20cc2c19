"""What kinds of values some fields have, record by record: what the tables of an evolving stream are widened by."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, methodcaller
from typing import Any

import msgspec

_MOMENT = re.compile(r"(?P<date>\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?")
_EXACT = 2**53
_WIDEST = 10**38


_UNSAYABLE = re.compile(r'[\\"\x00-\x1f]')


def sayable(name: str) -> bool:
    """Whether a decoder that is made for some fields can be told this name."""
    return not _UNSAYABLE.search(name)


class Kinds:
    """Collects the kinds of values at dotted paths of records; `json` texts are what has landed."""

    def __init__(self, paths: Iterable[tuple[str, ...]]) -> None:
        self._paths = sorted(paths)
        names = sorted({path[0] for path in self._paths})
        attributes = {f"f{place}": name for place, name in enumerate(names)}
        self._get: dict[str, Callable[[Any], Any]]
        if all(map(sayable, names)):
            fields = [(attribute, Any, None) for attribute in attributes]
            kind: Any = msgspec.defstruct("Watched", fields, rename=attributes)
            self._get = {name: attrgetter(attribute) for attribute, name in attributes.items()}
        else:
            kind = dict[str, Any]
            self._get = {name: methodcaller("get", name) for name in names}
        self._decode = msgspec.json.Decoder(kind, float_hook=Decimal).decode
        self._text: set[tuple[str, ...]] = set()

    @property
    def count(self) -> int:
        """How many places are watched."""
        return len(self._paths)

    def of(self, records: Sequence[bytes]) -> dict[str, set[str]]:
        """The kinds in some records, by dotted name; a field that was only null or missing has none."""
        found: dict[str, set[str]] = {".".join(path): set() for path in self._paths}
        for record in records:
            row = self._decode(record)
            for path in self._paths:
                value = self._get[path[0]](row)
                for name in path[1:]:
                    value = value.get(name) if isinstance(value, dict) else None
                if value is not None:
                    found[".".join(path)].add(kind_of(value))
        return found


def kind_of(value: Any) -> str:
    """The name of a column's type for a value; `large` and `huge` are integers beyond a double and beyond 38 digits.

    >>> [kind_of(value) for value in (True, 7, 2**60, 1.5, "2024-03-01", "2024-03-01T10:00:00Z", "x", [])]
    ['boolean', 'integer', 'large', 'number', 'date', 'timestamp', 'string', 'json']
    """
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer" if -_EXACT <= value <= _EXACT else "large" if abs(value) < _WIDEST else "huge"
        case float() | Decimal():
            return "number"
        case str():
            return _kind_of_text(value)
        case _:
            return "json"


def _kind_of_text(value: str) -> str:
    match = _MOMENT.fullmatch(value)
    if match is None:
        return "string"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return "string"
    return "date" if moment.tzinfo is None else "timestamp"


def schema_of(kinds: Collection[str]) -> dict[str, Any]:
    """What a contract says of a field with values of these kinds, which may also be null or missing.

    >>> schema_of(["integer", "number"]), schema_of(["date"])
    ({'type': ['number', 'null']}, {'type': ['string', 'null'], 'format': 'date'})
    """
    found = {"integer" if kind in ("large", "huge") else kind for kind in kinds}
    if not found:
        return {}
    if found <= {"date", "timestamp"}:
        form = "date-time" if found == {"timestamp"} else "date" if found == {"date"} else None
        return {"type": ["string", "null"]} | ({"format": form} if form else {})
    if found <= {"integer", "number"}:
        return {"type": ["number" if "number" in found else "integer", "null"]}
    if "json" in found:
        return {}
    names = {"string" if kind in ("date", "timestamp") else kind for kind in found}
    return {"type": [*sorted(names), "null"]}
