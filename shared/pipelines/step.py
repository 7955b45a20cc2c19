"""A step of a plan: what it does, what must be settled before it, and what becomes of its failures.

When a step runs, what a failure is and what the steps behind it do then: docs/decisions/0007-plan.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from shared.common.places import Elsewhere, Key, Spot
from shared.pipelines.conditions import Condition, condition_references
from shared.pipelines.values import MapOf, Reference, Value, references
from shared.pipelines.work import (
    Branch,
    Call,
    Check,
    Container,
    Ingest,
    Job,
    Kind,
    Lambda,
    Load,
    SubPipeline,
    Transform,
    Wait,
)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in a definition something stands; lines and columns from 1. `inside`: where what it holds stands.

    >>> str(Place("orders.yaml", 3, 5))
    'orders.yaml:3:5'
    """

    file: str
    line: int
    column: int
    inside: Spot | None = field(default=None, compare=False, repr=False)

    def at(self, *path: Key) -> Place:
        """The place of the key at `path` in what stands here; of the nearest thing around it that is written."""
        if self.inside is None:
            return self
        line, column = found = self.inside.find(path, key=True)
        return Place(found.file if isinstance(found, Elsewhere) else self.file, line, column)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Edge:
    """What a step waits for: `source` must have ended first.

    `side` is set where `source` is a branch: the edge is alive only when the branch chose that side. A `passive` edge
    waits and blocks as any other, and does not make the step run: the step is unreached when all its other edges are
    dead. Such edges lead to a step on a side of a branch from what else it depends on, and from what a step only
    reads.
    """

    source: str
    side: bool | None = None
    passive: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed attempt is followed by another one: `count` more attempts at most.

    Before attempt k + 1 (k = 1, 2, …) lie `delay_seconds * backoff ** (k - 1)` seconds, at most `max_delay_seconds`.
    """

    count: int = 0
    delay_seconds: float = 30.0
    backoff: float = 2.0
    max_delay_seconds: float = 3600.0

    def delay_after(self, attempt: int) -> float:
        """Seconds between attempt number `attempt` (from 1) and the next one.

        >>> [Retry(3, 10, 2, 30).delay_after(attempt) for attempt in (1, 2, 3)]
        [10.0, 20.0, 30.0]
        """
        exponent = min(attempt - 1, 1000) if self.backoff > 1 else 0
        try:
            delay = self.delay_seconds * self.backoff**exponent
        except OverflowError:
            delay = self.max_delay_seconds
        return float(min(delay, self.max_delay_seconds))


class Method(StrEnum):
    SLACK = "slack"
    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told. SLACK: `channel`, or recipients to mention; EMAIL: recipients; WEBHOOK: recipients are URLs."""

    method: Method
    recipients: tuple[str, ...] = ()
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Notifications:
    """Who is told when a step (or a pipeline) has succeeded, and when it has failed for good. Telling never fails
    it.
    """

    on_success: tuple[Target, ...] = ()
    on_failure: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step. `name` is unique in its plan, steps inside a foreach included.

    `needs` are its edges, one per source, in the order written; inside a foreach, among the steps there.
    `timeout_seconds` bounds each attempt. `continue_if_fail`: the steps behind it run although it failed. `pool`:
    it takes one place of this pool of the plan. `job_id` is the JOB_ID of a LEVEL file, empty elsewhere.
    """

    name: str
    work: Work
    place: Place
    needs: tuple[Edge, ...] = ()
    description: str = ""
    condition: Condition | None = None
    retry: Retry = field(default_factory=Retry)
    timeout_seconds: float | None = None
    continue_if_fail: bool = False
    notifications: Notifications = field(default_factory=Notifications)
    pool: str = ""
    job_id: str = ""

    @property
    def kind(self) -> Kind:
        return kind_of(self.work)

    def at(self, *path: Key) -> Place:
        """The place of a key of this step, such as "retries"; of the nearest thing that is written."""
        return self.place.at(*path)

    def references(self) -> Iterator[Reference]:
        """All references in its condition and its work; of a foreach also those of the steps inside."""
        if self.condition is not None:
            yield from condition_references(self.condition)
        yield from work_references(self.work)


@dataclass(frozen=True, slots=True)
class ForEach:
    """Do `steps` once per item of a list, `max_parallel` items at a time (None: all that the engine can).

    Steps inside have edges among themselves only and may use `${item}`, and outputs of steps that come before the
    foreach. An item fails when one of its steps fails; the others go on; the step fails when an item has. A
    value that is no list is a failure, null is an empty list. Output: per item, in order, the output of the last of
    `steps`.
    """

    items: Value
    steps: tuple[Step, ...]
    max_parallel: int | None = None


Work: TypeAlias = (
    Ingest
    | Load
    | Transform
    | Check
    | Call
    | Lambda
    | Container
    | Job
    | Wait
    | Branch
    | ForEach
    | SubPipeline
)
"""All that a step can do. `match` over it and end with `assert_never`, so that a new kind is noticed everywhere."""

_KINDS: dict[type, Kind] = {
    Ingest: Kind.INGESTION,
    Load: Kind.LOAD,
    Transform: Kind.TRANSFORMATION,
    Check: Kind.CHECK,
    Call: Kind.CALL,
    Lambda: Kind.LAMBDA,
    Container: Kind.CONTAINER,
    Job: Kind.JOB,
    Wait: Kind.WAIT,
    Branch: Kind.BRANCH,
    ForEach: Kind.FOREACH,
    SubPipeline: Kind.PIPELINE,
}


def kind_of(work: Work) -> Kind:
    """The word that definitions use for this kind of work."""
    return _KINDS[type(work)]


def work_references(work: Work) -> Iterator[Reference]:
    """All references in what a step does, in a fixed order."""
    match work:
        case ForEach(items, steps):
            yield from references(items)
            for step in steps:
                yield from step.references()
        case Branch(condition):
            yield from condition_references(condition)
        case _:
            for value in values_of(work):
                yield from references(value)


def values_of(work: Work) -> tuple[Value, ...]:
    """The values in what a step does that may hold references; for a foreach only its own, for a branch none."""
    return tuple(value for _, value in fields_of(work))


def fields_of(work: Work) -> tuple[tuple[str, Value], ...]:
    """The same with the keys that they have in a YAML definition."""
    found: tuple[tuple[str, Value | None], ...]
    match work:
        case Ingest(config=config) | Load(config=config):
            found = (("config", config),)
        case Transform(sql=sql, config=config):
            found = (("transformation_query", sql), ("config", config))
        case Check(sql=sql):
            found = (("query", sql),)
        case Call(url=url, headers=headers, query=query, body=body):
            found = (("url", url), ("headers", headers), ("query", query), ("body", body))
        case Lambda(payload=payload):
            found = (("payload", payload),)
        case Container(command=command, environment=environment):
            found = (("command", command), ("environment", environment))
        case Job(properties=properties, input=given):
            found = (("config", properties), ("input", given))
        case Wait(until=until):
            found = (("until", until),)
        case ForEach(items=items):
            found = (("items", items),)
        case SubPipeline(parameters=parameters):
            found = (("parameters", parameters),)
        case Branch():
            found = ()
    return tuple((key, value) for key, value in found if value is not None and value != MapOf())
