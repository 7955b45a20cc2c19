"""Whether what a source file says of its streams fits together: keys, cursors, masks, columns, parents and formats.

Asked when the file is read. Most of it would otherwise come out when the data has landed and cannot be loaded: a masked
key makes one row of many, and a misspelt one is in no table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.common.documents import Document
from shared.common.errors import Misconfigured, unknown
from shared.common.masks import DropField, Hash
from shared.common.places import Key, Position, Problems
from shared.contracts.columns import Column, resolve
from shared.contracts.contract import Contract
from shared.ingestion.drift_mode import Mode
from shared.ingestion.encoder import encoder_for
from shared.ingestion.spec import SourceSpec, Stream

_BRANCHES = ("allOf", "anyOf", "oneOf", "if", "patternProperties", "$ref")
"""Where a contract has one of these at its root, its `properties` are not all that it declares."""


class Source(Protocol):
    """What is looked at of a source that has just been read; `sql` is what it says where it is a database."""

    @property
    def spec(self) -> SourceSpec: ...
    @property
    def contracts(self) -> Mapping[str, Contract]: ...
    @property
    def sql(self) -> object | None: ...
    def landed(self, name: str) -> Contract | None: ...
    def columns(self, name: str) -> tuple[Column, ...] | None: ...


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is wrong at a dotted place inside a stream."""

    path: tuple[Key, ...]
    text: str


def check_agreement(source: Source, document: Document) -> None:
    """Raises `Misconfigured` with all that does not fit together, each with its place in the file."""
    problems = Problems(document.file)
    for name, stream in source.spec.streams.items():
        for fault in _faults(source, name, stream):
            dotted = ".".join(str(key) for key in ("streams", name, *fault.path))
            problems.add(place_in(document, name, *fault.path), f"{dotted}: {fault.text}")
    problems.check()


def place_in(document: Document, stream: str, *path: Key) -> Position:
    """Where a value of a stream is written: under the stream, or in `defaults`."""
    top = document.positions.children
    streams = top.get("streams")
    own = streams.children.get(stream) if streams else None
    inherited = "defaults" in top and path and path[0] in top["defaults"].children
    if inherited and (own is None or path[0] not in own.children):
        return document.position("defaults", *path)
    return document.position("streams", stream, *path)


def _faults(source: Source, name: str, stream: Stream) -> Iterator[_Fault]:
    contract = source.contracts.get(name)
    yield from _masks(stream)
    if contract is not None:
        yield from _names(stream, contract)
        try:
            source.landed(name)
        except Misconfigured as error:  # a mask that names no field would let its values through
            yield _Fault(("mask",), _said(error))
            return
    if stream.format == "csv":
        try:
            encoder_for(stream, source.columns(name))
        except Misconfigured as error:
            yield _Fault(("format",), _said(error))
    if source.sql is None:
        yield from _family(source, stream)


def _masks(stream: Stream) -> Iterator[_Fault]:
    """What rows are told apart and ordered by must come through as it is, or at least as different as it was."""
    for path, mask in stream.mask.items():
        for key in stream.primary_key:
            if _covers(path, key) and not (isinstance(mask, Hash) and path == key):
                what = (
                    "without it" if isinstance(mask, DropField) else "different values become equal, and then"
                )
                text = (
                    f"{key} is in the primary key: {what} rows cannot be told apart; `hash` keeps them apart"
                )
                yield _Fault(("mask", path), text)
        for role in ("cursor_field", "deleted_field"):
            field = getattr(stream, role)
            if field is not None and _covers(path, field):
                what = "which row is newer" if role == "cursor_field" else "which row is gone"
                yield _Fault(("mask", path), f"{field} is the {role}, which says {what}: it cannot be masked")


def _covers(mask: str, field: str) -> bool:
    return mask == field or field.startswith(f"{mask}.")


def _names(stream: Stream, contract: Contract) -> Iterator[_Fault]:
    """Keys and cursors must be columns: a table is made of what the contract declares."""
    declared = _declared(contract)
    if declared is None or stream.contract_mode.columns is Mode.EVOLVE:
        return
    known = {**declared, **(stream.parent.include if stream.parent else {})}
    for place, field in enumerate(stream.primary_key):
        if _top(field) not in known:
            yield _Fault(("primary_key", place), _unknown(field, known))
    for role in ("cursor_field", "deleted_field"):
        field = getattr(stream, role)
        if field is not None and _top(field) not in known:
            yield _Fault((role,), _unknown(field, known))


def _family(source: Source, stream: Stream) -> Iterator[_Fault]:
    """A child is asked for with the fields of its parent's records."""
    parent, names = stream.parent, stream.placeholders()
    if parent is None:
        if names:
            yield _Fault(("path",), "has {…} but the stream has no `parent`")
        return
    streams = source.spec.streams
    if parent.stream not in streams:
        yield _Fault(("parent", "stream"), _said(unknown("parent stream", parent.stream, streams)))
        return
    of = streams[parent.stream]
    if of.parent is not None:
        yield _Fault(("parent", "stream"), f"{parent.stream} has a parent itself; use `each` instead")
    if parent.changed_only and of.incremental is None:
        yield _Fault(("parent", "changed_only"), f"{parent.stream} is not incremental")
    contract = source.contracts.get(parent.stream)
    known = None if contract is None or of.map is not None else _declared(contract)
    wanted: list[tuple[tuple[Key, ...], str]] = [(("path",), name) for name in names]
    wanted += [(("parent", "include", name), path) for name, path in parent.include.items()]
    if parent.each is not None:
        wanted.append((("parent", "each"), parent.each))
    for place, field in wanted:
        if _top(field) == "each" and place != ("parent", "each"):
            if parent.each is None and (known is None or "each" not in known):
                yield _Fault(place, f"{field} is a field of the items of `parent.each`, which is not there")
        elif known is not None and _top(field) not in known:
            yield _Fault(place, f"{_unknown(field, known)} (those of {parent.stream})")


def _declared(contract: Contract) -> Mapping[str, Any] | None:
    """The fields that a contract declares by name; None where it does not name them all."""
    root = resolve(contract.schema, contract.schema)
    if not isinstance(root, dict) or not root.get("properties") or any(key in root for key in _BRANCHES):
        return None
    found: Mapping[str, Any] = root["properties"]
    return found


def _top(field: str) -> str:
    return field.partition(".")[0]


def _unknown(field: str, known: Mapping[str, Any]) -> str:
    return _said(unknown("field", field, known))


def _said(error: Misconfigured) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
