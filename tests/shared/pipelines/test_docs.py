"""docs/pipelines.md says everything that a definition can say, and its example is a definition."""

from __future__ import annotations

import re
from pathlib import Path

from shared.pipelines.defaults import read_defaults
from shared.pipelines.json_schema import json_schema
from shared.pipelines.read import read_definition
from shared.pipelines.work import RUNNING_STATES, SUCCEEDED_STATES, Kind

PAGE = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text(encoding="utf-8")


def test_every_key_kind_and_state_is_on_the_page() -> None:
    said = set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)))
    keys = {key for one in json_schema()["$defs"].values() for key in one.get("properties", {})}

    assert set() == (keys | set(Kind) | RUNNING_STATES | SUCCEEDED_STATES) - said


def test_the_examples_are_read() -> None:
    text, shared = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    defaults = [read_defaults(shared, file="_defaults.yml")]

    plan = read_definition(text, file="p.yaml", defaults=lambda: defaults)

    assert ["land", "sums", "plausible"] == [step.name for step in plan.steps]
    assert {7200.0} == {step.timeout_seconds for step in plan.steps}
