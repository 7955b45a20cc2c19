"""Whether two schemas have no value in common, as far as this is easily seen: "no" may mean "perhaps not"."""

from __future__ import annotations

from shared.contracts.compatibility.keywords import canonical
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
from shared.contracts.compatibility.objects import matches

_DEEP = 8
_EVERY = frozenset({"null", "boolean", "string", "integer", "fraction", "array", "object"})


def disjoint(one: Node, other: Node, depth: int = _DEEP) -> bool:
    """True when no value passes both: other kinds of values, other constants, or a property that tells them apart."""
    if depth == 0:
        return False
    shared = _kinds(one, depth) & _kinds(other, depth)
    if not shared:
        return True
    for first, second in ((one, other), (other, one)):
        if isinstance(first, Combined):
            apart = (disjoint(member.node, second, depth - 1) for member in first.members)
            if any(apart) if first.criterion is Criterion.ALL else all(apart):
                return True
    values, others = _values(one), _values(other)
    if values is not None and others is not None:
        return not values & others
    if isinstance(one, Object) and isinstance(other, Object) and shared == {"object"}:
        return _told_apart(one, other, depth) or _told_apart(other, one, depth)
    return False


def _told_apart(one: Object, other: Object, depth: int) -> bool:
    """Whether a property that the one demands is refused by the other, or must be something else there."""
    for name in one.required:
        mine, theirs = one.properties.get(name), other.properties.get(name)
        if theirs is None:
            if other.rest is False and not any(matches(p, name) is not False for p in other.patterns):
                return True
        elif mine is not None and disjoint(mine.node, theirs.node, depth - 1):
            return True
    return False


def _kinds(node: Node, depth: int) -> frozenset[str]:
    """The kinds of values that may pass."""
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
        case Combined(members=members) if depth:
            found = [_kinds(member.node, depth - 1) for member in members]
            return (
                _EVERY.intersection(*found) if node.criterion is Criterion.ALL else frozenset().union(*found)
            )
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
