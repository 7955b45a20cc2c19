"""Whether two schemas have no value in common, as far as this is easily seen: "no" may mean "perhaps not"."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.contracts.compatibility.keywords import canonical, matches
from shared.contracts.compatibility.nodes import (
    Array,
    Boolean,
    Combined,
    Const,
    Criterion,
    Enum,
    Node,
    Nothing,
    Null,
    Number,
    Object,
    String,
)

_EVERY = frozenset({"null", "boolean", "string", "integer", "fraction", "array", "object"})


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out before. While a question is open it counts as not shown: a schema may contain itself."""

    apart: dict[tuple[int, int], bool] = field(default_factory=dict)
    kinds: dict[int, frozenset[str]] = field(default_factory=dict)


def disjoint(one: Node, other: Node, known: Known) -> bool:
    """True when no value passes both: other kinds of values, other constants, or a property that tells them apart."""
    key = (id(one), id(other))
    if key not in known.apart:
        known.apart[key] = False
        known.apart[key] = _apart(one, other, known)
    return known.apart[key]


def _apart(one: Node, other: Node, known: Known) -> bool:
    shared = _kinds(one, known) & _kinds(other, known)
    if not shared:
        return True
    for first, second in ((one, other), (other, one)):
        if isinstance(first, Combined):
            apart = (disjoint(member.node, second, known) for member in first.members)
            if any(apart) if first.criterion is Criterion.ALL else all(apart):
                return True
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not values & others
    if isinstance(one, Object) and isinstance(other, Object) and shared == {"object"}:
        return _told_apart(one, other, known) or _told_apart(other, one, known)
    return False


def _told_apart(one: Object, other: Object, known: Known) -> bool:
    """Whether a property that the one demands is refused by the other, or must be something else there."""
    for name in sorted(one.required):
        mine, theirs = one.properties.get(name), other.properties.get(name)
        if theirs is None:
            if other.rest is False and not any(matches(p, name) is not False for p in other.patterns):
                return True
        elif mine is not None and disjoint(mine.node, theirs.node, known):
            return True
    return False


def _kinds(node: Node, known: Known) -> frozenset[str]:
    """The kinds of values that may pass."""
    if id(node) not in known.kinds:
        known.kinds[id(node)] = _EVERY
        known.kinds[id(node)] = _kinds_of(node, known)
    return known.kinds[id(node)]


def _kinds_of(node: Node, known: Known) -> frozenset[str]:
    match node:
        case Nothing():
            return frozenset()
        case Null():
            return frozenset({"null"})
        case Boolean():
            return frozenset({"boolean"})
        case String(typed=True):
            return frozenset({"string"})
        case Number(typed=True, integer=whole):
            return frozenset({"integer"} if whole else {"integer", "fraction"})
        case Array(typed=True):
            return frozenset({"array"})
        case Object(typed=True):
            return frozenset({"object"})
        case Enum(values=values):
            return frozenset(map(_kind, values))
        case Const(value=value):
            return frozenset({_kind(value)})
        case Combined(members=members):
            found = [_kinds(member.node, known) for member in members]
            both = node.criterion is Criterion.ALL
            return _EVERY.intersection(*found) if both else frozenset[str]().union(*found)
        case _:
            return _EVERY


def _values(node: Node) -> frozenset[str] | None:
    match node:
        case Enum(values=values):
            return frozenset(map(canonical, values))
        case Const(value=value):
            return frozenset({canonical(value)})
        case _:
            return None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "fraction"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"
