"""Which rows a check looks at, as values: conditions over the columns of one row. `condition_text.py` reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool"


@dataclass(frozen=True, slots=True)
class Field:
    """A column on the right side of a comparison."""

    name: str


@dataclass(frozen=True, slots=True)
class Compare:
    column: str
    operator: str
    operand: Value | Field


@dataclass(frozen=True, slots=True)
class IsNull:
    column: str


@dataclass(frozen=True, slots=True)
class IsTrue:
    """A boolean column by itself."""

    column: str


@dataclass(frozen=True, slots=True)
class IsIn:
    column: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Like:
    column: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Not:
    condition: Condition


@dataclass(frozen=True, slots=True)
class AllOf:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple[Condition, ...]


Condition: TypeAlias = "Compare | IsNull | IsTrue | IsIn | Like | Not | AllOf | AnyOf"


def columns_in(condition: Condition) -> Iterator[str]:
    """The columns that a condition names."""
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for inner in conditions:
                yield from columns_in(inner)
        case Not(inner):
            yield from columns_in(inner)
        case Compare(column, _, Field(name)):
            yield from (column, name)
        case _:
            yield condition.column


def written(condition: Condition) -> str:
    """The condition in the words of its grammar; `condition_text.parse_condition` reads it back.

    >>> print(written(AllOf((Not(IsNull("a")), Compare("b", "=", "it's")))))
    not "a" is null and "b" = 'it''s'
    """
    match condition:
        case Compare(column, operator, operand):
            right = _name(operand.name) if isinstance(operand, Field) else _value(operand)
            return f"{_name(column)} {operator} {right}"
        case IsNull(column):
            return f"{_name(column)} is null"
        case IsTrue(column):
            return _name(column)
        case IsIn(column, values):
            return f"{_name(column)} in ({', '.join(map(_value, values))})"
        case Like(column, pattern):
            return f"{_name(column)} like {_value(pattern)}"
        case Not(inner):
            text = written(inner)
            return f"not ({text})" if isinstance(inner, AllOf | AnyOf) else f"not {text}"
        case AllOf(conditions):
            return " and ".join(
                f"({written(c)})" if isinstance(c, AnyOf | AllOf) else written(c) for c in conditions
            )
        case AnyOf(conditions):
            return " or ".join(f"({written(c)})" if isinstance(c, AnyOf) else written(c) for c in conditions)


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _value(value: Value) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else repr(value)
