"""Graphs as blocks: every step once, every edge kept, exact wherever blocks can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.pipelines.names import identifiers
from shared.pipelines.step import Edge, Place, Step
from shared.pipelines.structure import Block, Parallel, Series, Single, is_exact, structure
from shared.pipelines.work import Wait


def steps(needs: list[list[int]]) -> list[Step]:
    return [
        Step(f"s{number}", Wait(1), Place("p.yaml", 1, 1), tuple(Edge(f"s{other}") for other in others))
        for number, others in enumerate(needs)
    ]


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 9))
    return steps(
        [sorted(draw(st.sets(st.integers(0, number - 1)))) if number else [] for number in range(count)]
    )


def before(block: Block, earlier: frozenset[str] = frozenset()) -> dict[str, frozenset[str]]:
    """For each step, those that have ended when it begins."""
    match block:
        case Single(step):
            return {step: earlier}
        case Parallel(blocks):
            return {name: known for inner in blocks for name, known in before(inner, earlier).items()}
        case Series(blocks):
            found: dict[str, frozenset[str]] = {}
            for inner in blocks:
                found |= before(inner, earlier | found.keys())
            return found


def written(graph: list[Step]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for step in graph:
        direct = [edge.source for edge in step.needs]
        found[step.name] = frozenset(direct).union(*(found[name] for name in direct))
    return found


@given(graphs())
def test_blocks_keep_every_edge_and_every_step(graph: list[Step]) -> None:
    waits, asked = before(structure(graph)), written(graph)

    assert sorted(asked) == sorted(waits)
    assert all(asked[name] <= waits[name] for name in asked)


@given(graphs())
def test_blocks_that_are_exact_wait_for_nothing_else(graph: list[Step]) -> None:
    block = structure(graph)

    assert is_exact(block) == (written(graph) == before(block))


def test_a_graph_without_blocks_is_layered_and_says_so() -> None:
    crossed = structure(steps([[], [], [0], [0, 1]]))

    assert not is_exact(crossed)
    assert (
        Series((Parallel((Single("s0"), Single("s1"))), Parallel((Single("s2"), Single("s3")))), False)
        == crossed
    )


def test_levels_become_a_series_of_threads() -> None:
    block = structure(steps([[], [0], [], [1, 2], [1, 2]]))

    chain = Series((Single("s0"), Single("s1")))
    assert Series((Parallel((chain, Single("s2"))), Parallel((Single("s3"), Single("s4"))))) == block


@given(st.sets(st.text(max_size=8), max_size=8))
def test_identifiers_differ_and_do_not_depend_on_the_order(names: set[str]) -> None:
    made = identifiers(sorted(names), longest=20)

    assert len(names) == len(set(made.values()))
    assert made == identifiers(sorted(names, reverse=True), longest=20)
    assert all(one.isascii() and one.isidentifier() and len(one) <= 20 for one in made.values())


def test_thousands_of_steps_are_no_reason_to_give_up() -> None:
    chain = structure(steps([[number - 1] if number else [] for number in range(3000)]))
    layers = [
        [3 * (number // 3 - 1) + other for other in {number % 3, (number + 1) % 3}]
        for number in range(3, 3600)
    ]
    deep = structure(steps([[], [], [], *map(sorted, layers)]))

    assert isinstance(chain, Series)
    assert (3000, True) == (len(chain.blocks), is_exact(chain))
    assert isinstance(deep, Series)
    assert (1200, False) == (len(deep.blocks), is_exact(deep))
