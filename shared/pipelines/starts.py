"""Which pipelines wait for which: one that waits for itself, directly or through others, never ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan, every_step
from shared.pipelines.step import Place, Step
from shared.pipelines.work import SubPipeline


def own_starts(name: str, steps: tuple[Step, ...]) -> Iterator[tuple[Place, str]]:
    """Where the steps of pipeline `name` start it and wait for it, each with what is wrong."""
    for step, started in _waits(steps):
        if started == name:
            yield (
                step.at("pipeline"),
                f'the pipeline "{name}" would wait for itself here; do what is repeated in a foreach, or start it '
                "with `wait: false`",
            )


def check_starts(plan: Plan, known: Iterable[Plan]) -> None:
    """Raises `Misconfigured` with the place of each step by which a pipeline waits for itself through others, as far
    as these are among `known`.
    """
    waits = {one.name: [started for _, started in _waits(one.steps)] for one in known}
    found = []
    for step, started in _waits(plan.steps):
        if started != plan.name and (way := _way(started, plan.name, waits)):
            names = " -> ".join([plan.name, *way])
            found.append(f"{step.at('pipeline')} pipelines would wait for each other in a circle: {names}")
    if found:
        raise Misconfigured("\n".join(found))


def _waits(steps: tuple[Step, ...]) -> Iterator[tuple[Step, str]]:
    """The steps that wait for another pipeline, each with its name."""
    for step in every_step(steps):
        if isinstance(step.work, SubPipeline) and step.work.wait:
            yield step, step.work.pipeline


def _way(start: str, goal: str, waits: Mapping[str, Iterable[str]]) -> list[str]:
    """The shortest way from one pipeline to another one, both included; empty where there is none."""
    before: dict[str, str] = {start: ""}
    trail = [start]
    for name in trail:  # it grows
        if name == goal:
            way = [name]
            while before[way[0]]:
                way.insert(0, before[way[0]])
            return way
        for other in waits.get(name, ()):
            if other not in before:
                before[other] = name
                trail.append(other)
    return []
