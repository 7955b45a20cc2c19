"""Lanes: whatever the graph and the limits, no more is at once than may be, and nothing is lost or out of order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.read import read_definition
from shared.pipelines.step import Edge, ForEach, Place, Step
from shared.pipelines.structure import Block, Parallel, Series, Single
from shared.pipelines.targets.lanes import Budget, Lanes, budget_of, items_at_once, lanes
from shared.pipelines.values import Literal
from shared.pipelines.work import Wait

HERE = Place("p.yaml", 1, 1)
POOLS = ("x", "y")


@st.composite
def graphs(draw: st.DrawFn, *, prefix: str = "s", depth: int = 0) -> tuple[Step, ...]:
    """Steps, each behind some of those before it, some in a pool, some a foreach with steps of its own."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 7 if depth == 0 else 3))):
        name = f"{prefix}{number}"
        before = draw(st.sets(st.sampled_from([one.name for one in made]), max_size=3)) if made else set()
        needs = tuple(Edge(source) for source in sorted(before))
        if depth == 0 and draw(st.integers(0, 4)) == 0:
            inner = draw(graphs(prefix=f"{name}.", depth=1))
            work: ForEach | Wait = ForEach(Literal(None), inner, draw(st.none() | st.integers(1, 3)))
            made.append(Step(name, work, HERE, needs))
        else:
            made.append(Step(name, Wait(1), HERE, needs, pool=draw(st.sampled_from(["", *POOLS]))))
    return tuple(made)


BUDGETS = st.fixed_dictionaries({}, optional={name: st.integers(1, 4) for name in ("", *POOLS)})


def names(block: Block) -> list[str]:
    """All steps of a block, in the order in which it names them."""
    return [block.step] if isinstance(block, Single) else [n for one in block.blocks for n in names(one)]


def orders(block: Block) -> set[tuple[str, str]]:
    """Which step a block always has before which."""
    if isinstance(block, Single):
        return set()
    found = {pair for one in block.blocks for pair in orders(one)}
    if isinstance(block, Series):
        for index, one in enumerate(block.blocks):
            found |= {(a, b) for a in names(one) for later in block.blocks[index + 1 :] for b in names(later)}
    return found


def at_once(found: Lanes, steps: Mapping[str, Step], pool: str, most: int | None) -> int:
    """How many steps of a pool (all steps: the empty name) may be at work at once, at worst."""

    def peak(block: Block) -> int:
        match block:
            case Single(name):
                step = steps[name]
                if isinstance(step.work, ForEach):
                    items, left = items_at_once(step.work, found.inside[name])
                    inner = lanes(step.work.steps, left, most=most)
                    each = at_once(inner, {one.name: one for one in step.work.steps}, pool, most)
                    return each * (items if items is not None else 1000)
                return int(step.pool == pool if pool else True)
            case Series(blocks):
                return max(map(peak, blocks))
            case Parallel(blocks):
                return sum(map(peak, blocks))

    return peak(found.block)


def widths(block: Block) -> list[int]:
    """How many blocks are side by side, wherever there are several."""
    if isinstance(block, Single):
        return []
    return [
        *([len(block.blocks)] if isinstance(block, Parallel) else []),
        *(w for b in block.blocks for w in widths(b)),
    ]


@given(steps=graphs(), budget=BUDGETS, most=st.none() | st.integers(1, 4))
def test_no_more_is_at_once_than_may_be_and_nothing_is_lost(
    steps: Sequence[Step], budget: Budget, most: int | None
) -> None:
    found = lanes(steps, budget, most=most)
    known = {step.name: step for step in steps}
    before = orders(found.block)

    assert sorted(known) == sorted(names(found.block))
    assert {(edge.source, step.name) for step in steps for edge in step.needs} <= before
    assert not {(b, a) for a, b in before} & before
    assert {name: slots for name, slots in budget.items() if at_once(found, known, name, most) > slots} == {}
    assert max(widths(found.block), default=1) <= (most or len(steps))


@given(steps=graphs())
def test_without_limits_nothing_waits_for_more_than_its_structure(steps: Sequence[Step]) -> None:
    generous: Budget = {"": 10_000, "x": 10_000, "y": 10_000}

    assert lanes(steps, {}).block == lanes(steps, generous).block


def test_the_limits_of_a_plan_are_its_pools_and_that_of_all_steps() -> None:
    text = "pipeline: {name: p, pools: {db: 2}, max_parallel: 3, steps: [{name: a, type: wait, duration: 1}]}"
    plan = read_definition(text, file="p.yaml")

    assert {"": 3, "db": 2} == budget_of(plan)
