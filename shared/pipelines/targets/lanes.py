"""Blocks of a plan with fewer things at once: for engines that have no pools and no limit of a run.

Where a limit allows k of the blocks of a `Parallel` at once, they are put one behind the other into k lanes. No edge is
lost and no step is added; steps may wait for more than they need, so a target calls it emulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.pipelines.plan import Plan, every_step
from shared.pipelines.step import ForEach, Step
from shared.pipelines.structure import Block, Parallel, Series, Single, structure

Budget = Mapping[str, int]
"""How many steps may be at work at once, by pool; the empty name stands for all steps."""


def budget_of(plan: Plan) -> dict[str, int]:
    """The limits of a plan."""
    found = {pool.name: pool.slots for pool in plan.pools}
    return found if plan.max_parallel is None else {"": plan.max_parallel, **found}


@dataclass(slots=True)
class Lanes:
    """`block` never has more at work than the budget allows; `inside` is what is left for each foreach in it."""

    block: Block
    inside: dict[str, Budget] = field(default_factory=dict)


def lanes(steps: Sequence[Step], budget: Budget, *, most: int | None = None) -> Lanes:
    """The steps as blocks that keep to a budget, with at most `most` blocks side by side in a `Parallel`."""
    found = Lanes(structure(steps))
    found.block = _laned(found.block, budget, {step.name: step for step in steps}, found.inside, most)
    return found


def items_at_once(work: ForEach, budget: Budget) -> tuple[int | None, Budget]:
    """How many items of a foreach may be at work at once (None: no limit), and what is left for each of them."""
    used = [name for name in budget if any(_uses(step, name) for step in every_step(work.steps))]
    bounds = [bound for bound in (work.max_parallel, *(budget[name] for name in used)) if bound is not None]
    if not bounds:
        return None, budget
    most = min(bounds)
    return most, {name: budget[name] // most if name in used else budget[name] for name in budget}


def _laned(
    block: Block, budget: Budget, steps: Mapping[str, Step], inside: dict[str, Budget], most: int | None
) -> Block:
    match block:
        case Single(name):
            inside[name] = budget
            return block
        case Series(blocks, exact):
            return Series(tuple(_laned(one, budget, steps, inside, most) for one in blocks), exact)
        case Parallel(blocks):
            merged = list(blocks)
            for name, slots in budget.items():
                merged = _merged(merged, slots, lambda one, name=name: _concerns(one, name, steps))
            if most is not None:
                merged = _merged(merged, most, lambda _: True)
            left = {
                name: slots // max(1, sum(_concerns(one, name, steps) for one in merged))
                for name, slots in budget.items()
            }
            made = tuple(_laned(one, left, steps, inside, most) for one in merged)
            return made[0] if len(made) == 1 else Parallel(made)


def _merged(blocks: list[Block], most: int, concerned: object) -> list[Block]:
    """Those that are concerned in at most so many series; the order of the first of each stays."""
    assert callable(concerned)
    which = [index for index, block in enumerate(blocks) if concerned(block)]
    if len(which) <= most:
        return blocks
    series = {
        index: _series(blocks[other] for other in which[place::most])
        for place, index in enumerate(which[:most])
    }
    return [
        series.get(index, block)
        for index, block in enumerate(blocks)
        if index in series or index not in which
    ]


def _series(blocks: Iterable[Block]) -> Series:
    flat: list[Block] = []
    for block in blocks:
        flat += block.blocks if isinstance(block, Series) else [block]
    return Series(tuple(flat), exact=False)


def _concerns(block: Block, name: str, steps: Mapping[str, Step]) -> bool:
    match block:
        case Single(step):
            return any(_uses(one, name) for one in every_step((steps[step],)))
        case Series(blocks) | Parallel(blocks):
            return any(_concerns(one, name, steps) for one in blocks)


def _uses(step: Step, pool: str) -> bool:
    return step.pool == pool if pool else not isinstance(step.work, ForEach)
