"""A small evaluator of IAM policies, for the elements that our templates use; whatever it does not know is an error.

A Deny that fits wins, else an Allow that fits, else no:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}


@dataclass(frozen=True, slots=True)
class Call:
    """What somebody wants to do: `s3:GetObject` on an ARN; `context` has the keys of conditions."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict, hash=False)


def allowed(call: Call, *documents: Mapping[str, Any]) -> bool:
    """Whether the policies, taken together, let a call pass."""
    fitting = [one["Effect"] for one in statements(documents) if fits(one, call)]
    return "Deny" not in fitting and "Allow" in fitting


def denied(call: Call, *documents: Mapping[str, Any]) -> bool:
    """Whether a statement forbids a call, whatever others allow."""
    return any(one["Effect"] == "Deny" and fits(one, call) for one in statements(documents))


def statements(documents: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = [one for document in documents for one in listed(document["Statement"])]
    for one in found:
        assert set(one) <= ELEMENTS, f"not known here: {set(one) - ELEMENTS}"
    return found


def fits(statement: Mapping[str, Any], call: Call) -> bool:
    """Whether a statement is about a call."""
    return (
        any(_like(pattern.lower(), call.action.lower()) for pattern in listed(statement["Action"]))
        and any(_like(pattern, call.resource) for pattern in listed(statement["Resource"]))
        and all(
            _holds(operator, key, listed(values), call.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _like(pattern: str, text: str) -> bool:
    parts = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", pattern)
    )
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _holds(operator: str, key: str, values: list[Any], context: Mapping[str, str]) -> bool:
    """A key that the call does not have fulfils nothing, but `Null`."""
    said = context.get(key)
    match operator:
        case "Null":
            return str(said is None).lower() in [str(value).lower() for value in values]
        case _ if said is None:
            return False
        case "StringEquals" | "Bool":
            return said.lower() in [str(v).lower() for v in values] if operator == "Bool" else said in values
        case "StringLike" | "ArnLike" | "ArnEquals":
            return any(_like(str(value), said) for value in values)
        case "NumericLessThan":
            return any(float(said) < float(value) for value in values)
    raise AssertionError(f"the condition {operator} is not known here")
