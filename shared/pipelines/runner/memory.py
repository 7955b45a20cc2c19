"""What a run leaves behind so that a later one can go on: results by step, in one small JSON document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.common.errors import Misconfigured, unknown
from shared.common.types import JSON
from shared.pipelines.graph import ancestors
from shared.pipelines.plan import Plan, as_json
from shared.pipelines.runner.scope import RunFacts
from shared.pipelines.runner.states import Result, State
from shared.pipelines.step import ForEach, Step

_GOOD = frozenset({State.SUCCEEDED, State.PASSED_OVER, State.UNREACHED})


@dataclass(frozen=True, slots=True)
class Memory:
    """An earlier run: its facts and parameters, what its steps were (digests) and how they ended."""

    facts: RunFacts
    parameters: Mapping[str, JSON]
    digests: Mapping[str, str]
    results: Mapping[str, Result] = field(default_factory=dict)

    def to_json(self) -> str:
        facts = {name: getattr(self.facts, name) for name in ("id", "pipeline", "date", "time")}
        results = {
            key: {"state": str(one.state), "output": one.output, "error": one.error, "attempts": one.attempts}
            for key, one in self.results.items()
        }
        document = {
            "run": facts,
            "parameters": dict(self.parameters),
            "steps": dict(self.digests),
            "results": results,
        }
        return json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n"

    @classmethod
    def from_json(cls, text: str, *, file: str) -> Memory:
        """Raises `Misconfigured` for text that no run has written."""
        try:
            document: Any = json.loads(text)
            results = {
                key: Result(State(one["state"]), one["output"], one["error"], one["attempts"])
                for key, one in document["results"].items()
            }
            return cls(RunFacts(**document["run"]), document["parameters"], document["steps"], results)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Misconfigured(
                f"{file} does not hold the state of a run", hint="delete it and run the pipeline as a whole"
            ) from None


def digests(plan: Plan) -> dict[str, str]:
    """What each step is, so that a later run sees which ones have changed."""
    return {step.name: _digest(step) for step in plan.steps}


def kept(plan: Plan, memory: Memory, *, again: str | None = None) -> dict[str, Result]:
    """The results of an earlier run that still hold.

    Done again are the step `again` and, without one, those that did not end well; what has changed since; and all
    that comes behind one of these. Of a foreach that is done again, items that went well are kept unless it has
    changed or comes behind something that is done again. Raises `Misconfigured` where `again` is unknown, or where
    what comes before it has not ended well.
    """
    names = [step.name for step in plan.steps]
    needs = {step.name: [edge.source for edge in step.needs] for step in plan.steps}
    before = ancestors(needs, names)
    ended = {name for name in names if name in memory.results and memory.results[name].state in _GOOD}
    unchanged = {step.name for step in plan.steps if memory.digests.get(step.name) == _digest(step)}
    anew = {name for name in names if name not in ended & unchanged}
    if again is not None:
        anew = {_known(again, names)} | {name for name in anew if name not in before[again]}
        lacking = sorted(before[again] - ended)
        if lacking:
            raise Misconfigured(
                f'the last run cannot give step "{again}" what comes before it: {", ".join(lacking)} did not end well',
                hint="go on where it stopped: --resume",
            )
    anew |= {name for name in names if before[name] & anew}
    found = {name: memory.results[name] for name in names if name not in anew}
    for step in plan.steps:
        whole = step.name in found
        partly = step.name in unchanged and again is None and not (before[step.name] & anew)
        if isinstance(step.work, ForEach) and (whole or partly):
            found |= _items(step.name, memory.results)
    return found


def _items(name: str, results: Mapping[str, Result]) -> dict[str, Result]:
    """Results inside of a foreach, of those items in which nothing went wrong."""
    inner: dict[str, dict[str, Result]] = {}
    for key, result in results.items():
        if key.startswith(f"{name}[") and "]/" in key:
            inner.setdefault(key.partition("]/")[0], {})[key] = result
    good: Iterable[dict[str, Result]] = (
        one for one in inner.values() if all(result.state in _GOOD for result in one.values())
    )
    return {key: result for one in good for key, result in one.items()}


def _known(name: str, names: Collection[str]) -> str:
    if name not in names:
        raise unknown("step", name, names)
    return name


def _digest(step: Step) -> str:
    text = json.dumps(as_json(step), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
