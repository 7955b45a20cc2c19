"""What Google Cloud Workflows and Cloud Scheduler have no room for or cannot do: https://cloud.google.com/workflows/quotas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.schedule import Event, Once
from shared.pipelines.step import ForEach, Place, Step
from shared.pipelines.targets.workflows_steps import AT_ONCE
from shared.pipelines.work import Wait

MOST_BYTES = 131_072
"""Bytes of a source."""
MOST_EXPRESSION = 400
MOST_ASSIGNMENTS = 50
LONGEST_SECONDS = 31_536_000
"""How long an execution lives."""


def refused(plan: Plan) -> Iterator[tuple[Place, str]]:
    """What of a plan no workflow and no job of Cloud Scheduler can do, with its place."""
    yield from ((plan.at("schedule", key), fault) for key, fault in _schedule(plan))
    for step in plan.all_steps():
        yield from _limits(step)


def _schedule(plan: Plan) -> Iterator[tuple[str, str]]:
    """What a schedule says that Cloud Scheduler cannot do: the key and the fault."""
    schedule = plan.schedule
    if schedule is None:
        return
    if schedule.catch_up:
        yield "catch_up", "Cloud Scheduler does not make up for missed runs; take out `catch_up`"
    if isinstance(schedule.trigger, Once | Event):
        how = "start this one by `gcloud workflows run`, or by Eventarc"
        yield "type", f"Cloud Scheduler knows cron and rate; {how}"
    if schedule.start is not None or schedule.end is not None:
        yield "end" if schedule.start is None else "start", "Cloud Scheduler has no `start` and no `end`"


def _limits(step: Step) -> Iterator[tuple[Place, str]]:
    match step.work:
        case ForEach(max_parallel=int() as most) if most > AT_ONCE:
            yield (
                step.at("max_parallel"),
                f"Cloud Workflows does {AT_ONCE} items at once at most; write max_parallel: {AT_ONCE}, or less",
            )
        case Wait(seconds=float() | int() as seconds) if seconds > LONGEST_SECONDS:
            yield (
                step.at("duration"),
                "an execution of Cloud Workflows lives for a year; wait for less, or let a schedule start what is "
                "behind the wait",
            )


def check_expressions(document: Any, plan: Plan) -> None:
    """What the construction promises: no expression is longer than Cloud Workflows takes."""
    match document:
        case str() if document.startswith("${") and len(document) > MOST_EXPRESSION:
            raise Misconfigured(
                f"{plan.place} an expression has {len(document)} characters, and Cloud Workflows takes "
                f"{MOST_EXPRESSION}; use shorter names"
            )
        case dict():
            for value in document.values():
                check_expressions(value, plan)
        case list():
            for value in document:
                check_expressions(value, plan)
