"""Compares two versions of a JSON Schema: what differs, where, and whether old records survive it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.contracts.compatibility.arrays import arrays
from shared.contracts.compatibility.difference import LENIENT, STRICT, Difference
from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.keywords import canonical
from shared.contracts.compatibility.nodes import (
    Array,
    Combined,
    Conditional,
    Const,
    Enum,
    Node,
    Not,
    Nothing,
    Number,
    Object,
    String,
)
from shared.contracts.compatibility.objects import objects
from shared.contracts.compatibility.reading import Reader, is_empty
from shared.contracts.compatibility.scalars import constants, enums, numbers, strings
from shared.contracts.compatibility.unions import conditions, narrowed, negations, unions, widened
from shared.contracts.compatibility.walk import Finding, Walk, at
from shared.contracts.compatibility.words import explain

_NOTES = {
    "id": D.ID_CHANGED,
    "title": D.TITLE_CHANGED,
    "description": D.DESCRIPTION_CHANGED,
    "default": D.DEFAULT_CHANGED,
}


def compare(old: Any, new: Any, *, lenient: bool = False) -> tuple[Difference, ...]:
    """All differences of two schemas (as plain data, and valid) for whoever reads old records with the new one.

    A record that passes the old schema passes the new one when each difference is compatible, provided that defaults
    are put where required values are missing. That is not promised with `lenient`, which also lets undeclared fields
    become declared ones. Paths are those of the old schema where it has the place. Raises `Misconfigured` for a
    reference that leads nowhere.
    """
    allowed = LENIENT if lenient else STRICT
    walk = Walk(_rules, allowed)
    before, after = Reader(old), Reader(new)
    found = walk.whole(before.part(old), after.part(new))
    return tuple(
        Difference(finding.type, _path(finding.path), explain(finding), finding.type in allowed)
        for finding in _distinct([*_reserved(old, new), *found])
    )


def _rules(walk: Walk, old: Node, new: Node) -> Iterator[Finding]:
    """The differences of a pair of nodes."""
    yield from _keywords(old, new)
    found = None
    if isinstance(new, Combined) and not isinstance(old, Combined):
        found = widened(walk, old, new)
    elif isinstance(old, Combined) and not isinstance(new, Combined) and not is_empty(new):
        found = narrowed(walk, old, new)
    if found is not None:
        yield from found
    elif type(old) is not type(new):
        if not isinstance(old, Nothing) and not is_empty(new):
            yield Finding(D.TYPE_CHANGED, (), old, new)
    else:
        yield from _notes(old, new)
        yield from _alike(walk, old, new)


def _alike(walk: Walk, old: Node, new: Node) -> Iterable[Finding]:
    match old, new:
        case String(), String():
            return strings(old, new)
        case Number(), Number():
            return numbers(old, new)
        case Object(), Object():
            return objects(walk, old, new)
        case Array(), Array():
            return arrays(walk, old, new)
        case Enum(), Enum():
            return enums(old, new)
        case Const(), Const():
            return constants(old, new)
        case Combined(), Combined():
            return unions(walk, old, new)
        case Not(), Not():
            return negations(walk, old, new)
        case Conditional(), Conditional():
            return conditions(walk, old, new)
        case _:
            return ()


def _notes(old: Node, new: Node) -> Iterator[Finding]:
    for name, kind in _NOTES.items():
        before, after = old.notes.get(name), new.notes.get(name)
        if (name in old.notes) != (name in new.notes) or canonical(before) != canonical(after):
            yield Finding(kind, (), before, after)


def _keywords(old: Node, new: Node) -> Iterator[Finding]:
    """Keywords that are only compared as a whole."""
    for name in sorted({*old.opaque, *new.opaque}):
        if name not in new.opaque:
            yield Finding(D.KEYWORD_REMOVED, (name,), name)
        elif name not in old.opaque:
            yield Finding(D.KEYWORD_ADDED, (name,), name)
        elif old.opaque[name] != new.opaque[name]:
            yield Finding(D.KEYWORD_CHANGED, (name,), name)


def _reserved(old: Any, new: Any) -> Iterator[Finding]:
    """Names that no later version may use again (`x-reserved`; Confluent keeps them beside the schema)."""
    before, after = _names(old), _names(new)
    yield from at(
        (Finding(D.RESERVED_PROPERTY_REMOVED, (name,)) for name in sorted(before - after)), "x-reserved"
    )
    declared = new.get("properties", {}) if isinstance(new, Mapping) else {}
    for name in sorted(after & set(declared)):
        yield Finding(D.RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY, ("properties", name))


def _names(schema: Any) -> set[str]:
    found = schema.get("x-reserved", ()) if isinstance(schema, Mapping) else ()
    return set(found) if isinstance(found, list | tuple) else set()


def _distinct(findings: Iterable[Finding]) -> Iterator[Finding]:
    seen = set()
    for finding in findings:
        if (finding.type, finding.path) not in seen:
            seen.add((finding.type, finding.path))
            yield finding


def _path(steps: Iterable[str]) -> str:
    return "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)
