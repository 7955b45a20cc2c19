"""docs/targets.md for Airflow and dag-factory: the example of every feature is loaded and run by Airflow itself.

What steps can do is one pipeline with all of it, since a run takes its time; when they run is one for each feature.
Airflow 2 loads all of them as well, and runs those whose pieces are not the same as for Airflow 3.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.pipelines.schedule import next_runs
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Feature, Options, TargetName
from tests.oracle.airflow.conftest import Airflow
from tests.oracle.airflow.fake_world import Served, served
from tests.oracle.airflow.test_dagfactory import LOADER
from tests.shared.pipelines.targets.cells.engines import given
from tests.shared.pipelines.targets.cells.example import TIME, Example, Seen, check
from tests.shared.pipelines.targets.cells.flow import check_run_fields
from tests.shared.pipelines.targets.cells.table import EXAMPLES, LOOKED_AT, NOT_RUN, REFUSED, Cell
from tests.shared.pipelines.targets.cells.work import WORK

ENGINES = (TargetName.AIRFLOW, TargetName.DAGFACTORY)
CELLS = [(feature, name) for feature in Feature for name in ENGINES if (feature, name) not in REFUSED]
ALONE = (Feature.CONTAINER,)  # with commands of the worker, as no other
ALSO_IN_2 = (Feature.RUN_FIELDS, Feature.DATA, Feature.CONTINUE_IF_FAIL, Feature.NOTIFY_WEBHOOK)
POST = """\
#!{python}
import json, os, sys, urllib.request
body = {body}
data = urllib.request.urlopen(os.environ["WORLD"] + "/{path}", json.dumps(body).encode()).read()
print(data.decode())
"""
OTHER = Example("{name: other, type: wait, duration: 1}", head="parameters: {day: null, n: null}")


def is_run(cell: Cell) -> bool:
    return cell[0] not in LOOKED_AT and (cell not in NOT_RUN or cell[0] in ALONE)


def all_work(engine: TargetName) -> Example:
    """All that steps can do, side by side in one pipeline; no two of the examples have a name in common."""
    examples = [
        WORK[feature] for feature, name in CELLS
        if feature in WORK and name is engine and is_run((feature, name)) and feature not in ALONE
    ]  # fmt: skip
    return Example(
        "\n".join(line for example in examples for line in example.lines),
        head="parameters: {n: 5, at: null}",
        answers={who: answers for example in examples for who, answers in example.answers.items()},
        given={name: value for example in examples for name, value in example.given.items()},
    )


def run_of(cell: Cell) -> str:
    """The pipeline whose run shows this cell."""
    is_work = cell[0] in WORK and cell[0] not in ALONE
    return f"{cell[1]}_{'all_work' if is_work and is_run(cell) else cell[0].name.lower()}"


def examples() -> Iterator[tuple[str, TargetName, Example, bool]]:
    """Every pipeline: its name, what it is compiled for, and whether it is run in Airflow 2 as well."""
    for engine in ENGINES:
        yield f"{engine}_all_work", engine, all_work(engine), False
    for cell in CELLS:
        yield f"{cell[1]}_{cell[0].name.lower()}", cell[1], EXAMPLES[cell[0]], cell[0] in ALSO_IN_2
    yield "other", TargetName.AIRFLOW, OTHER, False


def write(folder: Path, url: str, version: int) -> None:
    for name, engine, example, _ in examples():
        options = Options(engine_version=version, local=name.endswith("container"))
        for path, data in target(engine).compile(example.plan(engine, url, name), options).items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            if path.endswith(".yaml"):
                file.with_name(f"{name}.py").write_text(LOADER.format(file=str(file)))


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with served() as made:
        yield made


@pytest.fixture(scope="module")
def found(airflow: Airflow, world: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every cell in one folder, loaded once; all runs in one process."""
    folder = tmp_path_factory.mktemp("cells")
    commands = {"podman": '[*sys.argv[1:], os.environ["DAY"]]', "step": "json.load(sys.stdin)"}
    for tool, body in commands.items():
        (folder / tool).write_text(POST.format(python=airflow.python, path=tool, body=body))
        (folder / tool).chmod(stat.S_IRWXU)
    write(folder / "dags", world.url, airflow.version)
    world.examples = {name: example for name, _, example, _ in examples()}
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    wanted = {run_of(cell) for cell in CELLS if is_run(cell)}
    runs = [
        {
            "name": name, "folder": str(folder / "dags"), "dag": name, "conf": given(example, soon), "time": TIME,
            "before": f"{world.url}/begin/{name}",
        }
        for name, _, example, also in examples() if name in wanted and (airflow.version == 3 or also)
    ]  # fmt: skip
    more = {"SLUICE_COMMAND": str(folder / "step"), "SLUICE_HOME": str(folder)}
    more["PATH"] = f"{folder}:{airflow.python.parent}:{os.environ['PATH']}"
    return airflow.ask(
        {"folders": [str(folder / "dags")], "runs": runs}, folder / "dags", **world.environment(), **more
    )


def test_every_cell_loads(found: dict[str, Any]) -> None:
    (folder,) = found["folders"].values()

    assert ({}, []) == (folder["errors"], folder["warnings"])
    assert {name for name, *_ in examples()} == {*folder["dags"]}


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if is_run(cell)], ids=lambda cell: f"{cell[1]}_{cell[0].name.lower()}"
)
def test_airflow_does_it(cell: Cell, found: dict[str, Any], world: Served) -> None:
    feature, name, example = cell[0], run_of(cell), EXAMPLES[cell[0]]
    if name not in found["runs"]:
        pytest.skip("the pieces are the same as for Airflow 3")
    run, its = found["runs"][name], [*example.orders.get(cell[1], example.order or "").split()]
    asked = [one for one in world.seen[name].asked if not name.endswith("all_work") or one[0] in its]
    states = str({task: one["state"] for task, one in run["tasks"].items()})
    ended = {"success": "succeeded"}.get(run["state"], run["state"])
    seen = Seen(ended, asked, told=world.seen[name].told, reason=states)

    if feature is Feature.ONLY_STARTED:
        assert ["other", {"n": 5}] in found["started"]
        seen.asked = [one for one in world.seen[name].asked if one[0] == example.ran]
    check(example, seen, cell[1], name)
    if feature is Feature.RUN_FIELDS:
        check_run_fields(seen.asked, name)
    if cell == (Feature.CONTAINER, TargetName.AIRFLOW):
        given_to_podman = world.seen[name].asked[0][1]
        assert ["acme/train:1", "train", "2026-11-20", "d 2026-11-20"] == given_to_podman[-4:]
        assert ["--env", "DAY", "--cpus", "0.5", "--memory", "512m"] == given_to_podman[2:-4]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("feature", [f for f in LOOKED_AT if EXAMPLES[f].plan(TargetName.AIRFLOW).schedule])
def test_airflow_reckons_the_times_that_the_schedule_says(
    found: dict[str, Any], feature: Feature, engine: TargetName
) -> None:
    (folder,) = found["folders"].values()
    schedule = EXAMPLES[feature].plan(engine).schedule
    dag = folder["dags"][f"{engine}_{feature.name.lower()}"]
    times = [datetime.fromisoformat(one) for one in dag["next"]]
    if feature is Feature.EVENT:
        assert [] == times
        return
    assert schedule
    assert times
    wanted = next_runs(schedule, times[0] - timedelta(seconds=1), count=3)
    if feature is Feature.RATE:  # from whenever it begins
        wanted = [times[0] + timedelta(minutes=90) * number for number in range(3)]

    assert wanted == times
    assert (feature is Feature.CATCH_UP) is dag["catchup"]
