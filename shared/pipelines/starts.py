"""Which pipelines wait for which, and which begin after which.

One that does so with itself, directly or through others, never ends, or never stops beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.common.errors import Misconfigured
from shared.common.ways import way
from shared.pipelines.plan import Plan, every_step
from shared.pipelines.schedule import Event, Schedule
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
    """Raises `Misconfigured` with the place of each step by which a pipeline waits for itself through others, and of a
    schedule by which its success makes it begin again, as far as the others are among `known`.
    """
    started, begins_after = [*_waits(plan.steps)], _after(plan)
    if not (started or begins_after):
        return  # most have nothing to do with others, and there may be thousands of those
    known = tuple(known)
    waits = {one.name: [name for _, name in _waits(one.steps)] for one in known}
    after = {one.name: _after(one) for one in known}
    found = []
    for other in begins_after:
        if back := way(after, other, plan.name):
            names = " after ".join([plan.name, *back])
            found.append(f"{plan.at('schedule', 'expression')} this would begin again and again: {names}")
    for step, other in started:
        if other != plan.name and (back := way(waits, other, plan.name)):
            names = " -> ".join([plan.name, *back])
            found.append(f"{step.at('pipeline')} pipelines would wait for each other in a circle: {names}")
    if found:
        raise Misconfigured("\n".join(found))


def _after(plan: Plan) -> list[str]:
    """The pipeline whose success begins a run of this one, if there is one."""
    match plan.schedule:
        case Schedule(Event(name)) if name.startswith("pipeline:"):
            return [name.removeprefix("pipeline:")]
    return []


def _waits(steps: tuple[Step, ...]) -> Iterator[tuple[Step, str]]:
    """The steps that wait for another pipeline, each with its name."""
    for step in every_step(steps):
        if isinstance(step.work, SubPipeline) and step.work.wait:
            yield step, step.work.pipeline
