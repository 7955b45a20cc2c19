"""A JSON Schema taken apart: one node per kind of rule, whatever the draft it was spelt in.

The family is the one that Confluent's rules speak of. A schema that says several things at once (`type` and `enum`,
a type and `anyOf`, a list of types) is a `Combined` of nodes that say one thing each, as it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol


class Criterion(StrEnum):
    ALL = "allOf"
    ANY = "anyOf"
    ONE = "oneOf"


class Part(Protocol):
    """A schema inside a schema, read when it is looked at: a schema may contain itself."""

    @property
    def raw(self) -> Any:
        """The JSON of it."""

    @property
    def node(self) -> Node:
        """What it says, references followed; the same object each time."""

    @property
    def has_default(self) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Node:
    """`notes` are annotations; `opaque` are keywords that can only be compared for equality, as text."""

    notes: Mapping[str, Any] = field(default_factory=dict)
    opaque: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Anything(Node):
    """`{}` or `true`."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Nothing(Node):
    """`false`."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Null(Node): ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Boolean(Node): ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class String(Node):
    """`typed`: other kinds of values are refused; else the limits hold for strings only."""

    typed: bool
    max_length: Fraction | None = None
    min_length: Fraction | None = None
    pattern: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Number(Node):
    typed: bool
    integer: bool = False
    maximum: Fraction | None = None
    minimum: Fraction | None = None
    exclusive_maximum: Fraction | None = None
    exclusive_minimum: Fraction | None = None
    multiple_of: Fraction | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Array(Node):
    """`every` is the schema of all items, `listed` those of the first ones and `additional` that of the rest.

    None of them: not said. `beyond` says that `additional` has a meaning, which in older drafts it has not without a
    list. `unevaluated` stands for `additional` where that is not said.
    """

    typed: bool
    every: Part | None = None
    listed: tuple[Part, ...] = ()
    additional: Part | bool = True
    beyond: bool = True
    unevaluated: Part | None = None
    contains: Part | None = None
    max_contains: Fraction | None = None
    min_contains: Fraction | None = None
    max_items: Fraction | None = None
    min_items: Fraction | None = None
    unique: bool = False

    @property
    def rest(self) -> Part | bool:
        """What items behind the listed ones may be."""
        return _rest(self.additional if self.beyond else True, self.unevaluated)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Object(Node):
    typed: bool
    properties: Mapping[str, Part] = field(default_factory=dict)
    patterns: Mapping[str, Part] = field(default_factory=dict)
    additional: Part | bool = True
    unevaluated: Part | None = None
    required: frozenset[str] = frozenset()
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Properties that must be there when another one is."""
    implies: Mapping[str, Part] = field(default_factory=dict)
    """The schema that holds when a property is there."""
    names: Part | None = None
    max_properties: Fraction | None = None
    min_properties: Fraction | None = None

    @property
    def rest(self) -> Part | bool:
        """What properties may be that neither `properties` nor `patternProperties` names."""
        return _rest(self.additional, self.unevaluated)

    @property
    def open(self) -> bool:
        return not self.patterns and self.rest is True


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Enum(Node):
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Const(Node):
    value: Any


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Not(Node):
    refused: Part


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conditional(Node):
    when: Part
    then: Part | None
    otherwise: Part | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Combined(Node):
    """`made` says that nobody wrote it as a union: it stands for a list of types or for several rules at once."""

    criterion: Criterion
    members: tuple[Part, ...]
    made: bool = False


def _rest(additional: Part | bool, unevaluated: Part | None) -> Part | bool:
    if additional is not True or unevaluated is None:
        return additional
    return False if unevaluated.raw is False else unevaluated
