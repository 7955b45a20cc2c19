"""YAML of the fourth target in dag-factory: its graph is that of our own files, its expressions find their values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.pipelines.plan import Plan
from shared.pipelines.read import read_definition
from shared.pipelines.targets.airflow import AIRFLOW
from shared.pipelines.targets.dagfactory import DAGFACTORY
from shared.pipelines.targets.target import Options
from tests.oracle.airflow.conftest import Airflow

SAID = "it's {{ 1 }} $HOME ${HOME} {% raw %} \\ é \U0001f600"
STEPS: list[dict[str, Any]] = [
    {
        "name": "a-b", "type": "transformation", "pool": "db", "retries": {"count": 3, "delay": "10s", "backoff": 2},
        "transformation_query": "select ${params.mode}, '{{ x }} $HOME', ${run.date}", "timeout": "5m",
    },
    {"name": "land", "type": "ingestion", "source": "recurly", "streams": ["plans"], "depends_on": ["a-b"]},
    {"name": "pause", "type": "wait", "duration": 1},
    {
        "name": "end", "type": "check", "depends_on": ["land", "pause"],
        "query": "select 1 where 0 = ${steps.land.output.step} and ${run.id} = ${params.mode}",
    },
]  # fmt: skip
NEXT = {
    "name": "next", "type": "pipeline", "pipeline": "other", "depends_on": ["end"],
    "parameters": {"{{": "${run.date}", "x": {"y": {}}, "o": "${steps.land.output}"},
}  # fmt: skip
LOADER = """\
from airflow import DAG  # what Airflow looks for in a file before it reads it
from dagfactory import load_yaml_dags

load_yaml_dags(globals_dict=globals(), config_filepath={file!r})
"""
COMMAND = 'import json, sys; print("chatter"); print(json.dumps({"output": json.load(sys.stdin)}))'


def plan(name: str, *steps: dict[str, Any]) -> Plan:
    document = {
        "name": name,
        "description": "a $HOME __type__ {{ x }}",
        "schedule": {"type": "cron", "expression": "0 3 * * mon", "timezone": "Europe/Berlin"},
        "parameters": {"mode": SAID, "n": [1, {"a": None}]},
        "pools": {"db": 2},
        "deadline": "6h",
        "steps": list(steps),
    }
    return read_definition(json.dumps({"pipeline": document}, ensure_ascii=False), file=f"{name}.yaml")


@pytest.fixture(scope="module")
def found(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both folders as Airflow has them, and a run of the one that needs nobody else."""
    folder = tmp_path_factory.mktemp("dagfactory")
    ours, theirs = folder / "ours", folder / "theirs"
    for one in (plan("flat", *STEPS, NEXT), plan("alone", *STEPS)):
        for local in (True, False) if one.name == "flat" else (True,):
            options = Options(engine_version=airflow.version, local=local)
            for target, place in ((AIRFLOW, ours), (DAGFACTORY, theirs)):
                for name, data in target.compile(one, options).items():
                    path = place / f"local-{local}" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                    if name.endswith(".yaml"):
                        path.with_suffix(".py").write_text(LOADER.format(file=str(path)))
    command = folder / "command.py"
    command.write_text(COMMAND)
    run = {"name": "alone", "folder": str(theirs / "local-True"), "dag": "alone"}
    folders = [str(place / f"local-{local}") for place in (ours, theirs) for local in (True, False)]
    return airflow.ask(
        {"folders": folders, "runs": [run]}, theirs / "local-True",
        SLUICE_COMMAND=f"{airflow.python} {command}", SLUICE_HOME=str(folder),
    )  # fmt: skip


def test_the_graph_is_the_one_of_our_own_files(found: dict[str, Any]) -> None:
    folders = {tuple(Path(name).parts[-2:]): folder for name, folder in found["folders"].items()}
    for local in ("local-True", "local-False"):
        ours, theirs = folders["ours", local], folders["theirs", local]

        assert {} == theirs["errors"]
        for name, dag in ours["dags"].items():
            other = theirs["dags"][name]
            assert dag["tasks"] == {
                task: {**one, "rule": "all_success"} for task, one in other["tasks"].items()
            }
            assert [dag[key] for key in ("schedule", "catchup", "max_active_runs")] == [
                other[key] for key in ("schedule", "catchup", "max_active_runs")
            ]


def output(line: Any) -> Any:
    """What a command left: Airflow keeps its last line, and 3 tells it as it is."""
    return (json.loads(line) if isinstance(line, str) else line)["output"]


def test_expressions_find_what_a_step_refers_to(found: dict[str, Any]) -> None:
    run = found["runs"]["alone"]
    given = {name: output(task["return_value"]) for name, task in run["tasks"].items() if name != "pause"}

    assert "success" == run["state"]
    assert STEPS[0]["transformation_query"] == given["a-b"]["step"]["transformation_query"]
    assert {"mode": SAID} == given["a-b"]["params"]
    assert run["id"] == given["end"]["run"]["id"]
    assert given["land"] == given["end"]["outputs"]["land"]
    assert given["end"]["run"]["time"].endswith("Z")
    assert 10 == len(given["end"]["run"]["date"])
