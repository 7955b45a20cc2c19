"""Short words for people: what a step does, when a pipeline runs, why one step waits for another."""

from __future__ import annotations

from typing import assert_never

from shared.pipelines.conditions import say
from shared.pipelines.schedule import Cron, Event, Once, Rate, Schedule
from shared.pipelines.step import Edge, ForEach, Step
from shared.pipelines.values import Value, as_text, plain
from shared.pipelines.work import (
    Branch,
    Call,
    Check,
    Container,
    Ingest,
    Job,
    Lambda,
    Load,
    SubPipeline,
    Transform,
    Wait,
)


def what(step: Step) -> str:  # noqa: C901 - a case for each kind, and nothing else
    """What a step does, in a few words."""
    match step.work:
        case Ingest(source, inputs=inputs, outputs=outputs):
            origin = source or " and ".join(ref.table or ref.path or ref.name for ref in inputs)
            goal = " and ".join(ref.table or ref.path or ref.name for ref in outputs)
            return f"{origin} -> {goal}" if goal else origin
        case Load(source, streams):
            return f"{source}: {', '.join(streams)}" if streams else source
        case Transform(file=file, outputs=outputs):
            goal = " and ".join(ref.table or ref.path or ref.name for ref in outputs)
            return f"{file or 'SQL'} -> {goal}" if goal else file or "SQL"
        case Check(source, sql=sql, file=file):
            return file or ("a query" if sql is not None else f"checks of {source}")
        case Call(method, url):
            return f"{method} {_short(url)}"
        case Lambda(function):
            return function
        case Container(image):
            return image
        case Job(service, start):
            return f"{service} {start}"
        case Wait(seconds, until):
            return f"{seconds:g} s" if seconds is not None else f"until {_short(until)}"
        case Branch(condition):
            return say(condition)
        case ForEach(items, steps):
            return f"{', '.join(inner.name for inner in steps)} for each of {_short(items)}"
        case SubPipeline(pipeline):
            return pipeline
        case never:
            assert_never(never)


def when(schedule: Schedule | None) -> str:
    """When a pipeline runs."""
    if schedule is None:
        return "when it is started"
    match schedule.trigger:
        case Cron(expression):
            return f"cron {expression} {schedule.timezone}"
        case Rate(seconds):
            return f"every {seconds // 60} minutes"
        case Once(at):
            return f"once at {at.isoformat()}"
        case Event(name):
            return f"on {name}"


def why(edge: Edge) -> str:
    """What an edge adds to its mere being there; empty for a plain one."""
    if edge.side is not None:
        return "yes" if edge.side else "no"
    return "reads" if edge.passive else ""


def _short(value: Value | None) -> str:
    text = "" if value is None else as_text(plain(value))
    return text if len(text) <= 60 else f"{text[:57]}…"
