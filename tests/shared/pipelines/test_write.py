"""A step as a document does the same when it is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.step import Step
from shared.pipelines.work import Job, Kind, Transform
from shared.pipelines.write import read_step, step_document
from tests.shared.pipelines.conftest import job, levels

EVERY_KEY = read_plan(Path(__file__).with_name("every_key.yaml"))
OWN = {Kind.WAIT, Kind.BRANCH, Kind.FOREACH}


@pytest.mark.parametrize(
    "step", [s for s in EVERY_KEY.all_steps() if s.kind not in OWN], ids=lambda step: step.name
)
def test_every_kind_survives_being_written(step: Step) -> None:
    read = read_step(json.loads(json.dumps(step_document(step))))

    assert (step.name, step.work, step.timeout_seconds) == (read.name, read.work, read.timeout_seconds)


@pytest.mark.parametrize(
    "step", [s for s in EVERY_KEY.all_steps() if s.kind in OWN], ids=lambda step: step.name
)
def test_what_engines_do_themselves_is_refused(step: Step) -> None:
    with pytest.raises(Misconfigured, match="which the engine does by itself"):
        step_document(step)
    with pytest.raises(Misconfigured, match="which the engine does by itself"):
        read_step({"name": "a", "type": "wait", "duration": 1})


def test_sql_of_a_file_comes_along_and_jobs_of_level_files_keep_their_functions() -> None:
    text = "pipeline:\n  name: p\n  steps:\n    - {name: a, type: transformation, transformation_file: a.sql}"
    transform = read_definition(text, file="p.yaml", read_file=lambda name: "select '$${x}'").steps[0]
    started = read_definition(
        levels([[job("1", "a", STEP_PROPERTIES='{"b": "${c}"}')]]), file="p.json"
    ).steps[0]

    assert isinstance(transform.work, Transform)
    assert replace(transform.work, file="") == read_step(step_document(transform)).work
    assert isinstance(started.work, Job)
    assert replace(started.work, job_name="") == read_step(step_document(started)).work


def test_a_document_that_is_no_step_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"\(step\):1:1 step: \"source\" is missing"):
        read_step({"name": "a", "type": "load"})
    with pytest.raises(Misconfigured, match=r'unknown value "callx"; did you mean "call"'):
        read_step({"name": "a", "type": "callx"})
