"""Where engines have limits: what does not fit is refused at its line, and names that are cut stay apart."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName

SFN, GOOGLE = TargetName.STEPFUNCTIONS, TargetName.WORKFLOWS


def plan_of(*steps: str, name: str = "p", head: str = "") -> Plan:
    lines = "".join(f"    - {step}\n" for step in steps)
    return read_definition(f"pipeline:\n  name: {name}\n{head}  steps:\n{lines}", file="p.yaml")


def faults(name: TargetName, plan: Plan) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        target(name).compile(plan, Options())
    return str(caught.value).splitlines()


def made(name: TargetName, plan: Plan) -> dict[str, Any]:
    return {path: json.loads(content) for path, content in target(name).compile(plan, Options()).items()}


def test_a_payload_that_no_state_takes_is_refused_at_its_step() -> None:
    small = "{name: a, type: lambda, function: f}"
    fitting, long = (
        f"{{name: b, type: lambda, function: f, payload: {{a: {'é' * n}}}}}" for n in (131_000, 131_100)
    )

    assert made(SFN, plan_of(small, fitting))
    (fault,) = faults(SFN, plan_of(small, long))
    assert re.match(
        r"p\.yaml:5:7 what the step is given has 262,\d+ bytes, .* takes 262,144; put it into", fault
    )


def test_constants_of_a_step_that_no_state_takes_are_refused_at_the_step() -> None:
    text = f'{{name: a, type: lambda, function: f, payload: "{"x" * 270_000}${{run.id}}"}}'
    inside = f"{{name: e, type: foreach, items: [1], steps: [{text}]}}"

    assert faults(SFN, plan_of(text))[0].startswith("p.yaml:4:7 what the step is given has 270,")
    assert faults(SFN, plan_of(inside))[0].startswith("p.yaml:4:52 what the step is given has 270,")


@pytest.mark.parametrize(("size", "fits"), [(130_000, True), (132_000, False)])
def test_defaults_that_no_state_takes_are_refused_at_the_largest(size: int, fits: bool) -> None:
    head = f"  parameters:\n    few: 1\n    many: {'x' * size}\n"
    plan = plan_of('{name: a, type: lambda, function: f, payload: {a: "${params.many}"}}', head=head)
    again = plan_of(
        '{name: a, type: lambda, function: f, payload: {a: "${params.many} ${params.many.x}"}}', head=head
    )

    assert re.match(r"p\.yaml:5:5 the defaults .* fill (39|26)\d,\d+ bytes", faults(SFN, again)[0])
    if fits:
        assert made(SFN, plan)
    else:
        assert re.match(r"p\.yaml:5:5 the defaults .* fill 264,\d+ bytes", faults(SFN, plan)[0])


@pytest.mark.parametrize(("name", "most"), [(SFN, 40), (GOOGLE, 20)])
def test_more_items_at_once_than_an_engine_does_are_refused(name: TargetName, most: int) -> None:
    text = (
        "{name: e, type: foreach, items: [1], max_parallel: %s, steps: [{name: w, type: wait, duration: %s}]}"
    )

    assert made(name, plan_of(text % (most, "365d")))
    at_once, long = faults(name, plan_of(text % (most + 1, "366d")))
    assert re.match(rf"p\.yaml:4:44 .* {most} items at once at most", at_once)
    assert re.match(r"p\.yaml:4:92 .* lives for", long)


@pytest.mark.parametrize("name", [SFN, GOOGLE])
def test_pipelines_with_names_that_are_much_alike_are_not_one_to_an_engine(name: TargetName) -> None:
    names = ["b" * 79 + "c", "b" * 79 + "d", "b" * 64, "a", "a-2", "a.2", "a_2", "2a", "w_2a", "a_", "a_0"]
    head = '  schedule: {type: cron, expression: "0 0 13 * 5"}\n'
    found = [made(name, plan_of("{name: w, type: wait, duration: 1s}", name=one, head=head)) for one in names]
    files = [path for one in found for path in one]
    ids = [one for documents in found for document in documents.values() for one in _ids(document)]

    assert len(files) == len(set(files))
    assert len(ids) == len(set(ids))
    assert len(ids) == len(names) * (2 if name is SFN else 1)
    assert all(len(one) <= 64 for one in ids)


def _ids(document: Any) -> list[str]:
    """Names of schedules, and of jobs of Cloud Scheduler."""
    resources = document.get("Resources", {}).values()
    jobs = [document["name"].rpartition("/")[2]] if "httpTarget" in document else []
    return jobs + [
        one["Properties"]["Name"] for one in resources if one["Type"] == "AWS::Scheduler::Schedule"
    ]
