"""Faults of targets and findings of lint point at what has to change, wherever that is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.lint import lint
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName

TEXT = """\
pipeline:
  name: p
  owners: [{name: a}]
  schedule:
    type: cron
    expression: "30 2 1 * 1"
    timezone: Europe/Berlin
    catch_up: true
    start: 2026-01-01
  parameters:
    days: 3
    unused: 1
  deadline: 1h
  pools:
    db: 2
  notifications:
    on_failure: [{method: slack, channel: "#a"}]
  steps:
    - name: a
      type: lambda
      function: f
      payload:
        days: ${params.days}
        keys:
          - password: x
    - name: b
      type: call
      url: http://example.com
      continue_if_fail: true
      depends_on: [a]
"""


def faults(name: TargetName, plan: Plan) -> list[str]:
    """The lines of the faults of a target, each with the words that stand there."""
    with pytest.raises(Misconfigured) as caught:
        target(name).compile(plan, Options())
    return [_words(line) for line in str(caught.value).splitlines()]


def _words(fault: str) -> str:
    found = re.match(r"p\.yaml:(\d+):(\d+) ", fault)
    assert found, fault
    return TEXT.splitlines()[int(found.group(1)) - 1][int(found.group(2)) - 1 :].partition(":")[0]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (TargetName.STEPFUNCTIONS, ["deadline", "catch_up"]),
        (TargetName.WORKFLOWS, ["catch_up", "start", "notifications", "function"]),
        (TargetName.DAGFACTORY, ["notifications", "continue_if_fail"]),
    ],
)
def test_a_fault_of_a_target_points_at_its_key(name: TargetName, keys: list[str]) -> None:
    assert keys == faults(name, read_definition(TEXT, file="p.yaml"))


def test_a_finding_points_at_its_key() -> None:
    found = {one.rule: _words(f"{one.place} ") for one in lint(read_definition(TEXT, file="p.yaml"))}

    assert {
        "either-day": "expression",
        "clock-change": "expression",
        "unused": "db",
        "secret": "password",
        "plain-http": "url",
    } == found


def test_what_stands_in_shared_defaults_is_pointed_at_there(tmp_path: Path) -> None:
    (tmp_path / "_defaults.yml").write_text("pipeline:\n  schedule:\n    {type: event, expression: x}\n")
    (tmp_path / "p.yaml").write_text("pipeline: {name: p, steps: [{name: a, type: wait, duration: 1s}]}")
    plan = read_plan(tmp_path / "p.yaml")

    assert f"{tmp_path}/_defaults.yml:3:6" == str(plan.at("schedule", "type"))
    assert f"{tmp_path}/_defaults.yml:2:3" == str(plan.at("schedule", "start"))
    assert f"{tmp_path}/p.yaml:1:11" == str(plan.at("deadline"))
    assert f"{tmp_path}/p.yaml:1:51" == str(plan.steps[0].at("duration"))


def test_places_are_no_part_of_what_a_plan_is() -> None:
    one, two = (
        read_definition(text, file="p.yaml") for text in (TEXT, TEXT.replace("  deadline", "\n  deadline"))
    )

    assert one.digest() == two.digest()
    assert one.at("deadline").line + 1 == two.at("deadline").line
    assert hash(one.place) == hash(read_definition(TEXT, file="p.yaml").place)
