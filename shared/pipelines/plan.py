"""The plan: what every form of a definition becomes, and what targets, the local runner, lint and drawings read.

A plan is a frozen value without doubt in it: names are unique, edges lead to steps that are there, nothing goes
round in a circle, every reference is to something that is settled before. Its semantics:
docs/decisions/0007-plan.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache
from typing import Any

from shared.common.errors import unknown
from shared.common.instants import format_instant
from shared.common.places import Key
from shared.common.types import JSON
from shared.pipelines.schedule import Schedule
from shared.pipelines.step import ForEach, Notifications, Place, Step


class Form(StrEnum):
    """How a definition was written."""

    YAML = "yaml"
    LEVELS = "levels"  # a bare list of levels, or {"engine", "definition"}


class Engine(StrEnum):
    """The engine that a LEVEL file asks for; NONE where it does not say, and in the YAML form."""

    NONE = ""
    CLOUD_WORKFLOWS = "cloud_workflows"
    COMPOSER = "composer"


@dataclass(frozen=True, slots=True)
class Owner:
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a run with its default. Null as the default: whoever starts a run may leave it null."""

    name: str
    default: JSON = None


@dataclass(frozen=True, slots=True)
class Pool:
    """At most `slots` of the steps that name this pool are at work at once, in one run."""

    name: str
    slots: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Where a pipeline runs and stores, as its author says it; what a target makes of it, docs/targets.md says."""

    compute_cluster: str = ""
    storage_location: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """Steps of a level that are written as one thread, by name, in the order written."""

    id: str
    steps: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Level:
    """Threads that may run side by side. The next level begins when all threads are settled: the edges say so too."""

    id: str
    threads: tuple[Thread, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Plan:
    """A pipeline. `steps` are in an order in which every step comes after its needs (that of the file where
    possible).

    `levels` are there for LEVEL files only. `max_parallel`: how many steps of a run may be at work at once,
    `max_runs`: how many runs; None: no limit. `deadline_seconds` bounds a run from its start. Edges alone decide
    what runs when; levels are kept for targets that have the same shape.
    """

    name: str
    steps: tuple[Step, ...]
    place: Place
    form: Form = Form.YAML
    engine: Engine = Engine.NONE
    levels: tuple[Level, ...] = ()
    version: str = ""
    domain: str = ""
    description: str = ""
    owners: tuple[Owner, ...] = ()
    schedule: Schedule | None = None
    parameters: tuple[Parameter, ...] = ()
    notifications: Notifications = field(default_factory=Notifications)
    pools: tuple[Pool, ...] = ()
    max_parallel: int | None = None
    max_runs: int | None = 1
    deadline_seconds: float | None = None
    resources: Resources = field(default_factory=Resources)

    @property
    def file(self) -> str:
        """The name of the file that the definition is in, as it was read."""
        return self.place.file

    def at(self, *path: Key) -> Place:
        """The place of a key of the pipeline, such as "schedule", "catch_up"; of the nearest thing that is written."""
        return self.place.at(*path)

    @property
    def file_name(self) -> str:
        """The last part of `file`, which artifacts name: their bytes do not depend on where a checkout lies."""
        return re.split(r"[/\\]", self.file)[-1]

    def step(self, name: str) -> Step:
        """The step of this name, also one inside a foreach. Raises `Misconfigured` listing the known ones."""
        known = {step.name: step for step in self.all_steps()}
        if name not in known:
            raise unknown("step", name, known, pipeline=self.name)
        return known[name]

    def all_steps(self) -> Iterator[Step]:
        """All steps, those inside a foreach right behind it."""
        yield from every_step(self.steps)

    def successors(self, name: str) -> tuple[Step, ...]:
        """The steps that wait for a step, in order."""
        return tuple(s for s in self.steps if any(edge.source == name for edge in s.needs))

    def first(self) -> tuple[Step, ...]:
        """The steps that wait for nothing."""
        return tuple(step for step in self.steps if not step.needs)

    def last(self) -> tuple[Step, ...]:
        """The steps that nothing waits for."""
        waited = {edge.source for step in self.steps for edge in step.needs}
        return tuple(step for step in self.steps if step.name not in waited)

    def digest(self) -> str:
        """A digest (SHA-256, hex) of all that matters: places and layout of the file do not count.

        Two definitions with equal digests compile to the same artifacts, but for names of files and lines in them.
        """
        text = json.dumps(as_json(self), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def every_step(steps: tuple[Step, ...]) -> Iterator[Step]:
    """These steps, each followed by those inside it."""
    for step in steps:
        yield step
        if isinstance(step.work, ForEach):
            yield from every_step(step.work.steps)


def as_json(value: Any) -> JSON:
    """A value of a plan as plain data, without places; each dataclass that is one of a family says its name as
    `is`.
    """
    kind: type = type(value)
    match value:
        case _ if kind in _PLAIN:
            pass
        case Place():
            return None
        case Enum():
            return str(value.value)
        case datetime():
            return format_instant(value)
        case tuple():
            return [as_json(item) for item in value]
        case _ if is_dataclass(value):
            found: dict[str, JSON] = {"is": kind.__name__}
            for name in _names(kind):
                if not isinstance(item := getattr(value, name), Place):
                    found[name] = as_json(item)
            return found
    data: JSON = value
    return data


_PLAIN = frozenset({str, int, float, bool, type(None)})


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))
