"""Conditions as rules of a Choice state, by JSON type and value as decision 7 says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.pipelines.conditions import AllOf, AnyOf, Compare, Condition, Negate, Operator
from shared.pipelines.targets.stepfunctions_values import Payload
from shared.pipelines.values import Literal, Reference

Rule = dict[str, Any]
NEVER: Rule = {"Variable": "$.nothing", "IsNull": False}
_ORDER = {
    Operator.LESS: "LessThan",
    Operator.AT_MOST: "LessThanEquals",
    Operator.GREATER: "GreaterThan",
    Operator.AT_LEAST: "GreaterThanEquals",
}


@dataclass(slots=True)
class Rules:
    """Makes rules for one step. `compared` are the expressions that `$.c` must hold before: equality of whole
    documents is no rule of a Choice, but there is a function for it.
    """

    payload: Payload
    compared: dict[str, str] = field(default_factory=dict)

    def rule(self, condition: Condition) -> Rule:
        match condition:
            case AllOf(items):
                return {"And": [self.rule(item) for item in items]}
            case AnyOf(items):
                return {"Or": [self.rule(item) for item in items]}
            case Negate(item):
                return {"Not": self.rule(item)}
            case Compare(left, Operator.NOT_EQUAL, right):
                return {"Not": self.rule(Compare(left, Operator.EQUAL, right))}
            case Compare(left, Operator.EQUAL, Literal(value)):
                return equals(self.payload.path(left), value)
            case Compare(left, Operator.EQUAL, Reference() as right):
                return self._same(self.payload.path(left), self.payload.path(right))
            case Compare(left, op, Literal(value)):
                return _ordered(self.payload.path(left), op, value)
            case Compare(left, op, Reference() as right):
                return _ordered_paths(self.payload.path(left), op, self.payload.path(right))
        raise AssertionError(condition)

    def _same(self, left: str, right: str) -> Rule:
        name = f"c{len(self.compared)}"
        self.compared[f"{name}.$"] = f"States.ArrayContains(States.Array({left}), {right})"
        kinds = (("IsString", "String"), ("IsNumeric", "Numeric"), ("IsBoolean", "Boolean"))
        scalars = [
            [*both(left, right, kind), {"Variable": left, f"{word}EqualsPath": right}] for kind, word in kinds
        ]
        whole = [
            {"Not": {"Or": [{"Variable": path, kind: True} for kind, _ in kinds]}} for path in (left, right)
        ]
        return {
            "Or": [
                *({"And": rules} for rules in scalars),
                {"And": [*whole, {"Variable": f"$.c.{name}", "BooleanEquals": True}]},
            ]
        }


def both(left: str, right: str, kind: str) -> list[Rule]:
    return [{"Variable": left, kind: True}, {"Variable": right, kind: True}]


def equals(path: str, value: str | float | bool | None) -> Rule:
    """Whether the value at a path is this one, of the same type."""
    match value:
        case None:
            return {"Variable": path, "IsNull": True}
        case bool():
            return {
                "And": [{"Variable": path, "IsBoolean": True}, {"Variable": path, "BooleanEquals": value}]
            }
        case str():
            return {"And": [{"Variable": path, "IsString": True}, {"Variable": path, "StringEquals": value}]}
    return {"And": [{"Variable": path, "IsNumeric": True}, {"Variable": path, "NumericEquals": value}]}


def _ordered(path: str, op: Operator, value: str | float | bool | None) -> Rule:
    if value is None or isinstance(value, bool):
        return NEVER
    kind, word = ("IsString", "String") if isinstance(value, str) else ("IsNumeric", "Numeric")
    return {"And": [{"Variable": path, kind: True}, {"Variable": path, f"{word}{_ORDER[op]}": value}]}


def _ordered_paths(left: str, op: Operator, right: str) -> Rule:
    return {
        "Or": [
            {"And": [*both(left, right, kind), {"Variable": left, f"{word}{_ORDER[op]}Path": right}]}
            for kind, word in (("IsString", "String"), ("IsNumeric", "Numeric"))
        ]
    }
