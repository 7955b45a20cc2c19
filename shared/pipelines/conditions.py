"""Conditions: whether a step runs, and which way a branch goes, as a small closed family of values.

    steps.extract.output.rows > 0 and params.mode in ["full", "late"] and not (run.date == "2026-01-01")

Comparisons are by JSON type and value: 1 equals 1.0, and "1" does not. An order (<, <=, >, >=) holds only between two
numbers or between two texts (by code point); with anything else, null too, it is false. A reference alone asks
whether its value is exactly true. `in` is written out as several comparisons.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from shared.common.errors import Misconfigured
from shared.pipelines.values import Literal, Reference, read_reference

_DEEPEST = 20


class Operator(StrEnum):
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """`left` is always a reference; two references may be compared with each other."""

    left: Reference
    operator: Operator
    right: Literal | Reference


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when all are; two or more."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one is; two or more."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negate:
    item: Condition


Condition: TypeAlias = Compare | AllOf | AnyOf | Negate

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<open>\$\{) | (?P<operator>==|!=|<=|>=|<|>) | (?P<mark>[()\[\],])
  | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)(?![A-Za-z0-9_.])
  | (?P<text>"(?:[^"\\]|\\.)*"|'[^']*') | (?P<word>[A-Za-z_][A-Za-z0-9_-]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_HINT = 'such as: steps.extract.output.rows > 0 and params.mode == "full"'


def parse_condition(text: str) -> Condition:
    """The condition that a text says. Raises `Misconfigured`.

    >>> parse_condition("params.full or run.date > '2026-01-01'")  # doctest: +NORMALIZE_WHITESPACE
    AnyOf(items=(Compare(left=Reference(root=<Root.PARAMETER: 'params'>, name='full', path=()),
      operator=<Operator.EQUAL: '=='>, right=Literal(value=True)),
      Compare(left=Reference(root=<Root.RUN: 'run'>, name='date', path=()),
      operator=<Operator.GREATER: '>'>, right=Literal(value='2026-01-01'))))
    """
    parser = _Parser(text)
    found = parser.either(0)
    if parser.peek() is not None:
        raise parser.expected("and, or, or the end")
    return found


def condition_references(condition: Condition) -> Iterator[Reference]:
    """All references in a condition, in order."""
    match condition:
        case Compare(left, _, right):
            yield left
            if isinstance(right, Reference):
                yield right
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from condition_references(item)
        case Negate(item):
            yield from condition_references(item)


def holds(condition: Condition, look_up: Callable[[Reference], Any]) -> bool:
    """Whether a condition is true, given what references refer to."""
    match condition:
        case Compare(left, op, right):
            other = look_up(right) if isinstance(right, Reference) else right.value
            return compare(look_up(left), op, other)
        case AllOf(items):
            return all(holds(item, look_up) for item in items)
        case AnyOf(items):
            return any(holds(item, look_up) for item in items)
        case Negate(item):
            return not holds(item, look_up)


_ORDER = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def compare(left: Any, op: Operator, right: Any) -> bool:
    """The comparison of two plain values, by the rules above.

    >>> compare(1, Operator.EQUAL, 1.0), compare(1, Operator.EQUAL, True), compare(None, Operator.LESS, 1)
    (True, False, False)
    """
    match op:
        case Operator.EQUAL:
            return _equal(left, right)
        case Operator.NOT_EQUAL:
            return not _equal(left, right)
    numbers = _is_number(left) and _is_number(right)
    texts = isinstance(left, str) and isinstance(right, str)
    return bool((numbers or texts) and _ORDER[op](left, right))


def say(condition: Condition) -> str:
    """The condition as text: `parse_condition(say(condition)) == condition`."""
    match condition:
        case Compare(left, op, right):
            return f"{left} {op} {right if isinstance(right, Reference) else _said(right.value)}"
        case AllOf(items):
            return " and ".join(f"({say(item)})" for item in items)
        case AnyOf(items):
            return " or ".join(f"({say(item)})" for item in items)
        case Negate(item):
            return f"not ({say(item)})"


def is_yes(reference: Reference) -> Condition:
    """Whether an answer means yes: true, or the text of it. For functions that answer in text only."""
    yes: tuple[bool | str, ...] = (True, "true", "True", "TRUE")
    return AnyOf(tuple(Compare(reference, Operator.EQUAL, Literal(word)) for word in yes))


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    return type(left) is type(right) and bool(left == right)


class _Parser:
    """Recursive descent: or, and, not, comparison. A condition too deep for engines is refused here."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> re.Match[str] | None:
        found = _TOKEN.match(self.text, self.at)
        if found is None and self.text[self.at :].strip():
            raise self.expected("a reference, a value or an operator")
        return found

    def expected(self, what: str) -> Misconfigured:
        rest = self.text[self.at :].strip()
        got = f'"{rest[:40]}"' if rest else "the end"
        return Misconfigured(f"in the condition: expected {what}, got {got}", hint=_HINT)

    def take(self, *words: str) -> bool:
        found = self.peek()
        if found is None or found.group().strip() not in words:
            return False
        self.at = found.end()
        return True

    def either(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise Misconfigured(f"the condition is nested more than {_DEEPEST} levels deep")
        items = [self.both(depth)]
        while self.take("or"):
            items.append(self.both(depth))
        return items[0] if len(items) == 1 else AnyOf(tuple(items))

    def both(self, depth: int) -> Condition:
        items = [self.one(depth)]
        while self.take("and"):
            items.append(self.one(depth))
        return items[0] if len(items) == 1 else AllOf(tuple(items))

    def one(self, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise Misconfigured(f"the condition is nested more than {_DEEPEST} levels deep")
        if self.take("not"):
            return Negate(self.one(depth + 1))
        if self.take("("):
            found = self.either(depth + 1)
            if not self.take(")"):
                raise self.expected("a closing bracket")
            return found
        return self.comparison()

    def comparison(self) -> Condition:
        left = self.operand()
        found = self.peek()
        if found is not None and found.group("operator"):
            self.at = found.end()
            return self.compared(left, found.group("operator"), self.operand())
        negated = self.take("not")
        if self.take("in"):
            choice = self.choices(left)
            return Negate(choice) if negated else choice
        if negated:
            raise self.expected("in")
        if isinstance(left, Literal):
            raise self.expected("a comparison")
        return Compare(left, Operator.EQUAL, Literal(True))

    def compared(self, left: Literal | Reference, op: str, right: Literal | Reference) -> Compare:
        if isinstance(left, Literal):
            if isinstance(right, Literal):
                raise Misconfigured(
                    "the condition compares two values that never change", hint="one side must be a reference"
                )
            left, right, op = right, left, _MIRROR.get(op, op)
        return Compare(left, Operator(op), right)

    def choices(self, left: Literal | Reference) -> Condition:
        if isinstance(left, Literal):
            raise self.expected("a reference before in")
        if not self.take("["):
            raise self.expected("a list in square brackets")
        items: list[Condition] = [Compare(left, Operator.EQUAL, self.operand())]
        while self.take(","):
            items.append(Compare(left, Operator.EQUAL, self.operand()))
        if not self.take("]"):
            raise self.expected("a comma or ]")
        return items[0] if len(items) == 1 else AnyOf(tuple(items))

    def operand(self) -> Literal | Reference:
        found = self.peek()
        if found is None:
            raise self.expected("a reference or a value")
        if found.group("open"):
            reference, end = read_reference(self.text, found.end())
            if not self.text.startswith("}", end):
                self.at = end
                raise self.expected("a closing }")
            self.at = end + 1
            return reference
        if number := found.group("number"):
            self.at = found.end()
            return Literal(_number(number))
        if text := found.group("text"):
            self.at = found.end()
            return Literal(_unquoted(text))
        word = found.group("word")
        if word in _WORDS:
            self.at = found.end()
            return Literal(_WORDS[word])
        if word is None:
            raise self.expected("a reference or a value")
        reference, self.at = read_reference(self.text, found.start("word"))
        return reference


def _number(text: str) -> int | float:
    number: int | float = json.loads(text) if len(text) < 40 else 2**64
    fits = -(2**63) <= number < 2**64 if isinstance(number, int) else math.isfinite(number)
    if not fits:
        raise Misconfigured(f"{text[:40]} is no number that data can hold")
    return number


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        raise Misconfigured(f"{text[:60]} is no text in double quotes", hint="escape as in JSON") from None
