"""Definitions for the tests of pipelines: the published samples where they are, else fixtures that cover the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[4] / "shared" / "data"


def job(job_id: str, name: str, **keys: Any) -> dict[str, Any]:
    """A step of a LEVEL file that starts, polls and ends a job."""
    return {
        "JOB_ID": job_id,
        "JOB_NAME": name,
        "TYPE": "async",
        "FUNCTION_ID_NAME": "starter",
        "FUNCTION_STATUS_NAME": "asker",
        "WAIT_TIME_SECONDS": "20",
        "ASYNC_TIMEOUT_LOOP_IN_MINUTES": "12",
        **keys,
    }


def levels(*written: list[list[dict[str, Any]]], engine: str = "cloud_workflows") -> str:
    """The text of a LEVEL file: per level its threads, per thread its steps."""
    data = [
        {
            "LEVEL_ID": str(number),
            "THREADS": [
                {"THREAD_ID": str(place), "STEPS": steps} for place, steps in enumerate(threads, start=1)
            ],
        }
        for number, threads in enumerate(written, start=1)
    ]
    return json.dumps({"engine": engine, "definition": data} if engine else data, indent=1)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `definitions/*.yaml` and `aef/…`: the published one, or one of our own with the same shapes."""
    if SAMPLES.is_dir():
        return SAMPLES
    folder = tmp_path_factory.mktemp("samples")
    for name in (
        "definitions",
        "aef/definitions-current",
        "aef/definitions-seed-era",
        "aef/parameters",
        "aef/scheduling",
    ):
        (folder / name).mkdir(parents=True)
    (folder / "definitions" / "own.yaml").write_text(Path(__file__).with_name("every_key.yaml").read_text())
    one, two = [job("J1", "a"), job("J2", "b-c")], [job("J3", "d")]
    (folder / "aef/definitions-current/threads.json").write_text(
        levels([one, two], [[job("J4", "e", LAST_STEP="True")]])
    )
    composer = {"JOB_ID": "J1", "JOB_NAME": "a", "TYPE": "async", "COMPOSER_STEP": "dataform-tag-executor"}
    (folder / "aef/definitions-current/composer.json").write_text(levels([[composer]], engine="composer"))
    (folder / "aef/definitions-current/twice.json").write_text(levels([one], [[job("J5", "a")]]))
    (folder / "aef/definitions-seed-era/bare.json").write_text(levels([one, two], engine=""))
    pairs = [
        {"ParameterKey": "pProjectId", "ParameterValue": "p"},
        {"ParameterKey": "pRegion", "ParameterValue": "r"},
    ]
    (folder / "aef/parameters/dev.json").write_text(json.dumps(pairs))
    document = {"workflows_name": "w", "crond_expression": "0 7 * * *", "time_zone": "America/Los_Angeles"}
    (folder / "aef/scheduling/firestore_document.json").write_text(json.dumps(document))
    return folder
