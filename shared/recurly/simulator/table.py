"""The records of one list: kept as documents, sorted by time, and sent page by page as ready-made JSON.

Pages go by keys, as the API's do: a cursor says behind which record a page begins, so a record that changes while
somebody pages moves to another place in the order of `updated_at`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

Doc = dict[str, Any]
Place = tuple[str, int]  # the value of the sort field, and the record's number to tell equal ones apart
_FIELDS = {
    "recorded_timestamp": "recording_timestamp"
}  # the API sorts usage by a name that its records spell otherwise


@dataclass(slots=True)
class Row:
    """A record, its number in the order of creation, the key of the record it is listed under, and its JSON."""

    number: int
    doc: Doc
    owner: str
    wire: bytes | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a request asks for; times are texts as in the records, both ends inclusive; `after`: the last place seen."""

    owner: str | None = None
    sort: str = "created_at"
    ascending: bool = False
    begin: str | None = None
    end: str | None = None
    keep: Callable[[Doc], bool] | None = None
    after: Place | None = None
    limit: int = 20


class Table:
    """The records of one list by key (their id where they have one)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._numbered = 0
        self.rows: dict[str, Row] = {}
        self._by_code: dict[str, str] = {}
        self._owned: dict[str, dict[str, Row]] = {}
        self._orders: dict[str, tuple[list[Place], list[Row]]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, doc: Doc, *, key: str = "", owner: str = "") -> Doc:
        """Append a record and return it; `owner` is the key of the record that it is listed under."""
        key = key or doc["id"]
        self._numbered += 1
        row = self.rows[key] = Row(self._numbered, doc, owner)
        if "code" in doc:
            self._by_code[doc["code"]] = key
        if owner:
            self._owned.setdefault(owner, {})[key] = row
        self._orders.clear()
        return doc

    def find(self, reference: str) -> Row | None:
        """The record with this id, or with `code-…` this code."""
        key = self._by_code.get(reference[5:], "") if reference.startswith("code-") else reference
        return self.rows.get(key)

    def owned_by(self, owner: str) -> list[Doc]:
        return [row.doc for row in self._owned.get(owner, {}).values()]

    def touch(self, key: str, at: str | None = None, **changes: Any) -> None:
        """Change a record; its `updated_at` moves to `at`, never back (None: it stays, as with embedded records)."""
        row = self.rows[key]
        row.doc.update(changes)
        if at is not None:
            row.doc["updated_at"] = max(at, row.doc["updated_at"])
        row.wire = None
        self._orders.clear()

    def remove(self, key: str) -> None:
        row = self.rows.pop(key)
        if row.owner:
            del self._owned[row.owner][key]
        self._orders.clear()

    def count(self, selection: Selection) -> int:
        """How many records the selection has, however far its cursor is."""
        return len(self._matching(selection)[1])

    def page(self, selection: Selection) -> tuple[list[Row], str | None]:
        """The rows of one page, and the cursor of the next one (None: there is none)."""
        places, rows = self._matching(selection)
        if selection.ascending:
            start = bisect_right(places, selection.after) if selection.after else 0
            chosen = rows[start : start + selection.limit]
            more = start + selection.limit < len(rows)
            last = places[start + len(chosen) - 1] if chosen else None
        else:
            stop = bisect_left(places, selection.after) if selection.after else len(rows)
            first = max(0, stop - selection.limit)
            chosen = rows[first:stop][::-1]
            more, last = first > 0, (places[first] if chosen else None)
        return chosen, write_cursor(last) if more and last else None

    def _matching(self, selection: Selection) -> tuple[list[Place], list[Row]]:
        places, rows = self._sorted(_FIELDS.get(selection.sort, selection.sort), selection.owner)
        low = bisect_left(places, (selection.begin, 0)) if selection.begin else 0
        high = bisect_right(places, (selection.end, 1 << 62)) if selection.end else len(places)
        if low or high < len(places):
            places, rows = places[low:high], rows[low:high]
        if selection.keep is not None:
            kept = [(place, row) for place, row in zip(places, rows, strict=True) if selection.keep(row.doc)]
            places, rows = [place for place, _ in kept], [row for _, row in kept]
        return places, rows

    def _sorted(self, field: str, owner: str | None) -> tuple[list[Place], list[Row]]:
        if owner is not None:
            return _in_order(self._owned.get(owner, {}).values(), field)
        if field not in self._orders:
            self._orders[field] = _in_order(self.rows.values(), field)
        return self._orders[field]

    def render(self, *, nulls: bool) -> None:
        """Make the JSON of every record that has none."""
        for row in self.rows.values():
            if row.wire is None:
                row.wire = wire(row.doc, nulls=nulls)


def _in_order(rows: Iterable[Row], field: str) -> tuple[list[Place], list[Row]]:
    placed = sorted(((row.doc.get(field) or row.doc["created_at"], row.number), row) for row in rows)
    return [place for place, _ in placed], [row for _, row in placed]


def wire(doc: Doc, *, nulls: bool) -> bytes:
    """A record's JSON, with its null members as the live API sends them, or without, as its OpenAPI file has it."""
    return orjson.dumps(doc if nulls else _without_nulls(doc))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def write_cursor(place: Place) -> str:
    """A cursor that looks like the API's (`123:456`): the record's number and the digits of its time.

    >>> write_cursor(("2025-01-31T07:00:00Z", 12))
    '12:20250131070000'
    """
    return f"{place[1]}:{''.join(c for c in place[0] if c.isdigit())}"


def read_cursor(text: str) -> Place:
    """The place that a cursor names. Raises `ValueError` for what no answer ever contained.

    >>> read_cursor("12:20250131070000")
    ('2025-01-31T07:00:00Z', 12)
    """
    number, _, digits = text.partition(":")
    if len(digits) != 14 or not (
        digits.isascii() and digits.isdigit() and number.isascii() and number.isdigit()
    ):
        raise ValueError(f"not a cursor: {text}")
    d = digits
    return f"{d[:4]}-{d[4:6]}-{d[6:8]}T{d[8:10]}:{d[10:12]}:{d[12:]}Z", int(number)
