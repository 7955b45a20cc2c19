"""Limits, names, schedules and foreign text in machines for Step Functions, without executing them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.read import read_definition
from shared.pipelines.schedule import parse_cron
from shared.pipelines.targets.stepfunctions import STEPFUNCTIONS
from shared.pipelines.targets.stepfunctions_bounds import MOST_BYTES
from shared.pipelines.targets.stepfunctions_triggers import aws_cron
from shared.pipelines.targets.target import Options
from shared.pipelines.targets.workflows import WORKFLOWS

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)


def definition(steps: list[dict[str, Any]], **head: Any) -> str:
    return json.dumps({"pipeline": {"name": "p", **head, "steps": steps}})


def states_of(machine: Any) -> dict[str, Any]:
    found = dict(machine["States"])
    for state in machine["States"].values():
        for inner in [
            *state.get("Branches", []),
            *([state["ItemProcessor"]] if "ItemProcessor" in state else []),
        ]:
            found |= states_of(inner)
    return found


def compiled(text: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        STEPFUNCTIONS.compile(read_definition(text, file="p.json"), Options())["p.asl.json"]
    )
    return made


@settings(max_examples=60, deadline=None)
# A dollar sign before a reference would make it text, as the definition says.
@given(
    text=TEXTS.filter(lambda text: not text.endswith("$")),
    key=TEXTS.filter(lambda key: not key.endswith(".$")),
)
def test_any_text_comes_out_as_it_is_and_is_never_an_expression(text: str, key: str) -> None:
    escaped = text.replace("${", "$${")
    payload = {key: escaped, "mixed": f"{escaped}${{run.id}}{escaped}"}
    machine = compiled(definition([{"name": "a", "type": "lambda", "function": "f", "payload": payload}]))
    states = states_of(machine)
    given_payload = states["a"]["Parameters"]["Payload"]

    assert text == given_payload.get(key, text if key == "mixed" else None)
    assert "States.Format('{}{}{}', $.k[0], $.run.id, $.k[1])" == given_payload["mixed.$"]
    assert [text, text] == states["a (constants)"]["Result"]


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, key=TEXTS.filter(lambda key: "${" not in key))
def test_any_text_in_a_workflow_is_put_together_from_texts_that_are_no_expressions(
    text: str, key: str
) -> None:
    step = {
        "name": "a",
        "type": "call",
        "method": "POST",
        "url": "https://x",
        "body": {key: text.replace("${", "$${")},
    }
    made = WORKFLOWS.compile(read_definition(definition([step]), file="p.json"), Options())
    document = json.loads(made["p.workflows.json"])
    values: dict[str, Any] = {}

    def collect(node: Any) -> None:
        match node:
            case {"assign": list(items)}:
                for item in items:
                    values.update(item)
            case dict():
                for value in node.values():
                    collect(value)
            case list():
                for value in node:
                    collect(value)

    collect(document["main"])
    (body,) = [value for value in values.values() if isinstance(value, dict) and key in value]
    found = body[key]
    if found != text:
        found = "".join(values[name] for name in found[2:-1].split(" + "))

    assert text == found


def test_names_of_states_are_unique_and_short() -> None:
    steps = [{"name": f"{'n' * 90}{number}", "type": "wait", "duration": 1} for number in range(12)]
    states = states_of(compiled(definition(steps)))

    assert 80 >= max(map(len, states))


@pytest.mark.parametrize(
    ("unix", "aws"),
    [
        ("0 3 * * *", ["cron(0 3 * * ? *)"]),
        ("*/15 6-8 * * 1-5", ["cron(*/15 6-8 ? * MON,TUE,WED,THU,FRI *)"]),
        ("0 0 * * 0", ["cron(0 0 ? * SUN *)"]),
        ("0 0 * * 7", ["cron(0 0 ? * SUN *)"]),
        ("0 0 * * 5-7", ["cron(0 0 ? * SUN,FRI,SAT *)"]),
        ("0 0 13 * 5", ["cron(0 0 13 * ? *)", "cron(0 0 ? * FRI *)"]),
        ("5 4 1,15 JAN *", ["cron(5 4 1,15 JAN ? *)"]),
    ],
)
def test_cron_of_unix_becomes_that_of_aws(unix: str, aws: list[str]) -> None:
    assert aws == aws_cron(parse_cron(unix))


@pytest.mark.parametrize(
    ("schedule", "part"),
    [
        ({"type": "rate", "expression": "1 day"}, "rate(1 day)"),
        ({"type": "rate", "expression": "90m"}, "rate(90 minutes)"),
        ({"type": "once", "expression": "2026-12-31T23:00:00Z"}, "at(2026-12-31T23:00:00)"),
        ({"type": "event", "expression": "s3://lake/in/"}, '"prefix": "in/"'),
        ({"type": "event", "expression": "pipeline:other"}, ":stateMachine:other"),
        ({"type": "event", "expression": "ready"}, '"ready"'),
    ],
)
def test_what_starts_a_machine_is_in_its_template(schedule: dict[str, str], part: str) -> None:
    text = definition([{"name": "a", "type": "wait", "duration": 1}], schedule=schedule)
    made = STEPFUNCTIONS.compile(read_definition(text, file="p.json"), Options())

    assert part in made["p.template.json"].decode()


def test_a_machine_that_is_too_large_or_too_long_is_refused_with_its_place() -> None:
    text = "x" * 200_000
    large = [{"name": f"s{n}", "type": "lambda", "function": "f", "payload": {"t": text}} for n in range(6)]
    with pytest.raises(Misconfigured, match=f"p.json:1:.*takes {MOST_BYTES:,}"):
        compiled(definition(large))
    many = [{"name": f"s{n}", "type": "lambda", "function": "f", "retries": 10} for n in range(400)]
    with pytest.raises(Misconfigured, match=r"p.json:1:.*ends one at 25,000"):
        compiled(definition(many))
