"""YAML for dag-factory: what is in it, that no text means anything to its readers, and what is refused."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml import safe_dump, safe_load

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.targets.dagfactory import DAGFACTORY
from shared.pipelines.targets.dagfactory_values import literal
from shared.pipelines.targets.target import Feature, Options


def yaml(*steps: dict[str, Any], **keys: Any) -> Plan:
    document = {"pipeline": {"name": "orders", **keys, "steps": list(steps)}}
    return read_definition(safe_dump(document, width=10_000, sort_keys=False), file="orders.yaml")


def lamb(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "type": "lambda", "function": "f", **keys}


def compiled(plan: Plan, **options: Any) -> dict[str, Any]:
    """The document as dag-factory reads it: variables of the environment expanded, then YAML."""
    (text,) = DAGFACTORY.compile(plan, Options(**options)).values()
    found: dict[str, Any] = safe_load(os.path.expandvars(text.decode()))[plan.name]
    return found


def test_every_feature_has_an_answer() -> None:
    assert set(Feature) == set(DAGFACTORY.features)


def test_tasks_wait_for_what_their_steps_wait_for() -> None:
    found = compiled(yaml(lamb("a"), lamb("b c", depends_on=["a"]), lamb("d", depends_on=["a", "b c"])))

    assert {"a": [], "b_c": ["a"], "d": ["a", "b_c"]} == {
        task["task_id"]: task.get("dependencies", []) for task in found["tasks"]
    }
    assert ["sluice://pipelines/orders"] == found["tasks"][-1]["outlets"]


@pytest.mark.parametrize("local", [False, True])
def test_a_step_goes_to_the_product_with_what_it_refers_to(local: bool) -> None:
    query = "select ${params.mode}, ${steps.a.output.rows}"
    plan = yaml(
        lamb("a"),
        {"name": "b", "type": "check", "query": query, "depends_on": ["a"]},
        parameters={"mode": "x"},
    )
    task = compiled(plan, local=local)["tasks"][1]
    given = task["env"]["SLUICE_STEP"] if local else task["payload"]

    assert '"mode": {{ params["mode"] | tojson }}' in given
    assert 'ti.xcom_pull(task_ids="a")' in given
    assert query.replace("{", "\\u007b") in given


REFUSED: dict[str, dict[str, Any]] = {
    "a condition needs code": lamb("a", condition="params.x == 1"),
    "continue_if_fail needs code": lamb("a", continue_if_fail=True),
    "notifications need code": lamb("a", notifications={"on_failure": [{"method": "slack", "channel": "x"}]}),
    "a foreach needs code": {"name": "a", "type": "foreach", "items": [1], "steps": [lamb("b")]},
    "a wait until an instant needs code": {"name": "a", "type": "wait", "until": "2026-01-01T00:00:00Z"},
    "a container is not started": {"name": "a", "type": "container", "image": "i"},
    "a job is one of an executor function here": {"name": "a", "type": "job", "service": "glue", "job": "j"},
    "whole values only": {
        "name": "a",
        "type": "pipeline",
        "pipeline": "p",
        "parameters": {"d": "on ${run.date}"},
    },
    'the default of "x" has a key': lamb("a"),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_yaml_cannot_say_is_refused_with_its_place(said: str) -> None:
    default = {"__type__": "os.system"} if "default" in said else 1
    plan = yaml(REFUSED[said], parameters={"x": default})

    with pytest.raises(Misconfigured, match=rf"orders\.yaml:\d+:\d+ .*{said}"):
        DAGFACTORY.compile(plan, Options())


TEXT = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "$HOME ${HOME}",
        "{{ 1 }}",
        "{% raw %}",
        "{#",
        "\\{{",
        '"{{"',
        "yes",
        "0x1",
        "2026-01-01",
        "a: b",
        "# c",
        "\u2028",
    ]
)


@settings(max_examples=40, deadline=None)
@given(said=TEXT, default=TEXT)
def test_no_text_means_anything_to_yaml_variables_and_jinja(said: str, default: str) -> None:
    text = said.replace("${", "$${")
    plan = yaml(lamb("a", description=said, payload={"x": text}), description=said, parameters={"p": default})
    found = compiled(plan)
    (task,) = found["tasks"]
    payload = task["payload"]
    begin, end = payload.index('"step": ') + 8, payload.index(', "pipeline": ')

    assert said == found.get("description", "") == task.get("doc_md", "")
    assert {"p": default} == found["params"]
    assert not {"{{", "{%", "{#"} & {payload[begin:end][at : at + 2] for at in range(end - begin)}
    assert text == json.loads(payload[begin:end]).get("payload", {}).get("x", "")


def test_an_object_in_an_object_is_no_expression() -> None:
    assert "{{" not in literal({"a": {"": {}}, "{": [{}, {"b": "{%"}]})
    assert {"a": {"": {}}, "{": [{}, {"b": "{%"}]} == json.loads(
        literal({"a": {"": {}}, "{": [{}, {"b": "{%"}]})
    )
