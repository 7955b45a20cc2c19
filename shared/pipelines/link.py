"""Draws the edges that references ask for, and refuses graphs that cannot run: circles, and reads of what is not
known.

Both forms of definitions end here, so both become plans by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from shared.common.errors import unknown
from shared.common.places import Position
from shared.pipelines.graph import Before, ordered
from shared.pipelines.step import Edge, ForEach, Step
from shared.pipelines.values import Reference, Root

Complain: TypeAlias = Callable[[Position, str], None]


@dataclass(frozen=True, slots=True)
class Use:
    """A reference and where it is written."""

    reference: Reference
    at: Position


@dataclass(frozen=True, slots=True)
class Uses:
    """What the steps of a definition refer to, by step; the names of its parameters; where to complain."""

    by_step: Mapping[str, Sequence[Use]]
    parameters: Sequence[str]
    complain: Complain


def linked(steps: Sequence[Step], uses: Uses) -> tuple[Step, ...]:
    """The steps with edges to what they read, each behind what it needs. Complains, and then the result is not to
    be used.
    """
    found = _linked(steps, uses, before=frozenset(), inside=False)
    for step in steps:
        _check(step, uses)
    return found


def _linked(steps: Sequence[Step], uses: Uses, *, before: frozenset[str], inside: bool) -> tuple[Step, ...]:
    here = {step.name: step for step in steps}
    holder = {inner: step.name for step in steps for inner in _inner(step)}
    with_edges = {
        step.name: replace(step, needs=(*step.needs, *_read(step, uses, here, holder, before)))
        for step in steps
    }
    needs = {name: [edge.source for edge in step.needs] for name, step in with_edges.items()}
    order, circle = ordered(needs)
    if circle:
        way = " -> ".join([*circle, circle[0]])
        place = here[circle[0]].place
        uses.complain((place.line, place.column), f"the steps wait for each other in a circle: {way}")
        return tuple(with_edges.values())
    earlier = Before.of(needs, order)
    result = []
    for name in order:
        step = _without_needless(with_edges[name], earlier)
        if isinstance(step.work, ForEach):
            known = before | earlier.all(name)
            body = _linked(step.work.steps, uses, before=known, inside=True)
            step = replace(step, work=replace(step.work, steps=body))
        result.append(step)
    return tuple(result)


def _inner(step: Step) -> list[str]:
    if not isinstance(step.work, ForEach):
        return []
    return [name for inner in step.work.steps for name in (inner.name, *_inner(inner))]


def _read(
    step: Step, uses: Uses, here: Mapping[str, Step], holder: Mapping[str, str], before: frozenset[str]
) -> list[Edge]:
    """Edges to the steps of the same scope whose output this step, or one inside it, reads."""
    written = {edge.source for edge in step.needs}
    own = {step.name, *_inner(step)}
    found: dict[str, Edge] = {}
    for name in (step.name, *_inner(step)):
        for use in uses.by_step.get(name, ()):
            source = use.reference.name
            if use.reference.root is not Root.STEP or source in before or source in written:
                continue
            if source == name:
                uses.complain(use.at, f'step "{name}" reads its own output')
            elif source in holder and holder[source] != step.name:
                uses.complain(
                    use.at,
                    f'step "{source}" lies inside the foreach "{holder[source]}"; '
                    f"read steps.{holder[source]}.output, a list",
                )
            elif source in here and source not in own:
                found[source] = Edge(source, passive=bool(step.needs))
    return list(found.values())


def _without_needless(step: Step, earlier: Before) -> Step:
    """Without passive edges to what comes before another need anyway: that one waits for it, and is blocked by it."""
    sources = [edge.source for edge in step.needs]
    kept = [
        e
        for e in step.needs
        if not (e.passive and any(earlier.is_before(e.source, source) for source in sources))
    ]
    return step if len(kept) == len(step.needs) else replace(step, needs=tuple(kept))


def _check(step: Step, uses: Uses, *, item: bool = False) -> None:
    """References to what is not there: parameters, items outside of a foreach."""
    for use in uses.by_step.get(step.name, ()):
        match use.reference:
            case Reference(root=Root.PARAMETER, name=name) if name not in uses.parameters:
                error = unknown("parameter", name, uses.parameters)
                uses.complain(use.at, f"{error.message}; {error.hint}")
            case Reference(root=Root.ITEM) if not item:
                uses.complain(use.at, "${item} is known only inside a foreach")
    if isinstance(step.work, ForEach):
        for inner in step.work.steps:
            _check(inner, uses, item=True)
