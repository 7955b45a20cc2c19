"""States of a Step Functions machine in the making: a flow knows which ends still lead nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from shared.common.types import JSON
from shared.pipelines.step import Retry
from shared.pipelines.targets.stepfunctions_values import Path, json_path

State = dict[str, Any]
End = tuple[State, str]
_LONGEST = 99_999_999


@dataclass(slots=True)
class Flow:
    """States in the order in which they were added. `ends` are the fields that have to name the next state."""

    states: dict[str, State] = field(default_factory=dict)
    start: str = ""
    ends: list[End] = field(default_factory=list)

    def add(self, name: str, state: State, *, leads: str = "Next") -> State:
        """Add a state behind all open ends; `leads` is the field by which it goes on, empty where it ends."""
        assert name not in self.states
        self.states[name] = state
        self.join(name)
        self.start = self.start or name
        self.ends = [(state, leads)] if leads else []
        return state

    def join(self, name: str) -> None:
        """Let all open ends lead to a state that is there already, or that will be."""
        for state, key in self.ends:
            state[key] = name
        self.ends = []

    def choose(self, name: str, rules: Sequence[State]) -> list[list[End]]:
        """A Choice; the flow goes on with its default, the ends of its rules are returned."""
        self.add(name, {"Type": "Choice", "Choices": list(rules)}, leads="Default")
        return [[(rule, "Next")] for rule in rules]

    def aside(self, ends: list[End]) -> list[End]:
        """Go on with other ends; the ones that were open are returned."""
        found, self.ends = self.ends, ends
        return found

    def result(self, name: str, value: JSON, path: str) -> None:
        """Set a constant."""
        self.add(name, {"Type": "Pass", "Result": value, "ResultPath": path})

    def put(self, name: str, parameters: Mapping[str, Any], path: str = "") -> None:
        """Set what a payload gives; without a path it becomes the whole state."""
        state: State = {"Type": "Pass", "Parameters": dict(parameters)}
        self.add(name, state | ({"ResultPath": path} if path else {}))

    def copy(self, name: str, source: str, path: str) -> None:
        """Set what lies somewhere else."""
        self.add(name, {"Type": "Pass", "InputPath": source, "ResultPath": path})

    def fail(self, name: str, error: str, cause: str) -> None:
        """An end that is a failure."""
        self.add(name, {"Type": "Fail", "Error": error, "Cause": cause}, leads="")

    def machine(self) -> State:
        """As a branch or a machine; all must lead somewhere."""
        assert not self.ends
        return {"StartAt": self.start, "States": self.states}

    def extract(self, label: str, source: str, wanted: Mapping[tuple[Path, bool], str], *, into: str) -> None:
        """Copy what is wanted of data that may lack it to slots below `into`: null where it is not there."""
        values = {path: name for (path, text), name in wanted.items() if not text}
        for path, name in values.items():
            if path:
                place = json_path(source, path)
                (there,) = self.choose(f"{label} ({name}?)", [{"Variable": place, "IsPresent": True}])
                self.copy(f"{label} (no {name})", "$.nothing", f"{into}.{name}")
                rest = self.aside(there)
                self.copy(f"{label} ({name})", place, f"{into}.{name}")
                self.ends += rest
            else:
                self.copy(f"{label} ({name})", source, f"{into}.{name}")
        for (path, text), name in wanted.items():
            if text:
                self._text(label, name, f"{into}.{values[path]}" if path else source, into)

    def _text(self, label: str, name: str, source: str, into: str) -> None:
        """What a value is inside of text, as values.as_text has it."""
        rules = [{"Variable": source, "IsNull": True}, {"Variable": source, "IsString": True}]
        null, string = self.choose(f"{label} ({name}?)", rules)
        self.put(f"{label} ({name} of a value)", {"t.$": f"States.JsonToString({source})"}, f"{into}.{name}")
        rest = self.aside(null)
        self.result(f"{label} (no {name})", {"t": ""}, f"{into}.{name}")
        rest += self.aside(string)
        self.put(f"{label} ({name})", {"t.$": source}, f"{into}.{name}")
        self.ends += rest


def gathered(wanted: Mapping[tuple[Path, bool], str], *, at: str) -> dict[str, str]:
    """The slots that `extract` made, as entries of a payload."""
    return {f"{name}.$": f"{at}.{name}{'.t' if text else ''}" for (_, text), name in wanted.items()}


def empty(wanted: Mapping[tuple[Path, bool], str]) -> dict[str, JSON]:
    """The slots of a step that left nothing."""
    return {name: "" if text else None for (_, text), name in wanted.items()}


def retries(retry: Retry) -> State:
    """The field `Retry` of a state; whole seconds, at least one."""
    if not retry.count:
        return {}
    interval = min(max(1, ceil(retry.delay_seconds)), _LONGEST)
    longest = min(ceil(retry.max_delay_seconds), 31_622_399)
    rule: State = {"ErrorEquals": ["States.ALL"], "MaxAttempts": min(retry.count, _LONGEST)}
    if longest <= interval:
        return {"Retry": [rule | {"IntervalSeconds": max(1, longest), "BackoffRate": 1.0}]}
    grown = {"IntervalSeconds": interval, "BackoffRate": max(1.0, retry.backoff), "MaxDelaySeconds": longest}
    return {"Retry": [rule | grown]}


def limit(seconds: float | None) -> State:
    """The field `TimeoutSeconds` of a task."""
    return {} if seconds is None else {"TimeoutSeconds": min(max(1, ceil(seconds)), _LONGEST)}


def invoke(function: str, payload: Mapping[str, Any]) -> State:
    """A task that invokes a Lambda function; its answer comes to `$.r.o`."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, **payload},
        "ResultSelector": {"o.$": "$.Payload"},
        "ResultPath": "$.r",
    }
