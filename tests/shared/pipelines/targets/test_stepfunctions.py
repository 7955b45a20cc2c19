"""What the machines that we make for Step Functions do, in an interpreter that nobody here wrote (moto)."""

# ruff: noqa: E501 - a step of a definition is one line

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.targets.stepfunctions import STEPFUNCTIONS
from shared.pipelines.targets.target import Feature, Options
from tests.shared.pipelines.conftest import job, levels
from tests.shared.pipelines.targets.machines import Machines, machines


def plan_of(steps: str, *, head: str = "", file: str = "p.yaml") -> Plan:
    text = f"pipeline:\n  name: p\n{head}  steps:\n" + "".join(
        f"    - {line}\n" for line in steps.strip().splitlines()
    )
    return read_definition(text, file=file)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machines]:
    with machines() as made:
        yield made


@pytest.fixture
def aws(machine: Machines) -> Machines:
    machine.functions.clear()
    machine.waited.clear()
    return machine


def broken(event: Any) -> Any:
    raise ValueError("no")


def asked(*states: Any) -> Any:
    """An executor function: starts a job, then answers these states in turn."""
    left = list(states)

    def function(event: Any) -> Any:
        return {"async_job_id": "j1"} if event["call_type"] == "get_id" else left.pop(0)

    return function


def test_data_goes_from_step_to_step_with_its_type_and_what_is_not_there_is_null(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: a, type: lambda, function: a, payload: {mode: "${params.mode}", of: [1, "${params.n}"]}}
        {name: b, type: lambda, function: b, payload: {rows: "${steps.a.output.rows[1]}", no: "${steps.a.output.x.y}"}}
        {name: c, type: lambda, function: c, payload: "n ${steps.a.output.rows[0]} '{}' ${steps.b.output.x}|${steps.a.output}"}
        """,
        head="  parameters: {mode: full, n: 3}\n",
    )
    aws.functions.update(a=lambda e: {"rows": [7, {"k": None}]}, b=lambda e: "text", c=lambda e: None)
    ended = aws.run(plan, {"params": {"mode": "late"}})

    assert "SUCCEEDED" == ended.status
    assert [
        ("a", {"mode": "late", "of": [1, 3]}),
        ("b", {"rows": {"k": None}, "no": None}),
        ("c", 'n 7 \'{}\' |{"rows":[7,{"k":null}]}'),
    ] == aws.calls


def test_an_item_inside_text_is_its_text(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: each, type: foreach, items: "${params.l}", max_parallel: 1, steps: [{name: one, type: lambda, function: f, payload: {t: "<${item}>", k: "${item.k}/${item.k[0]}", i: "${item}"}}]}
        """,
        head="  parameters: {l: [1, two, null, {k: [A]}]}\n",
    )
    aws.functions["f"] = lambda e: None

    assert "SUCCEEDED" == aws.run(plan).status
    assert [
        {"t": "<1>", "k": "/", "i": 1},
        {"t": "<two>", "k": "/", "i": "two"},
        {"t": "<>", "k": "/", "i": None},
        {"t": '<{"k":["A"]}>', "k": '["A"]/A', "i": {"k": ["A"]}},
    ] == [payload for _, payload in aws.calls]


def test_items_of_a_foreach_may_be_lists_of_another_one(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: each, type: foreach, items: "${params.l}", max_parallel: 1, steps: [{name: inner, type: foreach, items: "${item.k}", max_parallel: 1, steps: [{name: one, type: lambda, function: f, payload: "n ${item}"}]}]}
        """,
        head="  parameters: {l: [{k: [1]}, {k: [5, 6]}, {k: null}, {k: []}]}\n",
    )
    aws.functions["f"] = lambda e: None

    assert "SUCCEEDED" == aws.run(plan).status
    assert ["n 1", "n 5", "n 6"] == [payload for _, payload in aws.calls]
    assert ["each"] == aws.run(plan, {"params": {"l": [{"k": "text"}]}}).failed


def test_a_failure_stops_what_is_behind_it_and_nothing_else_and_the_run_names_it(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: a, type: lambda, function: bad}
        {name: behind, type: lambda, function: never, depends_on: [a]}
        {name: further, type: lambda, function: never, depends_on: [behind]}
        {name: b, type: lambda, function: good}
        {name: c, type: lambda, function: good, depends_on: [b]}
        """
    )
    aws.functions.update(bad=broken, good=lambda e: 1)
    ended = aws.run(plan)

    assert ("FAILED", ["a"]) == (ended.status, ended.failed)
    assert {"bad": 1, "good": 2} == Counter(aws.called())
    assert {"behind (blocked)", "further (blocked)"} <= set(ended.states)


