"""LEVEL files by `sluice pipeline run`: the same examples that run on Step Functions and on Cloud Workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shared.pipelines.targets.target import TargetName
from src.cli.app import sluice
from tests.shared.pipelines.targets.cells.example import Broken, Seen, check
from tests.shared.pipelines.targets.cells.levels import LEVEL_FILES
from tests.shared.pipelines.targets.cells.world import World
from tests.src.pipeline.test_http import serving

OTHER = """\
pipeline:
  name: other
  parameters: {day: null, n: null}
  steps:
    - {name: say, type: call, method: POST, url: "HOST/other", body: {day: "${params.day}", n: "${params.n}"}}
"""


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(sluice, ["pipeline", "run", *map(str, words)])


@pytest.mark.parametrize("name", LEVEL_FILES)
def test_the_local_runner_does_what_a_level_file_says(call: Callable[..., Result], name: str) -> None:
    example, world = LEVEL_FILES[name], World()
    world.begin(example)

    def answer(heard: dict[str, Any]) -> tuple[int, Any]:
        try:
            return 200, world.http(heard["path"], heard["body"])
        except Broken as error:
            return 500, str(error)

    with serving(answer) as (url, _):
        text = example.text.replace("@", "").replace('"0.05"', '"0.005"')
        Path("p.json").write_text(text.replace('"WAIT_TIME_SECONDS": "1"', '"WAIT_TIME_SECONDS": "0.1"'))
        Path("other.yaml").write_text(OTHER.replace("HOST", url.rstrip("/")))
        done = call("p.json", "--functions", url, "--json")
    answer_of = json.loads(done.stdout.splitlines()[-1])
    ended = "succeeded" if done.exit_code == 0 else "failed"

    check(example, Seen(ended, world.asked, reason=str(answer_of)[:500]), TargetName.AIRFLOW)
