"""Takes over a suite of Great Expectations: what we know becomes checks, and what we do not know is named.

Suites of 1.x (`type`, `severity`) and of 0.x (`expectation_type`) are read, as `suite.to_json_dict()` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from shared.common.documents import Document
from shared.common.errors import Misconfigured
from shared.contracts.check_files import read_checks, to_document
from shared.contracts.condition_text import parse_condition
from shared.contracts.expectation import Expectation
from shared.contracts.expectations import kinds
from shared.contracts.row_condition import written

# Arguments that say how a result is shown and not what is expected.
_SHOWN = {
    "batch_id",
    "result_format",
    "catch_exceptions",
    "include_config",
    "meta",
    "condition_parser",
    "windows",
}
_SEVERITIES = {"critical": "fail", "warning": "warn", "info": "warn"}


class _Suite(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    expectations: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Left:
    """An expectation that was not taken over: its place in the suite (from 1), its name and why."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The checks of a suite, what was left out, and what was changed on the way."""

    name: str
    checks: tuple[Expectation, ...]
    left: tuple[Left, ...] = ()
    changed: tuple[str, ...] = field(default=())

    def to_yaml(self) -> str:
        """A `checks/<stream>.yml`; what was left out stands in it as comments."""
        lines = [f"# Taken over from the Great Expectations suite {_one_line(self.name)!r}."]
        lines += [f"# Changed: {_one_line(text)}" for text in self.changed]
        lines += [
            f"# Left out, number {one.number}: {_one_line(one.name)}: {_one_line(one.reason)}"
            for one in self.left
        ]
        items = [to_document(check) for check in self.checks]
        text = yaml.safe_dump(
            {"checks": items}, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
        )
        return "\n".join([*lines, text])


def import_suite(document: Document) -> Imported:
    """The checks that a suite becomes. Raises `Misconfigured` when the document is no suite."""
    suite = document.parse(_Suite)
    known, checks, left, changed = kinds(), list[Expectation](), list[Left](), list[str]()
    for number, one in enumerate(suite.expectations, 1):
        name = str(one.get("type") or one.get("expectation_type") or "")
        if name not in known:
            left.append(
                Left(number, name or "no name", "not supported; write it as an unexpected_rows_expectation")
            )
            continue
        try:
            arguments = _arguments(one, number, changed)
            checks += read_checks(document, [{name: arguments}], ("expectations", number - 1, "kwargs"))
        except Misconfigured as error:
            left.append(Left(number, name, str(error)))
    extra = suite.model_extra or {}
    title = str(extra.get("name") or extra.get("expectation_suite_name") or document.file)
    return Imported(title, tuple(checks), tuple(left), tuple(changed))


def _arguments(one: Mapping[str, Any], number: int, changed: list[str]) -> dict[str, Any]:
    """The arguments in our words."""
    kwargs = {
        name: value
        for name, value in (one.get("kwargs") or {}).items()
        if name not in _SHOWN and value is not None
    }
    for name, value in kwargs.items():
        if isinstance(value, dict) and "$PARAMETER" in value:
            raise Misconfigured(
                f"{name} is the suite parameter {value['$PARAMETER']!r}", hint="write the value itself"
            )
    if "row_condition" in kwargs:
        kwargs["row_condition"] = written(parse_condition(kwargs["row_condition"]))
    values = kwargs.get("value_set")
    if isinstance(values, list) and None in values:
        kwargs["value_set"] = [value for value in values if value is not None]
        changed.append(f"number {number}: null was taken out of value_set, where it has no effect")
    severity = one.get("severity")
    if severity is not None:
        if severity not in _SEVERITIES:
            raise Misconfigured(f"unknown severity {severity!r}", hint=f"known: {', '.join(_SEVERITIES)}")
        if severity == "info":
            changed.append(f"number {number}: severity info became warn")
        if _SEVERITIES[severity] != "fail":
            kwargs["severity"] = _SEVERITIES[severity]
    notes = one.get("notes") or (one.get("meta") or {}).get("notes")
    if isinstance(notes, dict):
        notes = notes.get("content")
    if notes:
        kwargs["notes"] = "\n".join(map(str, notes)) if isinstance(notes, list) else str(notes)
    return kwargs


def _one_line(text: str) -> str:
    return " ".join(text.split())
