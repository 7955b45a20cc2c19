"""Generated files in Airflow: they load, have the edges of their plans, and run as decision 7 says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition, read_plan
from shared.pipelines.runner.states import State
from shared.pipelines.targets.airflow import AIRFLOW, writing_of
from shared.pipelines.targets.target import Options
from tests.oracle.airflow.conftest import ROOT, Airflow, World
from tests.shared.pipelines.simulation import Act, Simulation

HERE = Path(__file__).parent
SAMPLES = ROOT.parent / "shared" / "data"
PLATFORM = Platform("p", "r")
EVERY = (
    (ROOT / "tests/shared/pipelines/every_key.yaml")
    .read_text()
    .replace("service: dataflow", "service: glue")
    .replace(', input: "${steps.shrink.output}"', "")
)


def definitions(world: World) -> dict[str, Plan]:
    """All plans by their names: published ones, one with every key, and the one that is run."""
    files = [*(SAMPLES / "definitions").glob("*.yaml"), *(SAMPLES / "aef").glob("definitions-*/*.json")]
    plans = [read_plan(file, same_names="qualify") for file in sorted(files)]
    plans.append(read_definition(EVERY, file="everything.yaml"))
    plans.append(
        read_definition((HERE / "runs.yaml").read_text().replace('"@', f'"{world.url}'), file="runs.yaml")
    )
    for trigger in ("rate", "once", "event"):
        expression = {"rate": "90m", "once": "2031-01-01T00:00:00Z", "event": "pipeline:everything"}[trigger]
        document = {
            "name": f"by_{trigger}",
            "schedule": {"type": trigger, "expression": expression},
            "steps": [
                {"name": "class", "type": "wait", "duration": 1},
                {"name": "ünï-cödé", "type": "wait", "duration": 1},
            ],
        }
        plans.append(read_definition(json.dumps({"pipeline": document}), file="t.yaml"))
    return {plan.name: plan for plan in plans}


def write(plans: dict[str, Plan], folder: Path, options: Options) -> Path:
    for plan in plans.values():
        for name, data in AIRFLOW.compile(plan, options).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder / "dags"


@pytest.fixture(scope="session")
def plans(world: World) -> dict[str, Plan]:
    return definitions(world)


@pytest.fixture(scope="session")
def found(
    airflow: Airflow, plans: dict[str, Plan], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """All that Airflow says of the files of both ways, and of a run of one of them; asked for in one go."""
    folder = tmp_path_factory.mktemp("files")
    own = [
        write(plans, folder / f"local-{local}", Options(PLATFORM, airflow.version, local=local))
        for local in (True, False)
    ]
    run = {"name": "runs", "folder": str(own[0]), "dag": "runs"}
    return airflow.ask({"folders": [str(one) for one in own], "runs": [run]}, own[0])


def test_every_file_loads_without_errors_and_warnings(found: dict[str, Any], plans: dict[str, Plan]) -> None:
    for folder in found["folders"].values():
        assert {} == folder["errors"]
        assert [] == folder["warnings"]
        assert set(plans) == set(folder["dags"])


def test_the_new_names_of_airflow_are_used(plans: dict[str, Plan], tmp_path: Path) -> None:
    write(plans, tmp_path, Options(PLATFORM))
    words = [
        str(ROOT / ".venv/bin/ruff"),
        "check",
        "--isolated",
        "--preview",
        "--select",
        "AIR,F,E9,B",
        str(tmp_path),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert (0, "All checks passed!\n") == (done.returncode, done.stdout[-20:])


def test_the_graph_is_that_of_the_plan(found: dict[str, Any], plans: dict[str, Plan]) -> None:
    (folder, _) = found["folders"].values()
    for plan in plans.values():
        tasks = writing_of(plan, Options()).tasks
        entry = {s.name: tasks.get(f"{s.name}\0items", tasks[s.name]) for s in plan.all_steps()}
        graph = {name: task["after"] for name, task in folder["dags"][plan.name]["tasks"].items()}
        for step in plan.steps:
            assert sorted({tasks[edge.source] for edge in step.needs}) == graph[entry[step.name]]


def expected(plan: Plan) -> dict[str, State]:
    """How each step ends by the rules of the local runner, given the same answers of the world."""

    def act(key: str, _: int) -> Act:
        if key in ("bad", "really-bad", "too slow", "lost job", "stuck job", "each[1]/inner"):
            return Act(error="it is so")
        return Act(output={"status": 200, "body": {"rows": 3}})

    return {key: result.state for key, result in Simulation(plan, act).run().results().items()}


def test_steps_end_as_they_do_in_the_local_runner(found: dict[str, Any], plans: dict[str, Plan]) -> None:
    plan, run = plans["runs"], found["runs"]["runs"]
    ids = writing_of(plan, Options()).tasks
    tolerant = {step.name for step in plan.all_steps() if step.continue_if_fail}

    def ended(key: str) -> State:
        each, _, inner = key.rpartition("/")
        name = inner or key
        index = each.partition("[")[2]
        task = run["tasks"][f"{ids[name]}[{index}" if index else ids[name]]
        match task["state"], task.get("ended"):
            case "success", _:
                return State.SUCCEEDED
            case "failed", _:
                return State.TOLERATED if name in tolerant else State.FAILED
            case "upstream_failed", _:
                return State.BLOCKED
            case "skipped", str(why):
                return State(why)
        raise AssertionError(f"{key} is {task}")

    wanted = expected(plan)

    assert wanted == {key: ended(key) for key in wanted}
    assert "failed" == run["state"] == run["tasks"]["run_ended"]["state"]


def test_data_goes_from_step_to_step(found: dict[str, Any]) -> None:
    tasks = found["runs"]["runs"]["tasks"]
    sent = json.loads(tasks["after_over"]["return_value"]["body"]["sent"])

    assert {"rows": 3, "none": None} == {name: sent[name] for name in ("rows", "none")}
    assert sent["text"].startswith("day 20")
    assert "[]" == tasks["after_none"]["return_value"]["body"]["sent"]
    assert ["3", "3"] == [tasks[f"inner_two[{index}]"]["return_value"]["body"]["sent"] for index in (0, 2)]
    assert "DONE" == tasks["good_job"]["return_value"]["state"]


def test_an_attempt_is_repeated_as_often_as_asked_and_later_each_time(
    found: dict[str, Any], world: World
) -> None:
    times = [at for at, path in world.asked if path == "/bad1"][-3:]

    assert 3 == found["runs"]["runs"]["tasks"]["bad"]["tries"] == len(times)
    assert times[2] - times[1] >= 2
