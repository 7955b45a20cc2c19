"""Definitions into artifacts, and artifacts into Airflow: how long both take for a thousand pipelines.

    python -m benchmarks compile                      1,000 definitions of 20 steps to all targets, then DagBag
    python -m benchmarks compile --definitions 100

A generated file is compared with a DAG that is written by hand as short as it goes: the same tasks, names, retries and
edges, and functions that do nothing. Both are parsed by DagBag in a process of .venv-airflow3 (`make test-airflow`
makes it), in turns: first without compiled bytecode, which is once per change of a file, then with it, as every later
time (Airflow parses each file again and again). The bar is for the latter; both are shown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shared.common.errors import Misconfigured
from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName

PYTHON = Path(".venv-airflow3/bin/python")
LONGEST = 30.0
RATIO = 1.2

PARSE = """
import logging, sys, time, warnings
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
from airflow.dag_processing.dagbag import DagBag
import airflow.providers.standard.triggers.temporal  # imports are paid once a process, by whoever is first
DagBag(dag_folder=sys.argv[1])
for folder in sys.argv[2:]:
    began = time.process_time()
    bag = DagBag(dag_folder=folder)
    print("took", time.process_time() - began, len(bag.dags), len(bag.import_errors))
"""

HAND = """from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, CronTriggerTimetable, task

with DAG(
    dag_id="{name}",
    description="hand-written",
    schedule=CronTriggerTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["sluice"],
) as dag:
{tasks}
    {edges}
"""

TASK = """
    @task(task_id="step_{number}", retries=2, retry_delay=timedelta(seconds=30))
    def step_{number}():
        return {{"rows": {number}}}

    s{number} = step_{number}()
"""


def definition(name: str, steps: int) -> Plan:
    """A pipeline as they are: loads and queries one behind the other, four side by side."""
    written = []
    for number in range(steps):
        step: dict[str, object] = {"name": f"step_{number}", "retries": 2}
        if number % 2:
            step |= {
                "type": "transformation",
                "transformation_query": f"select {number} where ${{run.date}} > ''",
            }
        else:
            step |= {"type": "load", "source": "recurly", "streams": [f"s{number}"]}
        if number >= 4:
            step["depends_on"] = [f"step_{number - 4}"]
        written.append(step)
    schedule = {"type": "cron", "expression": "0 3 * * *"}
    document = {"name": name, "schedule": schedule, "steps": written}
    return read_definition(json.dumps({"pipeline": document}), file=f"{name}.yaml")


def by_hand(name: str, steps: int) -> str:
    tasks = "".join(TASK.format(number=number) for number in range(steps))
    edges = "\n    ".join(f"s{number - 4} >> s{number}" for number in range(4, steps))
    return HAND.format(name=name, tasks=tasks, edges=edges)


def compile_all(count: int, steps: int, folder: Path) -> float:
    """CPU seconds for reading and compiling all definitions to all targets; files for Airflow go to a folder."""
    options = Options(platform=Platform(project="p", region="r"))
    total = 0.0
    began = time.process_time()
    plans = [definition(f"pipeline_{number:04}", steps) for number in range(count)]
    total += time.process_time() - began
    print(f"{'read':14}{total:8.2f} s")
    for name in TargetName:
        try:
            compiler = target(name)
        except ModuleNotFoundError:
            print(f"{name:14}is not there yet")
            continue
        began = time.process_time()
        refused = 0
        for plan in plans:
            try:
                made = compiler.compile(plan, options)
            except Misconfigured:
                refused += 1
                continue
            if name is TargetName.AIRFLOW:
                (folder / f"{plan.name}.py").write_bytes(made[f"dags/{plan.name}.py"])
        seconds = time.process_time() - began
        total += seconds
        print(f"{name:14}{seconds:8.2f} s{f'  ({refused} refused)' if refused else ''}")
    print(f"{'all':14}{total:8.2f} s of CPU, at most {LONGEST:g}")
    return total


def parse_all(warm: Path, folders: list[Path], rounds: int) -> dict[Path, list[float]]:
    """CPU seconds of DagBag for each folder: of the first time, then the median of the later ones."""
    if not PYTHON.exists():
        print(f"{PYTHON} is not there: make test-airflow makes it")
        return {}
    words = [str(PYTHON), "-c", PARSE, str(warm), *(str(one) for _ in range(rounds + 1) for one in folders)]
    with tempfile.TemporaryDirectory(prefix="sluice-airflow-") as home:
        env = {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("took")]
    for _, _, dags, errors in lines:
        assert (int(dags), int(errors)) == (len(list(folders[0].glob("*.py"))), 0), lines
    times = [float(seconds) for _, seconds, _, _ in lines]
    return {
        folder: [times[index], statistics.median(times[index + len(folders) :: len(folders)])]
        for index, folder in enumerate(folders)
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compile", description=__doc__)
    parser.add_argument("--definitions", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sluice-dags-") as name:
        ours, hand = Path(name, "ours"), Path(name, "hand")
        ours.mkdir()
        hand.mkdir()
        total = compile_all(chosen.definitions, chosen.steps, ours)
        for number in range(chosen.definitions):
            dag = f"pipeline_{number:04}"
            (hand / f"{dag}.py").write_text(by_hand(dag, chosen.steps))
        warm = Path(name, "warm")
        warm.mkdir()
        for folder in (ours, hand):
            shutil.copy(folder / "pipeline_0000.py", warm / f"{folder.name}.py")
        seconds = parse_all(warm, [hand, ours], chosen.rounds)
        ratio = 0.0
        for when, index in (("new", 0), ("as always", 1)):
            if seconds:
                one, other = seconds[hand][index], seconds[ours][index]
                ratio = other / one
                print(f"DagBag, {when:12}{one:6.2f} s by hand, {other:6.2f} s generated: {ratio:.2f} times")
    return 0 if total <= LONGEST and ratio <= RATIO else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