def test_what_is_tolerated_goes_on_and_is_reported_at_the_end(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: a, type: lambda, function: bad, continue_if_fail: true, retries: {count: 2, delay: 10, backoff: 3}}
        {name: b, type: lambda, function: good, depends_on: [a], payload: {of: "${steps.a.output.x}"}}
        """
    )
    aws.functions.update(bad=broken, good=lambda e: 1)
    ended = aws.run(plan)

    assert ("FAILED", ["a"]) == (ended.status, ended.failed)
    assert ["bad", "bad", "bad", "good"] == aws.called()
    assert ("good", {"of": None}) == aws.calls[-1]
    assert [10, 30] == aws.waited


def test_a_retry_that_works_is_no_failure(aws: Machines) -> None:
    answers = iter([broken, broken, lambda e: {"rows": 1}])
    aws.functions["a"] = lambda e: next(answers)(e)  # noqa: PLW0108 - another one for each call
    ended = aws.run(plan_of("{name: a, type: lambda, function: a, retries: 2}"))

    assert ("SUCCEEDED", 3) == (ended.status, len(aws.calls))


@pytest.mark.parametrize("rows", [0, 5, None, "5"])
def test_a_branch_takes_one_side_and_what_follows_both_runs_once(aws: Machines, rows: Any) -> None:
    plan = plan_of(
        """
        {name: a, type: lambda, function: a}
        {name: big, type: branch, condition: "steps.a.output.rows > 2", then: [yes], else: [no]}
        {name: yes, type: lambda, function: yes}
        {name: no, type: lambda, function: no}
        {name: behind yes, type: lambda, function: yes2, depends_on: [yes]}
        {name: after, type: lambda, function: after, depends_on: [yes, no], payload: {big: "${steps.big.output}"}}
        """
    )
    aws.functions.update(
        {name: lambda e: None for name in ("yes", "no", "yes2", "after")} | {"a": lambda e: {"rows": rows}}
    )
    ended = aws.run(plan)
    big = rows == 5

    assert "SUCCEEDED" == ended.status
    assert Counter(["a", "after", *(["yes", "yes2"] if big else ["no"])]) == Counter(aws.called())
    assert ("after", {"big": big}) in aws.calls


def test_a_condition_takes_out_one_step_and_not_what_follows(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: a, type: lambda, function: a, condition: "params.mode in ['x', 'y'] or params.n >= 3 or params.mode == params.other"}
        {name: b, type: lambda, function: b, depends_on: [a]}
        """,
        head="  parameters: {mode: full, n: 2, other: {k: [1]}}\n",
    )
    aws.functions.update(a=lambda e: 1, b=lambda e: 1)
    found = {}
    for name, given in {
        "no": {},
        "in": {"mode": "y"},
        "order": {"n": 3},
        "same": {"mode": {"k": [1]}},
    }.items():
        assert "SUCCEEDED" == aws.run(plan, {"params": given}).status
        found[name] = aws.called()

    assert {"no": ["b"], "in": ["a", "b"], "order": ["a", "b"], "same": ["a", "b"]} == found


