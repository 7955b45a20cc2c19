"""A graph of steps as nested blocks, for engines that have no edges: Step Functions, Cloud Workflows.

The blocks keep every edge: what a step needs lies before it. They may make steps wait for more than they need,
where a graph has no such shape: then a `Series` is not exact, and the target calls it emulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from shared.pipelines.graph import Before
from shared.pipelines.step import Step


@dataclass(frozen=True, slots=True)
class Single:
    """One step."""

    step: str


@dataclass(frozen=True, slots=True)
class Series:
    """Each block begins when the one before has ended. `exact`: no step waits for more than its edges say."""

    blocks: tuple[Block, ...]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Parallel:
    """Blocks between which there are no edges."""

    blocks: tuple[Block, ...]


Block: TypeAlias = Single | Series | Parallel


def structure(steps: Sequence[Step]) -> Block:
    """The steps of a plan, or of a foreach, as blocks. Steps stand in the order of the plan wherever edges leave a
    choice.

    >>> from shared.pipelines.work import Wait
    >>> from shared.pipelines.step import Edge, Place
    >>> def step(name, *needs):
    ...     return Step(name, Wait(1), Place("f", 1, 1), tuple(map(Edge, needs)))
    >>> structure([step("a"), step("b", "a"), step("c", "a")])
    Series(blocks=(Single(step='a'), Parallel(blocks=(Single(step='b'), Single(step='c')))), exact=True)
    """
    names = [step.name for step in steps]
    needs = {step.name: [edge.source for edge in step.needs] for step in steps}
    return _block(names, needs, Before.of(needs, names))


def is_exact(block: Block) -> bool:
    """Whether no step waits for more than its edges say, anywhere inside."""
    match block:
        case Single():
            return True
        case Series(blocks, exact):
            return exact and all(map(is_exact, blocks))
        case Parallel(blocks):
            return all(map(is_exact, blocks))


def _block(names: Sequence[str], needs: Mapping[str, Sequence[str]], before: Before) -> Block:
    if len(names) == 1:
        return Single(names[0])
    parts = _components(names, needs)
    if len(parts) > 1:
        return Parallel(tuple(_block(part, needs, before) for part in parts))
    blocks: list[Block] = []
    rest, exact, more = names, True, True
    while more:  # no recursion layer by layer: there may be thousands
        pieces, cut = _pieces(rest, before)
        exact, rest = exact and cut, pieces[-1]
        more = not cut and len(rest) > 1 and len(_components(rest, needs)) == 1
        for piece in pieces[:-1] if more else pieces:
            block = _block(piece, needs, before)
            # A series inside of a series is the same as its blocks one after another.
            if isinstance(block, Series):
                blocks += block.blocks
                exact = exact and block.exact
            else:
                blocks.append(block)
    return Series(tuple(blocks), exact)


def _components(names: Sequence[str], needs: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The names in groups between which there are no edges, in the order of their first names."""
    here = set(names)
    near: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        for other in needs[name]:
            if other in here:
                near[name].add(other)
                near[other].add(name)
    group: dict[str, int] = {}
    for number, start in enumerate(names):
        waiting = [start] if start not in group else []
        while waiting:
            name = waiting.pop()
            if name not in group:
                group[name] = number
                waiting += near[name]
    parts: dict[int, list[str]] = {}
    for name in names:
        parts.setdefault(group[name], []).append(name)
    return list(parts.values())


def _pieces(names: Sequence[str], before: Before) -> tuple[list[list[str]], bool]:
    """The names cut where everything behind waits for everything before; else the first ones cut off, not exactly."""
    here = before.joined(names)
    depth = {name: (before.masks[name] & here).bit_count() for name in names}
    order = sorted(names, key=lambda name: depth[name])  # all that comes before a name stands before it
    groups = _groups(order, here, before)
    exact = len(groups) > 1
    if not exact:
        first = frozenset(name for name in names if not depth[name])
        groups = [first, frozenset(names) - first]
    number = {name: index for index, group in enumerate(groups) for name in group}
    pieces: list[list[str]] = [[] for _ in groups]
    for name in names:
        pieces[number[name]].append(name)
    return pieces, exact


def _groups(order: Sequence[str], here: int, before: Before) -> list[frozenset[str]]:
    """The names between cuts: a cut is where each name behind waits for all that stand before it."""
    cuts = [len(order)]
    front, common = here, here  # what stands before a place, and what all behind it wait for
    for place in range(len(order) - 1, 0, -1):
        front &= ~before.bits[order[place]]
        common &= before.masks[order[place]]
        if front == front & common:
            cuts.append(place)
    cuts.append(0)
    return [frozenset(order[start:end]) for start, end in pairwise(reversed(cuts))]
