"""Checks a stream's records a page at a time, at about the speed of parsing; see `validate` for what a record is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter, methodcaller
from typing import Any

import msgspec
from msgspec import UNSET

from shared.common.errors import Misconfigured
from shared.common.instants import parse_instant
from shared.contracts.contract import Contract
from shared.contracts.typed import NotTyped, Typed, compile_typed
from shared.contracts.validate import (
    NOT_JSON,
    Duplicates,
    Fault,
    Record,
    Validator,
    list_validator,
    pointer_to,
)


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """What a page came to.

    `accepted` are the records that may land, in their order (the very sequence that was given, when all may);
    `rejected` are (index in the page, faults). `keys` and `cursors` belong to `accepted`, one each: a key is the
    value of the only key field or a tuple of values; a cursor is None where the record has none. `closed`: it is known
    that no record has a field which the contract does not declare.
    """

    accepted: Sequence[Record]
    rejected: tuple[tuple[int, tuple[Fault, ...]], ...]
    keys: Sequence[Any]
    cursors: Sequence[Any]
    closed: bool = False

    @property
    def newest(self) -> Any:
        """The greatest cursor: the latest instant, the greatest number or text; None when there is none."""
        return newest(self.cursors)


class PageChecker:
    """Checks the records of a stream, a page at a time; compiled once, to be used by one thread at a time.

    Decodes each record with the contract's type (see `typed`) and asks the full validator only about those that this
    does not accept, or about all when the contract cannot be compiled. `key_fields` and `cursor_field` may be dotted
    paths; a record without its key is rejected. Without a contract every JSON object with its key is accepted.
    """

    def __init__(
        self,
        contract: Contract | None,
        *,
        key_fields: Sequence[str] = (),
        cursor_field: str | None = None,
        duplicates: Duplicates = Duplicates.LAST,
    ) -> None:
        contract = contract or Contract.from_schema({"type": "object"})
        self.contract = contract
        self.validator = Validator.for_contract(contract, duplicates=duplicates)
        self._paths = tuple(tuple(path.split(".")) for path in key_fields)
        self._cursor = tuple(cursor_field.split(".")) if cursor_field else None
        tops = frozenset(path[0] for path in (*self._paths, self._cursor) if path)
        self._strict = _Reader.compile(contract, tops, closed=True)
        self._open = _Reader.compile(contract, tops, closed=False)
        self._reader = self._strict

    @property
    def compiled(self) -> bool:
        """Whether the fast way exists for this contract."""
        return self._strict is not None

    def check(self, records: Sequence[Record]) -> PageVerdict:
        """The verdict on a page: every record accepted or rejected, keys and cursors of the accepted ones."""
        rows = self._rows(records)
        if rows is not None:
            keys = self._keys(rows)
            if not _has_none(keys, len(self._paths)):
                closed = self._reader is self._strict
                return PageVerdict(records, (), keys, self._cursors(rows), closed)
        return self._one_by_one(records)

    def _rows(self, records: Sequence[Record]) -> list[Any] | None:
        """The page decoded, when the fast way accepts all of it."""
        if self._reader is None or self.validator.duplicates is Duplicates.REFUSE:
            return None
        rows = self._reader.rows(records)
        if rows is None and self._reader is self._strict and self._open is not None:
            rows = self._open.rows(records)
            if rows is not None:  # undeclared fields: this stream has them, do not look for none again
                self._reader = self._open
        return rows

    def _one_by_one(self, records: Sequence[Record]) -> PageVerdict:
        accepted, rejected, rows = [], [], []
        reader = self._open if self.validator.duplicates is Duplicates.LAST else None
        for index, record in enumerate(records):
            quick = reader.rows((record,)) if reader is not None else None
            row, faults = (quick[0], []) if quick is not None else self.validator.read(record)
            if not faults:
                faults = self._key_faults(row)
            if faults:
                rejected.append((index, tuple(faults)))
            else:
                accepted.append(record)
                rows.append(row)
        return PageVerdict(accepted, tuple(rejected), self._keys(rows), self._cursors(rows))

    def _key_faults(self, row: Any) -> list[Fault]:
        missing = [path for path in self._paths if self._value(row, path) is None]
        text = "the record has no value for this field of its primary key"
        return [Fault(pointer_to(path), "primary_key", text) for path in missing]

    def _keys(self, rows: Sequence[Any]) -> list[Any]:
        columns = [self._values(rows, path) for path in self._paths]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def _cursors(self, rows: Sequence[Any]) -> list[Any]:
        return self._values(rows, self._cursor) if self._cursor else []

    def _values(self, rows: Sequence[Any], path: tuple[str, ...]) -> list[Any]:
        if self._reader is not None and len(path) == 1:
            try:
                values = list(map(self._reader.getter(path[0]), rows))
            except AttributeError:  # a row of the full validator is a dict
                return [self._value(row, path) for row in rows]
            return [None if value is UNSET else value for value in values] if UNSET in values else values
        return [self._value(row, path) for row in rows]

    def _value(self, row: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(row, dict):
            assert self._reader is not None
            row = {path[0]: self._reader.getter(path[0])(row)}
        for name in path:
            row = row.get(name) if isinstance(row, dict) else None
        return None if row is UNSET else row


@dataclass(frozen=True)
class _Reader:
    """A compiled contract with its decoder. `skips`: some bytes are not looked at while decoding."""

    typed: Typed
    decode: Callable[[Record], Any]
    skips: bool

    @classmethod
    def compile(cls, contract: Contract, plain: frozenset[str], *, closed: bool) -> _Reader | None:
        try:
            typed = compile_typed(
                contract.schema, lambda part: list_validator(contract, part), closed=closed, plain=plain
            )
        except NotTyped:
            return None
        return cls(typed, msgspec.json.Decoder(typed.type).decode, not closed)

    def rows(self, records: Sequence[Record]) -> list[Any] | None:
        """The records decoded; None unless all are accepted."""
        try:
            rows = [self.decode(record) for record in records]
            if self.skips:
                for record in records:
                    _check_utf8(bytes(record))
        except NOT_JSON:
            return None
        return rows if self.typed.check is None or self.typed.check.holds(rows) else None

    def getter(self, name: str) -> Callable[[Any], Any]:
        return attrgetter(self.typed.attributes[name])


_ends_with_z = methodcaller("endswith", "Z")


def newest(cursors: Iterable[Any]) -> Any:
    """The greatest of some cursors: instants by time, whatever zone and precision they are written in.

    >>> newest(["2024-01-01T00:00:00Z", "2024-01-01T00:30:00+01:00", None])
    '2024-01-01T00:00:00Z'
    """
    values = [value for value in cursors if value is not None]
    if set(map(type, values)) != {str}:
        return max((value for value in values if isinstance(value, int | float)), default=None)
    alike = len(set(map(len, values))) == 1 and all(map(_ends_with_z, values))
    return max(values) if alike else max(values, key=_instant)


def _instant(text: str) -> tuple[datetime, str]:
    try:
        return parse_instant(text.upper()), text
    except (Misconfigured, OverflowError):
        return datetime.min.replace(tzinfo=UTC), text


def _has_none(keys: Sequence[Any], fields: int) -> bool:
    return None in keys if fields == 1 else any(None in key for key in keys)


def _check_utf8(record: bytes) -> None:
    if not record.isascii():
        record.decode()