def test_a_foreach_runs_its_steps_for_each_item_and_fails_when_an_item_has(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: all, type: foreach, items: "${params.of}", max_parallel: 2, steps: [{name: one, type: lambda, function: one, payload: {i: "${item.x}"}}, {name: two, type: lambda, function: two, depends_on: [one], payload: "${steps.one.output}"}]}
        {name: last, type: lambda, function: last, depends_on: [all], payload: {all: "${steps.all.output}"}}
        """,
        head="  parameters: {of: null}\n",
    )  # fmt: skip
    aws.functions.update(one=lambda e: e["i"] * 2, two=lambda e: e + 1, last=lambda e: None)

    assert "SUCCEEDED" == aws.run(plan, {"params": {"of": [{"x": 1}, {"x": 2}]}}).status
    assert ("last", {"all": [3, 5]}) == aws.calls[-1]
    for empty in list[Any]([[], None]):
        assert "SUCCEEDED" == aws.run(plan, {"params": {"of": empty}}).status
        assert [("last", {"all": []})] == aws.calls
    for wrong in ("[1]", {"x": 1}, 3):
        assert ["all"] == aws.run(plan, {"params": {"of": wrong}}).failed
        assert [] == aws.calls
    ended = aws.run(plan, {"params": {"of": [{"x": 1}, {"x": "text"}, {"x": 2}]}})

    assert ["all"] == ended.failed
    assert {"one": 3, "two": 3} == Counter(aws.called())


def test_an_ingestion_is_called_until_it_is_done_and_then_loaded(aws: Machines) -> None:
    plan = plan_of(
        """
        {name: land, type: ingestion, source: recurly, streams: [accounts, plans]}
        {name: b, type: lambda, function: b, payload: {rows: "${steps.land.output.rows}", loaded: "${steps.land.output.loaded}", of: "${steps.land.output.streams.plans.rows}"}}
        """
    )  # fmt: skip

    def ingest(event: Any) -> Any:
        slice_ = event.get("slice", 0) + 1
        streams = {"accounts": {"rows": 10 * slice_}, "plans": {"rows": 1}}
        waits = 30 if slice_ == 1 else None
        return {
            "source": "recurly",
            "run": "r",
            "done": slice_ == 3,
            "streams": streams,
            "slice": slice_,
            "retry_after": waits,
        }

    loads = iter([False, True, True])

    def load(event: Any) -> Any:
        return {"done": next(loads), "loads": {"recurly.a": {"rows": 2}, "recurly.b": {"rows": 3}}}

    aws.functions.update({"sluice-recurly-ingest": ingest, "sluice-load": load, "b": lambda e: None})
    ended = aws.run(plan)

    assert "SUCCEEDED" == ended.status
    assert ["sluice-recurly-ingest"] * 3 + ["sluice-load"] * 3 + ["b"] == aws.called()
    assert {"source": "recurly", "streams": ["accounts", "plans"]} == aws.calls[0][1]
    assert {"source": "recurly", "stream": "plans"} == aws.calls[5][1]
    assert ("b", {"rows": 31, "loaded": 15, "of": 1}) == aws.calls[-1]
    assert [30] == aws.waited


def test_a_job_is_started_and_asked_until_it_ends(aws: Machines) -> None:
    plan = read_definition(
        levels(
            [[job("J1", "one", STEP_PROPERTIES='{"bucket": "b"}')], [job("J2", "two")]],
            [[job("J3", "three")]],
        ),
        file="demo.json",
    )
    aws.functions.update(starter=asked(), asker=lambda e: {"state": "DONE"})
    ended = aws.run(plan, {"params": {"start_date": "2026-01-01", "workflow_properties": {"location": "x"}}})
    first = next(payload for name, payload in aws.calls if payload["job_name"] == "one")

    assert "SUCCEEDED" == ended.status
    assert [("three", "get_id"), ("three", "get_status")] == [
        (e["job_name"], e["call_type"]) for _, e in aws.calls[-2:]
    ]
    assert {
        "call_type": "get_id",
        "workflow_name": "demo",
        "execution_id": first["execution_id"],
        "job_name": "one",
        "function_url_to_call": "starter",
        "query_variables": {"start_date": "2026-01-01", "end_date": "2026-11-20"},
        "workflow_properties": {"location": "x"},
        "step_properties": '{"bucket": "b"}',
    } == first
    assert [20, 20, 20] == aws.waited


@pytest.mark.parametrize(
    ("states", "calls"), [(("FAILED",), 1), (("RUNNING", "CANCELLED"), 2), (("no such state",), 1), ((7,), 1)]
)
def test_any_other_state_ends_the_poll_and_the_step(
    aws: Machines, states: tuple[Any, ...], calls: int
) -> None:
    plan = read_definition(levels([[job("J1", "one"), job("J2", "two")]]), file="demo.json")
    aws.functions.update(starter=asked(), asker=asked(*states))
    ended = aws.run(plan)

    assert ("FAILED", ["one"]) == (ended.status, ended.failed)
    assert calls == aws.called().count("asker")


def test_a_job_that_never_ends_is_given_up(aws: Machines) -> None:
    keys = {"WAIT_TIME_SECONDS": 60, "ASYNC_TIMEOUT_LOOP_IN_MINUTES": 3, "CONTINUE_IF_FAIL": "true"}
    plan = read_definition(levels([[job("J1", "one", **keys), job("J2", "two")]]), file="demo.json")
    aws.functions.update(starter=asked(), asker=lambda e: "RUNNING" if e["job_name"] == "one" else "SUCCESS")
    ended = aws.run(plan)

    assert ["one"] == ended.failed
    assert {"one": 3, "two": 1} == Counter(
        e["job_name"] for _, e in aws.calls if e["call_type"] == "get_status"
    )


def throttled(event: Any) -> Any:
    """Lambda takes no call, as at the limit of its concurrency."""
    raise JsonRESTError("TooManyRequestsException", "Rate Exceeded.")


TELLING = """  schedule: {type: cron, expression: "0 3 * * *", timezone: Europe/Berlin}
  notifications: {on_failure: [{method: webhook, recipients: ["https://x.example.com/told"]}]}
