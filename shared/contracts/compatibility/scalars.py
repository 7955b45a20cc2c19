"""Strings, numbers and lists of values: which limits moved, and in which direction."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from shared.contracts.compatibility.difference import DifferenceType as D
from shared.contracts.compatibility.keywords import canonical
from shared.contracts.compatibility.nodes import Const, Enum, Number, String
from shared.contracts.compatibility.walk import Finding


def limit(keyword: str, name: str, old: Any, new: Any) -> Iterator[Finding]:
    """A bound that was set, dropped or moved; `name` begins the names of its differences."""
    if old == new:
        return
    if old is None:
        change = "ADDED"
    elif new is None:
        change = "REMOVED"
    else:
        change = "INCREASED" if old < new else "DECREASED"
    yield Finding(D[f"{name}_{change}"], (keyword,), old, new)


def strings(old: String, new: String) -> Iterator[Finding]:
    yield from kinds(old.typed, new.typed, "string")
    yield from limit("maxLength", "MAX_LENGTH", old.max_length, new.max_length)
    yield from limit("minLength", "MIN_LENGTH", old.min_length, new.min_length)
    yield from _text("pattern", "PATTERN", old.pattern, new.pattern)
    yield from _text("format", "FORMAT", old.format, new.format)


def numbers(old: Number, new: Number) -> Iterator[Finding]:
    yield from limit("maximum", "MAXIMUM", old.maximum, new.maximum)
    yield from limit("minimum", "MINIMUM", old.minimum, new.minimum)
    yield from limit("exclusiveMaximum", "EXCLUSIVE_MAXIMUM", old.exclusive_maximum, new.exclusive_maximum)
    yield from limit("exclusiveMinimum", "EXCLUSIVE_MINIMUM", old.exclusive_minimum, new.exclusive_minimum)
    yield from _multiples(old.multiple_of, new.multiple_of)
    width = {False: "number", True: "integer"}
    before = width[old.integer] if old.typed else "anything"
    after = width[new.integer] if new.typed else "anything"
    order = ("integer", "number", "anything")
    if before != after:
        wider = order.index(before) < order.index(after)
        yield Finding(D.TYPE_EXTENDED if wider else D.TYPE_NARROWED, (), before, after)


def enums(old: Enum, new: Enum) -> Iterator[Finding]:
    before = {canonical(value): value for value in old.values}
    after = {canonical(value): value for value in new.values}
    gone = [value for text, value in before.items() if text not in after]
    more = [value for text, value in after.items() if text not in before]
    if gone and more:
        yield Finding(D.ENUM_ARRAY_CHANGED, ("enum",), gone, more)
    elif gone:
        yield Finding(D.ENUM_ARRAY_NARROWED, ("enum",), gone, [])
    elif more:
        yield Finding(D.ENUM_ARRAY_EXTENDED, ("enum",), [], more)


def constants(old: Const, new: Const) -> Iterator[Finding]:
    if canonical(old.value) != canonical(new.value):
        yield Finding(D.ENUM_ARRAY_CHANGED, ("const",), [old.value], [new.value])


def kinds(old: bool, new: bool, kind: str) -> Iterator[Finding]:
    """Whether values of another kind pass; Confluent does not look at this."""
    if old and not new:
        yield Finding(D.TYPE_EXTENDED, (), kind, "anything")
    elif new and not old:
        yield Finding(D.TYPE_NARROWED, (), "anything", kind)


def _text(keyword: str, name: str, old: str | None, new: str | None) -> Iterator[Finding]:
    if old != new:
        change = "ADDED" if old is None else "REMOVED" if new is None else "CHANGED"
        yield Finding(D[f"{name}_{change}"], (keyword,), old, new)


def _multiples(old: Fraction | None, new: Fraction | None) -> Iterator[Finding]:
    if old == new:
        return
    if old is None:
        kind = D.MULTIPLE_OF_ADDED
    elif new is None:
        kind = D.MULTIPLE_OF_REMOVED
    elif (new / old).denominator == 1:
        kind = D.MULTIPLE_OF_EXPANDED
    elif (old / new).denominator == 1:
        kind = D.MULTIPLE_OF_REDUCED
    else:
        kind = D.MULTIPLE_OF_CHANGED
    yield Finding(kind, ("multipleOf",), old, new)
