"""`sluice lint`, `sluice graph` and `sluice pipeline run`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice

GOOD = """
pipeline:
  name: good
  steps:
    - {name: a, type: wait, duration: 10ms}
    - {name: b, type: wait, duration: 10ms, depends_on: [a]}
"""
BAD = """
pipeline:
  name: bad
  steps:
    - {name: a, type: wiat}
    - {name: b, type: wait, duration: 1, depends_on: [c]}
"""
DOUBTFUL = GOOD.replace("steps:", "parameters: {x: 1}\n  steps:")


SOURCE = """
pipeline:
  name: shop_daily
  steps:
    - {name: land, type: ingestion, source: shop, load: false}
    - {name: fill, type: load, source: shop, streams: [orders], depends_on: [land]}
    - {name: right, type: check, query: "select 1 where (select count(*) from shop.orders) <> 120", depends_on: [fill]}
    - {name: all, type: ingestion, source: shop, streams: [customers], depends_on: [right]}
"""


def invoke(*words: str) -> Result:
    return CliRunner().invoke(sluice, words)


@pytest.fixture
def definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good", GOOD), ("bad", BAD), ("doubtful", DOUBTFUL)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_lint_tells_all_faults_of_all_files_and_exits_with_2(definitions: Path) -> None:
    done = invoke("lint", "bad.yaml", "good.yaml", "doubtful.yaml")

    assert 2 == done.exit_code
    assert 'bad.yaml:5:23 pipeline.steps[0].type: unknown value "wiat"; did you mean "wait"?' in done.stderr
    assert 'bad.yaml:6:55 unknown step "c"; known: a, b' in done.stderr
    assert "good.yaml: 2 steps, nothing to complain about" in done.stdout
    assert 'doubtful.yaml:4:16 no step uses the parameter "x" [unused]' in done.stderr


def test_pipelines_that_wait_for_each_other_are_faults_of_lint_and_of_generate(definitions: Path) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        step = f"{{name: go, type: pipeline, pipeline: {other}}}"
        (definitions / f"{name}.yaml").write_text(f"pipeline: {{name: {name}, steps: [{step}]}}")

    looked = invoke("lint", "ping.yaml", "pong.yaml", "good.yaml")
    made = invoke("generate", "airflow", "ping.yaml", "pong.yaml", "good.yaml", "-o", "out")

    for done in (looked, made):
        assert 2 == done.exit_code
        assert (
            "ping.yaml:1:59 pipelines would wait for each other in a circle: ping -> pong -> ping"
            in done.stderr
        )
        assert "pong.yaml:1:59 " in done.stderr
    assert ["good.py"] == [path.name for path in (definitions / "out" / "dags").iterdir()]
    assert 0 == invoke("lint", "ping.yaml").exit_code


def test_what_is_perhaps_not_meant_is_a_fault_when_strict(definitions: Path) -> None:
    loose, strict = invoke("lint", "doubtful.yaml"), invoke("lint", "doubtful.yaml", "--strict", "--json")

    assert (0, 2) == (loose.exit_code, strict.exit_code)
    assert ["good"] == [one["pipeline"] for one in json.loads(strict.stdout)]


def test_shared_defaults_hold_for_every_command(definitions: Path) -> None:
    defaults = "pipeline: {parameters: {x: 1}, pools: {vendor: 1}, domain: sales, deadline: %s}\nsteps: {retries: 1}\n"
    (definitions / "_defaults.yml").write_text(defaults % "1h")
    (definitions / "land.yaml").write_text(
        "pipeline:\n  name: land\n  steps: [{name: a, type: load, source: shop, pool: vendor}]\n"
    )
    words = ["_defaults.yml", "land.yaml"]

    linted, made, drawn = (
        invoke("lint", "--strict", *words),
        invoke("generate", "airflow", *words),
        invoke("graph", "land.yaml"),
    )

    assert (0, 0, 0) == (linted.exit_code, made.exit_code, drawn.exit_code), linted.output + made.output
    assert "_defaults.yml: shared defaults, nothing to complain about" in linted.stdout
    assert "no pipeline: _defaults.yml holds shared defaults" in made.stdout
    dag = (definitions / "generated/dags/land.py").read_text()
    assert ("sales" in dag, "vendor" in dag, "retries" in dag) == (True, True, True)
    ran = json.loads(invoke("pipeline", "run", "good.yaml", "--param", "x=2", "--json").stdout)
    assert ["succeeded", "succeeded"] == [one["state"] for one in ran["steps"].values()]

    (definitions / "_defaults.yml").write_text(defaults % "often")
    for verb in (["lint"], ["generate", "airflow"], ["graph"], ["pipeline", "run"]):
        done = invoke(*verb, "good.yaml")

        assert (2, True) == (done.exit_code, "_defaults.yml:1:77 pipeline.deadline:" in done.stderr), (
            done.stderr
        )
    assert 2 == invoke("lint", "_defaults.yml").exit_code
    assert "holds shared defaults and no pipeline" in invoke("graph", "_defaults.yml").stderr
    assert "cannot be read" in invoke("lint", "sub/_defaults.yml").stderr


def test_a_file_that_is_not_there_is_told(definitions: Path) -> None:
    done = invoke("lint", "nowhere.yaml")

    assert 2 == done.exit_code
    assert "nowhere.yaml cannot be read: No such file or directory" in done.stderr


def test_graph_draws_in_three_ways(definitions: Path) -> None:
    text, mermaid = invoke("graph", "good.yaml"), invoke("graph", "good.yaml", "--format", "mermaid")
    svg = invoke("graph", "good.yaml", "--format", "svg", "-o", "good.svg")

    assert "  2  b  wait            0.01 s  after a" in text.stdout
    assert "  s1 --> s2" in mermaid.stdout
    assert 0 == svg.exit_code
    assert "{http://www.w3.org/2000/svg}svg" == ElementTree.parse(definitions / "good.svg").getroot().tag  # noqa: S314


def test_steps_of_a_source_land_load_and_check(
    call: Callable[..., Result], place: Path, last_line: Callable[[str], Any]
) -> None:
    (place / "daily.yaml").write_text(SOURCE)

    done = call("pipeline", "run", "daily.yaml", "--json")

    assert 0 == done.exit_code, done.output
    outputs = {key: one["output"] for key, one in last_line(done.stdout)["steps"].items()}
    assert (240, 120, 120) == (outputs["land"]["rows"], outputs["fill"]["rows"], outputs["all"]["loaded"])
    assert {"passed": True, "failed": 0} == outputs["right"]


def test_a_stream_that_fails_fails_its_step_with_its_name(
    call: Callable[..., Result], place: Path, shop: Any
) -> None:
    (place / "daily.yaml").write_text(SOURCE)
    shop.faults["/orders"] = 404

    done = call("pipeline", "run", "daily.yaml")

    assert 1 == done.exit_code
    assert "land: failed" in done.output
    assert "stream orders" in done.output