"""


def test_a_throttle_before_the_first_step_is_waited_out(aws: Machines) -> None:
    day = iter([throttled, throttled, lambda e: "2026-11-21"])
    aws.functions["sluice-step"] = lambda e: next(day)(e)  # noqa: PLW0108 - another one for each call
    aws.functions["a"] = lambda e: 1
    ended = aws.run(plan_of('{name: a, type: lambda, function: a, payload: "${run.date}"}', head=TELLING))

    assert "SUCCEEDED" == ended.status
    assert ("a", "2026-11-21") == aws.calls[-1]
    assert [5, 10] == aws.waited


def test_a_run_that_cannot_begin_tells_people_and_fails(aws: Machines) -> None:
    """The function for the day is throttled to the end, and once more when it is to tell."""
    told: list[Any] = []

    def step(event: Any) -> Any:
        if "day" in event:
            return throttled(event)
        told.append(event["text"])
        return throttled(event) if len(told) == 1 else None

    aws.functions.update({"sluice-step": step, "a": lambda e: 1})
    ended = aws.run(plan_of("{name: a, type: lambda, function: a}", head=TELLING))

    assert ("FAILED", "RunFailed") == (ended.status, ended.error)
    assert ["the day of the run: Lambda.TooManyRequestsException"] == ended.failed
    assert ["p failed", "p failed"] == told
    assert [5, 10, 20, 40, 60, 60, 60, 60, 5] == aws.waited
    assert "a" not in aws.called()


def test_every_task_of_a_machine_is_caught(aws: Machines) -> None:
    """Whatever it is for: the turn, the day, a step, telling; what is inside of an attempt fails the attempt."""
    steps = """
        {name: a, type: lambda, function: a, notifications: {on_failure: [{method: email, recipients: [a@example.com]}]}}
        {name: b, type: foreach, items: [1], steps: [{name: c, type: check, query: "select 1"}]}
        {name: d, type: pipeline, pipeline: other}
        """
    head = TELLING + "  owners: [{name: A, email: a@example.com}]\n"
    made = json.loads(STEPFUNCTIONS.compile(plan_of(steps, head=head), Options())["p.asl.json"])

    def tasks(machine: Any) -> Iterator[tuple[str, Any]]:
        for name, state in machine["States"].items():
            if state["Type"] == "Task":
                yield name, state
            for inner in (*state.get("Branches", ()), *filter(None, [state.get("ItemProcessor")])):
                yield from tasks(inner)

    found = dict(tasks(made))
    assert {"(runs)", "(day)", "(run) (tell failed 1)", "a", "a (tell failed 1)", "c", "d"} == set(found)
    for name, state in found.items():
        assert ["States.ALL"] == state["Catch"][0]["ErrorEquals"], name
        assert name in {"a", "c", "d"} or state["Retry"], name


def test_only_so_many_runs_are_at_once(aws: Machines) -> None:
    """An execution that is not among the oldest waits; here the other one never ends, so the wait is what is looked at."""
    made = json.loads(
        STEPFUNCTIONS.compile(plan_of("{name: a, type: lambda, function: a}"), Options())["p.asl.json"]
    )

    assert "$.Executions[-1:].ExecutionArn" == made["States"]["(runs)"]["ResultSelector"]["oldest.$"]
    assert {"Type": "Wait", "Seconds": 60, "Next": "(runs)"} == made["States"]["(wait for a turn)"]


def test_a_pipeline_starts_another_one_and_fails_with_it(aws: Machines) -> None:
    inner = read_definition(
        'pipeline: {name: other.one, parameters: {day: x}, steps: [{name: i, type: lambda, function: i, payload: "${params.day}"}]}',
        file="o.yaml",
    )
    outer = plan_of(
        """
        {name: next, type: pipeline, pipeline: other.one, parameters: {day: "${run.date}"}}
        {name: a, type: lambda, function: a, payload: "${steps.next.output.run_id}"}
        """
    )
    aws.functions.update(i=lambda e: 1, a=lambda e: 1)
    aws.make(inner)
    ended = aws.run(outer)

    assert "SUCCEEDED" == ended.status
    assert ("i", "2026-11-20") == aws.calls[0]
    assert "a" == aws.calls[1][0]
    assert aws.calls[1][1]


def test_all_that_is_wrong_is_said_at_once_with_its_place() -> None:
    plan = plan_of(
        """
        {name: a, type: container, image: "x:1"}
        {name: b, type: job, service: bigquery, job: q}
        {name: c, type: lambda, function: c, payload: {"a.$": 1}}
        {name: d, type: job, service: function, function: "https://x.example.com/f"}
        """
    )
    with pytest.raises(Misconfigured) as caught:
        STEPFUNCTIONS.compile(plan, Options())

    lines = str(caught.value).splitlines()
    assert ["p.yaml:4:", "p.yaml:5:", "p.yaml:6:", "p.yaml:7:"] == [line[:9] for line in lines]


def test_every_published_definition_compiles_or_is_refused_for_a_service_of_google(samples: Path) -> None:
    for path in sorted([*samples.glob("aef/definitions-*/*.json"), *samples.glob("definitions/*.yaml")]):
        plan = read_definition(path.read_bytes(), file=path.name, same_names="qualify")
        google = any(
            str(getattr(step.work, "service", "")) in ("dataflow", "dataproc", "dataform", "bigquery")
            for step in plan.all_steps()
        )
        if google:
            with pytest.raises(Misconfigured, match="Step Functions cannot run a job of"):
                STEPFUNCTIONS.compile(plan, Options())
        elif plan.deadline_seconds is None:
            assert 2 == len(STEPFUNCTIONS.compile(plan, Options()))


def test_something_is_said_of_every_feature() -> None:
    assert set(Feature) == set(STEPFUNCTIONS.features)
