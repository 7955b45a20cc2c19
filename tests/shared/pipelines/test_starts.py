"""Pipelines that wait for themselves, directly or through others."""

from __future__ import annotations

import json

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.starts import check_starts


def starting(name: str, other: str, more: str = "") -> Plan:
    text = f"pipeline:\n  name: {name}\n  steps:\n    - name: go\n      type: pipeline\n      pipeline: {other}\n{more}"
    return read_definition(text, file=f"{name}.yaml")


def test_a_pipeline_that_waits_for_itself_is_refused_at_its_line() -> None:
    with pytest.raises(Misconfigured, match=r'p.yaml:6:7 the pipeline "p" would wait for itself'):
        starting("p", "p")
    step = "{name: a, type: pipeline, pipeline: p}"
    inside = f"pipeline: {{name: p, steps: [{{name: e, type: foreach, items: [1], steps: [{step}]}}]}}"
    with pytest.raises(Misconfigured, match=r"p.yaml:1:100 .* would wait for itself"):
        read_definition(inside, file="p.yaml")


def test_a_level_file_that_waits_for_itself_is_refused() -> None:
    step = {"JOB_ID": "1", "JOB_NAME": "a", "TYPE": "workflows", "workflows_NAME": "p"}
    data = [{"LEVEL_ID": "1", "THREADS": [{"THREAD_ID": "1", "STEPS": [step]}]}]
    with pytest.raises(Misconfigured, match=r'p.json:1:\d+ the pipeline "p" would wait for itself'):
        read_definition(json.dumps(data), file="d/p.json")


def after(name: str, other: str) -> Plan:
    schedule = f"{{type: event, expression: 'pipeline:{other}'}}"
    text = (
        f"pipeline:\n  name: {name}\n  schedule: {schedule}\n  steps: [{{name: a, type: wait, duration: 1}}]"
    )
    return read_definition(text, file=f"{name}.yaml")


def test_pipelines_whose_success_begins_each_other_are_refused_each_at_its_schedule() -> None:
    a, b, c = after("a", "b"), after("b", "a"), after("c", "a")

    for plan, order in ((a, "a after b after a"), (b, "b after a after b")):
        with pytest.raises(
            Misconfigured, match=rf"{plan.name}.yaml:3:27 this would begin again and again: {order}$"
        ):
            check_starts(plan, [a, b, c])
    with pytest.raises(Misconfigured, match=r"d after d$"):
        check_starts(after("d", "d"), [after("d", "d")])
    check_starts(c, [a, b, c])
    check_starts(a, [a, c])


def test_a_pipeline_may_start_itself_without_waiting() -> None:
    assert 1 == len(starting("p", "p", "      wait: false\n").steps)


def test_pipelines_that_wait_for_each_other_are_refused_each_at_its_line() -> None:
    a, b, c, aside = starting("a", "b"), starting("b", "c"), starting("c", "a"), starting("d", "a")

    for plan, way in ((a, "a -> b -> c -> a"), (b, "b -> c -> a -> b"), (c, "c -> a -> b -> c")):
        with pytest.raises(Misconfigured) as caught:
            check_starts(plan, [a, b, c, aside])
        assert f"{plan.name}.yaml:6:7 pipelines would wait for each other in a circle: {way}" == str(
            caught.value
        )
    check_starts(aside, [a, b, c, aside])
    check_starts(a, [a, b])
    check_starts(a, [a, b, starting("c", "a", "      wait: false\n")])
