"""Turns the body of a list's answer into a page in one scan, and accounts for every body.

A body counts only when it is complete JSON with the records and all required markers in place and of the right type.
Everything else is an `IncompleteBody`, which is retried like a 503: an empty page is never made up.

>>> shape = PageShape(records="data", markers=(Marker("has_more", Kind.FLAG, required=True), Marker("next")))
>>> answer = Response(200, body=b'{"has_more":true,"next":"/b","data":[{"id":1}, {"id":2}]}')
>>> page = shape.parse(Request("https://api.test/a"), answer)
>>> page.records, dict(page.markers)
((b'{"id":1}', b'{"id":2}'), {'has_more': True, 'next': '/b'})

Records are copied out of the body as `bytes` (4 % of the scan): the body can go while the records stay. Text inside
records is checked for JSON syntax, not for valid UTF-8 or whole characters: that is the contract's work, record by
record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from shared.common.errors import Misconfigured, Transient
from shared.common.redaction import Redactor
from shared.rest.message import Page, Request, Response
from shared.rest.surrogate import StandIn

HEAD = 200
"""Characters of a body that an error shows."""

PARTIAL = 206
"""The status of an answer to a range: RFC 9110, 15.3.7."""

_BOM = b"\xef\xbb\xbf"


class IncompleteBody(Transient):
    """An answer with a good status whose body is not what a whole page must be."""


class Kind(StrEnum):
    """What a marker holds: a cursor or link (text or number, null at the end), true/false, a count, or anything."""

    CURSOR = "cursor"
    FLAG = "flag"
    COUNT = "count"
    ANY = "any"


_TYPES: dict[Kind, Any] = {
    Kind.CURSOR: str | int | float | None,
    Kind.FLAG: bool,
    Kind.COUNT: int | str,
    Kind.ANY: Any,
}


@dataclass(frozen=True, slots=True)
class Marker:
    """A value beside the records, at a dotted path, that pagination needs; a required one must be in every answer."""

    path: str
    kind: Kind = Kind.CURSOR
    required: bool = False


@dataclass(frozen=True)
class PageShape:
    """Where an answer holds its records and markers; compiled once, used for every page of a stream.

    `records` is a dotted path to a list, or "" (or "$") when the answer itself is the list. With `single` that place
    holds one object, which is the only record. `markers` are `Marker` values, or paths, of which `required` names
    those that must be present. `check` may raise ValueError for a page whose values contradict each other.
    """

    records: str = "data"
    markers: tuple[Marker | str, ...] = ()
    required: tuple[str, ...] = ()
    single: bool = False
    check: Callable[[Page], None] | None = field(default=None, compare=False)

    def parse(self, request: Request, response: Response, *, redactor: Redactor | None = None) -> Page:
        """The page in `response`. Raises `IncompleteBody` with the redacted URL, the status and the body's head."""
        body = response.body
        if response.status == PARTIAL:
            raise incomplete(
                "only a part of the answer came, and no part was asked for", response, redactor=redactor
            )
        plan = self._plan
        try:
            found, stand_in = _decode(plan.decoder, body[3:] if body.startswith(_BOM) else body)
        except msgspec.ValidationError as error:
            raise incomplete(f"the answer is not a page: {error}", response, redactor=redactor) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise incomplete(f"the answer is not whole JSON: {error}", response, redactor=redactor) from None
        raws = _at(found, plan.records)
        records = (bytes(raws),) if self.single else tuple(map(bytes, raws))
        page = Page(request, response, records, {path: _at(found, names) for path, names in plan.markers})
        if stand_in is not None:
            if stand_in.within(list(page.markers.values())):
                what = "the answer is not whole JSON: a page marker holds half a character (a lone surrogate)"
                raise incomplete(what, response, redactor=redactor)
            page = replace(page, records=tuple(map(stand_in.undo, records)))
        try:
            if self.single and not records[0].startswith(b"{"):
                raise ValueError("the record is not an object")
            if self.check is not None:
                self.check(page)
        except ValueError as error:
            raise incomplete(f"the answer is not a page: {error}", response, redactor=redactor) from None
        return page

    @cached_property
    def _plan(self) -> _Plan:
        return _compile(self)


