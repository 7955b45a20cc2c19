"""A later run keeps what still holds, and does the rest again."""

from __future__ import annotations

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.runner.memory import Memory, digests, kept
from tests.shared.pipelines.simulation import FACTS, Act, Simulation

TEXT = """
pipeline:
  name: p
  steps:
    - {name: a, type: lambda, function: f}
    - {name: b, type: lambda, function: f, depends_on: [a], continue_if_fail: true}
    - {name: c, type: lambda, function: f, depends_on: [b]}
    - name: each
      type: foreach
      items: [1, 2, 3]
      depends_on: [a]
      steps: [{name: x, type: lambda, function: f}]
    - {name: d, type: lambda, function: f, depends_on: [each]}
"""


def first(*broken: str, text: str = TEXT) -> tuple[Plan, Memory]:
    plan = read_definition(text, file="p.yaml")
    course = Simulation(
        plan, lambda key, attempt: Act(output=key, error="broken" if key in broken else "")
    ).run()
    memory = Memory(FACTS, {"day": "é"}, digests(plan), course.results())
    return plan, Memory.from_json(memory.to_json(), file="state.json")


def again(plan: Plan, memory: Memory, step: str | None = None) -> list[str]:
    simulation = Simulation(plan, kept=kept(plan, memory, again=step))
    assert not simulation.run().failed
    return sorted(key for _, key, _ in simulation.begun)


def test_what_it_remembers_survives_being_written() -> None:
    _, memory = first("each[1]/x")

    assert memory == Memory.from_json(memory.to_json(), file="state.json")
    assert (FACTS, {"day": "é"}) == (memory.facts, memory.parameters)


def test_failed_and_tolerated_steps_run_again_with_all_behind_them() -> None:
    assert ["b", "c"] == again(*first("b"))
    assert [] == again(*first())


def test_of_a_foreach_only_the_items_that_failed_run_again() -> None:
    assert ["d", "each[1]/x"] == again(*first("each[1]/x"))


def test_a_step_that_has_changed_runs_again() -> None:
    _, memory = first()
    changed = read_definition(
        TEXT.replace("name: c, type: lambda, function: f", "name: c, type: lambda, function: g"),
        file="p.yaml",
    )

    assert ["c"] == again(changed, memory)


def test_from_a_step_on_everything_behind_it_runs_again() -> None:
    plan, memory = first()

    assert ["d", "each[0]/x", "each[1]/x", "each[2]/x"] == again(plan, memory, "each")


def test_a_step_whose_past_is_unknown_cannot_be_the_first() -> None:
    plan, memory = first("a")

    with pytest.raises(Misconfigured, match=r'step "c" what comes before it: a, b did not end well'):
        kept(plan, memory, again="c")
    with pytest.raises(Misconfigured, match='unknown step "nobody"'):
        kept(plan, memory, again="nobody")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 1, "results": {"a": {}}}'])
def test_what_no_run_has_written_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="does not hold the state of a run"):
        Memory.from_json(text, file="state.json")
