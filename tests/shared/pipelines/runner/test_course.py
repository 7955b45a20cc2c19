"""The course of a run keeps the semantics of decision 7, in a time of its own."""

# ruff: noqa: E501 - a result is a line

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipelines.conditions import Condition, parse_condition
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.runner.course import Course
from shared.pipelines.runner.orders import Begin
from shared.pipelines.runner.states import Result, State
from shared.pipelines.step import Edge, Place, Retry, Step
from shared.pipelines.work import Branch, Lambda
from tests.shared.pipelines.conftest import job, levels
from tests.shared.pipelines.simulation import FACTS, START, Act, Simulation

AT = Place("p.yaml", 1, 1)


def read(*steps: str, head: str = "") -> Plan:
    lines = ["pipeline:", "  name: p", *(f"  {line}" for line in head.splitlines()), "  steps:"]
    return read_definition("\n".join([*lines, *(f"    - {{{step}}}" for step in steps)]), file="p.yaml")


def states(simulation: Simulation) -> dict[str, str]:
    return {key: str(result.state) for key, result in simulation.run().results().items()}


def failing(*keys: str, until: int = 100) -> Any:
    return lambda key, attempt: Act(error="broken" if key in keys and attempt <= until else "")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Graphs with branches, sides, passive edges, tolerated failures and retries."""
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        sources = sorted(draw(st.sets(st.integers(0, number - 1), max_size=3))) if number else []
        needs = []
        for source in sources:
            is_branch = isinstance(steps[source].work, Branch)
            side = draw(st.sampled_from([None, True, False])) if is_branch else None
            needs.append(Edge(f"s{source}", side, passive=side is None and draw(st.booleans())))
        if draw(st.integers(0, 3)) == 0:
            work = Branch(_always(draw(st.booleans())))
            steps.append(Step(f"s{number}", work, AT, tuple(needs)))
        else:
            retry = Retry(draw(st.integers(0, 2)), 5, 2, 8)
            steps.append(
                Step(
                    f"s{number}",
                    Lambda("f"),
                    AT,
                    tuple(needs),
                    retry=retry,
                    continue_if_fail=draw(st.booleans()),
                )
            )
    return Plan("p", tuple(steps), AT)


def _always(yes: bool) -> Condition:
    return parse_condition("run.id == 'r1'" if yes else "run.id == 'no'")


def expected_states(plan: Plan, attempts_that_fail: dict[str, int]) -> dict[str, State]:
    """The rules of decision 7 once more, the plain way: one step after the other."""
    found: dict[str, State] = {}
    sides: dict[str, bool] = {}
    for step in plan.steps:
        sources = [(edge, found[edge.source]) for edge in step.needs]
        dead = [
            state is State.UNREACHED or (edge.side is not None and sides.get(edge.source) is not edge.side)
            for edge, state in sources
            if not edge.passive
        ]
        if any(state in (State.FAILED, State.BLOCKED) for _, state in sources):
            found[step.name] = State.BLOCKED
        elif dead and all(dead):
            found[step.name] = State.UNREACHED
        elif isinstance(step.work, Branch):
            found[step.name] = State.SUCCEEDED
            sides[step.name] = step.work == Branch(_always(True))
        elif attempts_that_fail.get(step.name, 0) <= step.retry.count:
            found[step.name] = State.SUCCEEDED
        else:
            found[step.name] = State.TOLERATED if step.continue_if_fail else State.FAILED
    return found


@settings(max_examples=150)
@given(plans(), st.data())
def test_any_plan_ends_as_the_rules_say_and_begins_steps_as_soon_as_they_may(
    plan: Plan, data: st.DataObject
) -> None:
    fails = {step.name: data.draw(st.integers(0, 3), label=step.name) for step in plan.steps}
    lasts = {step.name: data.draw(st.integers(1, 4)) for step in plan.steps}
    simulation = Simulation(
        plan, lambda key, attempt: Act(lasts[key], error="broken" if attempt <= fails[key] else "")
    )

    results = simulation.run().results()

    assert expected_states(plan, fails) == {name: result.state for name, result in results.items()}
    begun = {key: time for time, key, attempt in simulation.begun if attempt == 1}
    for step in plan.steps:
        if step.name in begun:
            assert max([results[edge.source].ended for edge in step.needs], default=0) == begun[step.name]


@settings(max_examples=60)
@given(plans(), st.integers(1, 3))
def test_no_more_steps_are_at_work_than_there_may_be(plan: Plan, most: int) -> None:
    free, bound = Simulation(plan), Simulation(plan, most=most)

    assert states(free) == states(bound)
    assert bound.busiest <= most


@pytest.mark.parametrize("shape", [(1, 3, 2), (2, 2, 2), (3, 1, 1), (3, 3, 3)], ids=str)
def test_levels_are_barriers_and_threads_run_side_by_side(shape: tuple[int, int, int]) -> None:
    count, threads, steps = shape
    written = [
        [[job(f"{n}{t}{s}", f"{n}{t}{s}") for s in range(steps)] for t in range(threads)]
        for n in range(count)
    ]
    simulation = Simulation(read_definition(levels(*written), file="p.json"))

    simulation.run()

    begun = {key: time for time, key, _ in simulation.begun}
    assert {key: int(key[0]) * steps + int(key[2]) for key in begun} == begun
    assert count * threads * steps == len(begun)


def test_a_failure_blocks_what_depends_on_it_and_nothing_else() -> None:
    plan = read(
        "name: a, type: lambda, function: f",
        "name: b, type: lambda, function: f, depends_on: [a]",
        "name: c, type: lambda, function: f, depends_on: [b]",
        "name: d, type: lambda, function: f",
    )

    simulation = Simulation(plan, failing("a"))
    course = simulation.run()

    assert ["a"] == course.failed
    assert {"a": "failed", "b": "blocked", "c": "blocked", "d": "succeeded"} == {k: str(r.state) for k, r in course.results().items()}  # fmt: skip


def test_a_tolerated_failure_lets_the_rest_run_without_its_output_and_fails_the_run() -> None:
    plan = read(
        "name: a, type: lambda, function: f, continue_if_fail: true",
        'name: b, type: lambda, function: f, payload: ["${steps.a.output.x}"]',
    )
    simulation = Simulation(plan, failing("a"))
    course = simulation.run()

    assert ["a"] == course.failed
    assert {"a": State.TOLERATED, "b": State.SUCCEEDED} == {
        key: r.state for key, r in course.results().items()
    }
    assert [None] == simulation.payloads["b"]


def test_attempts_wait_longer_each_time() -> None:
    plan = read(
        "name: a, type: lambda, function: f, retries: {count: 4, delay: 10s, backoff: 3, max_delay: 1m}"
    )
    simulation = Simulation(plan, failing("a", until=4))

    assert {"a": "succeeded"} == states(simulation)
    assert [(0, 1), (11, 2), (42, 3), (103, 4), (164, 5)] == [
        (time, attempt) for time, _, attempt in simulation.begun
    ]


def test_a_timeout_ends_an_attempt_and_counts_as_a_failure() -> None:
    plan = read("name: a, type: lambda, function: f, timeout: 10s, retries: {count: 1, delay: 5s}")
    simulation = Simulation(plan, lambda key, attempt: Act(100))
    result = simulation.run().results()["a"]

    assert [0.0, 15.0] == [time for time, _, _ in simulation.begun]
    assert Result(State.FAILED, None, "took longer than 10 s", 2, 0, 25) == result


def test_an_attempt_that_does_not_end_when_told_is_given_up() -> None:
    plan = read("name: a, type: lambda, function: f, timeout: 10s", "name: b, type: lambda, function: f")
    simulation = Simulation(plan, lambda key, attempt: Act(1000 if key == "a" else 1, deaf=True))
    result = simulation.run().results()["a"]

    assert (State.FAILED, 40.0) == (result.state, result.ended)
    assert "did not end when it was told to" in result.error


def test_a_condition_takes_out_one_step_and_a_branch_what_follows() -> None:
    plan = read(
        "name: a, type: lambda, function: f, condition: params.go",
        "name: b, type: lambda, function: f, depends_on: [a]",
        "name: q, type: branch, condition: params.go, then: [x], else: [y]",
        "name: x, type: lambda, function: f, depends_on: [b]",
        "name: x2, type: lambda, function: f, depends_on: [x]",
        "name: y, type: lambda, function: f",
        "name: both, type: lambda, function: f, depends_on: [x2, y]",
        head="parameters: {go: false}",
    )

    off, on = Simulation(plan), Simulation(plan, parameters={"go": True})
    assert {"a": "passed over", "b": "succeeded", "q": "succeeded", "x": "unreached", "x2": "unreached", "y": "succeeded", "both": "succeeded"} == states(off)  # fmt: skip
    assert {"a": "succeeded", "b": "succeeded", "q": "succeeded", "x": "succeeded", "x2": "succeeded", "y": "unreached", "both": "succeeded"} == states(on)  # fmt: skip


def test_jumps_and_choices_of_a_level_file() -> None:
    ask = {"JOB_ID": "1", "JOB_NAME": "ask", "TYPE": "sync", "FUNCTION_NAME": "f"}
    choice = {
        "JOB_ID": "2",
        "JOB_NAME": "choice",
        "TYPE": "boolean_choice",
        "TRUE_JOB": "3",
        "FALSE_JOB": "4",
    }
    written = [
        [ask, choice, job("3", "yes", NEXT="5"), job("4", "stop", CLOSE_PIPELINE=True), job("5", "end")]
    ]
    plan = read_definition(levels(written, [[job("6", "later")]]), file="p.json")

    def answering(answer: Any) -> Simulation:
        return Simulation(plan, lambda key, attempt: Act(output=answer if key == "ask" else None))

    yes, no = states(answering("true")), states(answering(False))
    assert ["succeeded", "succeeded", "unreached", "succeeded", "succeeded"] == [yes[n] for n in ("ask", "yes", "stop", "end", "later")]  # fmt: skip
    assert ["succeeded", "unreached", "succeeded", "unreached", "unreached"] == [no[n] for n in ("ask", "yes", "stop", "end", "later")]  # fmt: skip


def test_a_wait_takes_its_time_and_one_that_is_over_takes_none() -> None:
    plan = read(
        "name: a, type: wait, duration: 90s",
        'name: b, type: wait, until: "2026-11-20T10:16:00Z"',
        'name: c, type: wait, until: "2026-11-19"',
        'name: d, type: wait, until: "${params.x}"',
        head="parameters: {x: soon}",
    )
    results = Simulation(plan).run().results()

    assert {"a": 90.0, "b": 60.0, "c": 0.0, "d": 0.0} == {
        key: result.ended for key, result in results.items()
    }
    assert (State.FAILED, '"soon" is not a time') == (results["d"].state, results["d"].error)


EACH = (
    "name: shops, type: lambda, function: f",
    'name: each, type: foreach, items: "${steps.shops.output}", max_parallel: 2, steps: ['
    '{name: read, type: lambda, function: f, payload: ["${item.id}", "${steps.shops.output[0].id}"]}, '
    '{name: write, type: lambda, function: f, payload: "${steps.read.output}"}]',
    'name: sum, type: lambda, function: f, payload: "${steps.each.output}"',
)


def shops(count: int, *broken: str) -> Any:
    items = [{"id": number} for number in range(count)]

    def act(key: str, attempt: int) -> Act:
        return Act(output=items if key == "shops" else key, error="broken" if key in broken else "")

    return act


def test_a_foreach_does_its_steps_for_each_item_and_its_output_is_a_list() -> None:
    simulation = Simulation(read(*EACH), shops(3))
    simulation.run()

    assert ["each[0]/write", "each[1]/write", "each[2]/write"] == simulation.payloads["sum"]
    assert "each[1]/read" == simulation.payloads["each[1]/write"]
    assert [2, 0] == simulation.payloads["each[2]/read"]
    assert [(1, "each[0]/read"), (1, "each[1]/read"), (3, "each[2]/read")] == [
        (time, key) for time, key, _ in simulation.begun if key.endswith("read")
    ]


def test_a_foreach_over_nothing_succeeds_and_over_no_list_fails() -> None:
    plan = read(*EACH)
    nothing = Simulation(plan, lambda key, attempt: Act(output=None))
    text = Simulation(plan, lambda key, attempt: Act(output="de"))

    assert State.SUCCEEDED is nothing.run().results()["each"].state
    assert [] == nothing.payloads["sum"]
    assert "its items are no list but str" == text.run().results()["each"].error


def test_a_failed_item_fails_the_foreach_when_the_others_are_over() -> None:
    simulation = Simulation(read(*EACH), shops(3, "each[1]/read"))
    results = simulation.run().results()

    assert (State.FAILED, "1 of 3 items failed: each[1]/read: broken") == (
        results["each"].state,
        results["each"].error,
    )
    assert State.SUCCEEDED is results["each[2]/write"].state
    assert State.BLOCKED is results["each[1]/write"].state
    assert State.BLOCKED is results["sum"].state


def test_pools_and_max_parallel_bound_what_is_at_work() -> None:
    steps = [f"name: s{n}, type: lambda, function: f{', pool: db' if n < 4 else ''}" for n in range(6)]
    pooled = Simulation(read(*steps, head="pools: {db: 2}"))
    bound = Simulation(read(*steps, head="max_parallel: 3\npools: {db: 1}"))
    pooled.run()
    bound.run()

    assert [0, 0, 0, 0, 1, 1] == sorted(time for time, _, _ in pooled.begun)
    assert [0, 0, 0, 1, 2, 3] == sorted(time for time, _, _ in bound.begun)


def test_an_attempt_has_no_more_time_than_its_run() -> None:
    plan = read(
        "name: a, type: lambda, function: f",
        "name: b, type: lambda, function: f, timeout: 4s",
        head="deadline: 10s",
    )
    course = Course(plan, FACTS, parameters={}, now=100.0, started=START)
    begun = [order for order in course.advance(103.0) if isinstance(order, Begin)]

    assert [7.0, 4.0] == [order.step.timeout_seconds for order in begun]


def test_the_deadline_ends_what_is_at_work_and_blocks_the_rest() -> None:
    plan = read(
        "name: a, type: lambda, function: f, retries: 5",
        "name: b, type: lambda, function: f, depends_on: [a]",
        "name: c, type: wait, duration: 1h",
        "name: d, type: lambda, function: f, continue_if_fail: true",
        "name: e, type: lambda, function: f, depends_on: [d]",
        head="deadline: 10s",
    )
    simulation = Simulation(plan, lambda key, attempt: Act(100))
    course = simulation.run()

    assert 10.0 == simulation.now
    assert {"a": "failed", "b": "blocked", "c": "failed", "d": "tolerated", "e": "blocked"} == {k: str(r.state) for k, r in course.results().items()}  # fmt: skip
    assert "the deadline of the run is over" == course.results()["a"].error


def test_a_stopped_run_ends_with_what_is_at_work_and_forgets_it() -> None:
    plan = read(
        "name: a, type: lambda, function: f",
        "name: b, type: lambda, function: f, depends_on: [a]",
        "name: c, type: wait, duration: 1h",
    )
    simulation = Simulation(plan, lambda key, attempt: Act(5), stop_at=7)
    course = simulation.run()

    assert 7.0 == simulation.now
    assert {"a": State.SUCCEEDED} == {key: result.state for key, result in course.results().items()}


def test_a_stopped_run_leaves_behind_what_does_not_end() -> None:
    simulation = Simulation(
        read("name: a, type: lambda, function: f"), lambda key, attempt: Act(1000.0, deaf=True), stop_at=5.0
    )
    course = simulation.run()

    assert (35.0, {}) == (simulation.now, course.results())