def incomplete(what: str, response: Response, *, redactor: Redactor | None = None) -> IncompleteBody:
    """The error for a body that does not count, with what one needs to see the cause."""
    redactor = redactor or Redactor()
    return IncompleteBody(
        what,
        url=redactor.url(response.url),
        status=response.status,
        type=response.headers.get("content-type", ""),
        bytes=len(response.body),
        hint=f"the answer begins with: {head_of(response.body, redactor)}",
    )


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> tuple[Any, StandIn | None]:
    """What is in the body, and what stands in it for lone surrogates: those are the records' fault, not the page's."""
    try:
        return decoder.decode(body), None
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        stand_in = StandIn.of(body)
        if stand_in is None:
            raise
        return decoder.decode(stand_in.body), stand_in


def head_of(body: bytes, redactor: Redactor) -> str:
    """The first characters of a body, redacted before they are cut, so that no half of a secret is left over."""
    text = redactor.text(body[: HEAD * 16].decode("utf-8", "replace"))
    return repr(text[:HEAD]) + (" …" if len(text) > HEAD else "")


@dataclass(frozen=True, slots=True)
class _Plan:
    decoder: msgspec.json.Decoder[Any]
    records: tuple[str, ...]
    markers: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(slots=True)
class _Node:
    """A place in the answer: a leaf with a type, or an object with places in it."""

    type: Any = None
    required: bool = False
    name: str = "f"
    inside: dict[str, _Node] = field(default_factory=dict)


def _compile(shape: PageShape) -> _Plan:
    markers = [
        m if isinstance(m, Marker) else Marker(m, Kind.ANY, m in shape.required) for m in shape.markers
    ]
    records = "" if shape.records == "$" else shape.records
    leaf = msgspec.Raw if shape.single else tuple[msgspec.Raw, ...]
    if not records:
        if markers:
            raise Misconfigured(
                f'the page marker "{markers[0].path}" cannot be read when the answer itself is the list',
                hint="name the path of the records, or use a pagination that needs nothing in the body (link_header …)",
            )
        return _Plan(msgspec.json.Decoder(leaf), (), ())
    root = _Node(required=True)
    _place(root, records, leaf, True)
    for marker in markers:
        if shape.single:
            raise Misconfigured(f'an answer that is one record has no page marker "{marker.path}"')
        _place(root, marker.path, _TYPES[marker.kind], marker.required or marker.path in shape.required)
    decoder = msgspec.json.Decoder(_struct(root))
    return _Plan(decoder, _names(root, records), tuple((m.path, _names(root, m.path)) for m in markers))


def _place(root: _Node, path: str, leaf: Any, required: bool) -> None:
    node = root
    for part in path.split("."):
        if not part:
            raise Misconfigured(f'"{path}" is not a path in an answer', hint="write it like `meta.next`")
        if node.type is not None:
            raise Misconfigured(f'"{path}" lies inside of another path of the same answer')
        node = node.inside.setdefault(part, _Node(name=f"f{len(node.inside)}"))
        node.required = node.required or required
    if node.inside or (node.type is not None and node.type != leaf):
        raise Misconfigured(f'"{path}" is used twice for one answer')
    node.type = leaf


def _struct(node: _Node) -> Any:
    fields: list[tuple[str, Any, Any]] = []
    for child in node.inside.values():
        what = child.type if child.type is not None else _struct(child)
        if child.required:
            fields.append((child.name, what, msgspec.field()))
        else:
            fields.append((child.name, what | None if what is not Any else Any, msgspec.field(default=None)))
    renamed = {child.name: key for key, child in node.inside.items()}
    return msgspec.defstruct("Answer", fields, rename=renamed, kw_only=True, gc=False)


def _names(root: _Node, path: str) -> tuple[str, ...]:
    names: list[str] = []
    node = root
    for part in path.split("."):
        node = node.inside[part]
        names.append(node.name)
    return tuple(names)


def _at(found: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        if found is None:
            return None
        found = getattr(found, name)
    return found
