"""What an execution of Step Functions has no room for: refused when it is compiled, not found out in a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Place, Step
from shared.pipelines.targets.stepfunctions_flow import State
from shared.pipelines.targets.stepfunctions_values import Path
from shared.pipelines.values import Literal, follow
from shared.pipelines.work import Wait

MOST_BYTES = 1_048_576
"""Bytes of a definition: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html, as the others."""
MOST_EVENTS = 25_000
"""Events in the history of an execution."""
MOST_STATE = 262_144
"""Bytes of what goes into a state or comes out of it, as UTF-8; `States.ALL` does not catch what is longer."""
MOST_ITEMS = 40
"""Iterations of an inline Map that Step Functions runs at once."""
LONGEST_SECONDS = 31_536_000
"""How long an execution lives."""


def check_plan(plan: Plan) -> None:
    """Raises `Misconfigured` with a line for everything of a plan that no machine can do."""
    found = [*_refused(plan), *(fault for step in plan.all_steps() for fault in _of_step(step))]
    if found:
        raise Misconfigured("\n".join(f"{place} {text}" for place, text in found))
    _check_events(plan)


def _refused(plan: Plan) -> Iterator[tuple[Place, str]]:
    if plan.deadline_seconds is not None and plan.notifications.on_failure:
        yield (
            plan.at("deadline"),
            "a deadline ends an execution of Step Functions at once, so nobody can be told by it; take out `deadline` "
            "or `notifications.on_failure` of the pipeline",
        )
    if plan.schedule is not None and plan.schedule.catch_up:
        yield (
            plan.at("schedule", "catch_up"),
            "Amazon EventBridge Scheduler does not make up for missed runs; take out `catch_up`",
        )


def _of_step(step: Step) -> Iterator[tuple[Place, str]]:
    match step.work:
        case ForEach(max_parallel=int() as most) if most > MOST_ITEMS:
            yield (
                step.at("max_parallel"),
                f"Step Functions does {MOST_ITEMS} items at once at most; write max_parallel: {MOST_ITEMS}, or less",
            )
        case Wait(seconds=float() | int() as seconds) if seconds > LONGEST_SECONDS:
            yield (
                step.at("duration"),
                "an execution of Step Functions lives for 365 days; wait for less, or let a schedule start what is "
                "behind the wait",
            )


def _check_events(plan: Plan) -> None:
    """Refuse what is known to be too long for one history: about twenty events a step, with its gate and record."""
    events = 100
    for step in plan.all_steps():
        events += 20 + 6 * step.retry.count
        if isinstance(step.work, ForEach) and not isinstance(step.work.items, Literal):
            items = getattr(step.work.items, "items", ())
            each = sum(20 + 6 * inner.retry.count for inner in step.work.steps)
            if len(items) * each > MOST_EVENTS:
                raise Misconfigured(
                    f"{step.place} {len(items)} items make more than the {MOST_EVENTS:,} events that an execution may "
                    "have; do the items in a pipeline of their own"
                )
    if events > MOST_EVENTS:
        raise Misconfigured(
            f"{plan.place} the run would have about {events:,} events, and Step Functions ends one at {MOST_EVENTS:,}; "
            "move steps to another pipeline and run it by a step of type pipeline"
        )


def check_states(plan: Plan, machine: State, labels: Mapping[str, str]) -> None:
    """Raises `Misconfigured` where what a step says itself fills a state; `labels` begin the names of its states."""
    found = set[tuple[Place, str]]()
    steps = {labels[step.name]: step for step in plan.all_steps()}
    for name, state in _states(machine):
        step = steps.get(name.partition(" (")[0])
        size = max(_size(state.get(key)) for key in ("Result", "Parameters"))
        if step is not None and size > MOST_STATE:
            found.add((
                step.place,
                f"what the step is given has {size:,} bytes, and a state of Step Functions takes {MOST_STATE:,}; put "
                "it into an object in S3 and give its name",
            ))  # fmt: skip
    if found:
        raise Misconfigured("\n".join(f"{place} {text}" for place, text in sorted(found)))


def check_defaults(plan: Plan, read: Iterable[Path]) -> None:
    """Raises `Misconfigured` where the defaults of parameters fill a state: where a run begins it holds all of them,
    and those that steps read (`read`, by path) once more.
    """
    defaults = {one.name: one.default for one in plan.parameters}
    total = _size(defaults) + sum(_size(follow(defaults, path)) for path in read)
    if total > MOST_STATE:
        largest = max(defaults, key=lambda name: _size(defaults[name]))
        raise Misconfigured(
            f"{plan.at('parameters', largest)} the defaults of the parameters fill {total:,} bytes where a run begins, "
            f'and a state of Step Functions takes {MOST_STATE:,}; put "{largest}" into an object in S3 and give its '
            "name"
        )


def _states(machine: State) -> Iterator[tuple[str, State]]:
    for name, state in machine["States"].items():
        yield name, state
        for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
            yield from _states(inner)


def _size(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
