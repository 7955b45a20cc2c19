"""Definitions into artifacts, and artifacts into Airflow: how long both take for a thousand pipelines.

    python -m benchmarks compile                      1,000 definitions of 20 steps to all targets, then DagBag
    python -m benchmarks compile --definitions 100
    python -m benchmarks compile --rounds 0           without Airflow

Compiling is one process and one thread, from files to files: each definition is read once, compiled for every target,
and every artifact written. Then what people run over all of them: `sluice lint` and `sluice generate --check`.

A generated file is compared with a DAG that is written by hand as short as it goes: the same tasks, names, retries and
edges, and functions that do nothing (dag_parsing.py; `make test-airflow` makes its environment).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from benchmarks.dag_parsing import PASSES, PYTHON, parsed
from benchmarks.processes import run, spread
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_plan
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName

LONGEST = 30.0
RATIO = 1.2
FOLDERS = 20

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


def definition(name: str, steps: int) -> str:
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
    return yaml.safe_dump(
        {"pipeline": {"name": name, "schedule": schedule, "steps": written}}, sort_keys=False
    )


def by_hand(name: str, steps: int) -> str:
    tasks = "".join(TASK.format(number=number) for number in range(steps))
    edges = "\n    ".join(f"s{number - 4} >> s{number}" for number in range(4, steps))
    return HAND.format(name=name, tasks=tasks, edges=edges)


def compile_all(files: list[Path], folder: Path) -> tuple[float, dict[str, float]]:
    """CPU seconds from files to files, and what of them each stage took."""
    options = Options(platform=Platform(project="p", region="r"))
    stages: defaultdict[str, float] = defaultdict(float)
    began = time.process_time()
    for file in files:
        at = time.process_time()
        plan = read_plan(file)
        stages["read"] += -at + (at := time.process_time())
        for name in TargetName:
            made = target(name).compile(plan, options)
            stages[name] += -at + (at := time.process_time())
            for artifact, content in made.items():
                path = folder / name / artifact
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            stages["write"] += -at + (at := time.process_time())
    return time.process_time() - began, stages


def commands(files: list[Path], folder: Path) -> None:
    """What the command line takes for all files at once, for one, and for nothing."""
    sluice = [sys.executable, "-m", "src.cli"]
    check = ["-o", str(folder / "airflow"), "--check"]
    for title, words in {
        f"lint of {len(files):,}": ["lint", *map(str, files)],
        f"generate airflow --check of {len(files):,}": ["generate", "airflow", *map(str, files), *check],
        "lint of one": ["lint", str(files[0])],
        "generate airflow --check of one": ["generate", "airflow", str(files[0]), *check],
        "--help": ["--help"],
    }.items():
        costs = [run([*sluice, *words]) for _ in range(1 if len(words) > 100 else 5)]
        assert not any(cost.code for cost in costs), costs[0].errors
        cpu, wall = (spread([getattr(cost, kind) for cost in costs]) for kind in ("cpu", "wall"))
        print(f"sluice {title:36}{cpu:>20} s of CPU, {wall:>20} s")


def parse_all(generated: Path, folder: Path, steps: int, rounds: int) -> float:
    """The greatest ratio of CPU times: of files seen for the first time, and of the same ones again."""
    files = sorted(generated.glob("*.py"))
    kinds: dict[str, list[Path]] = {"hand": [], "ours": []}
    for index, file in enumerate(files):
        ours, hand = (folder / kind / f"{index * FOLDERS // len(files):02}" for kind in ("ours", "hand"))
        for kind, one in (("ours", ours), ("hand", hand)):
            if one not in kinds[kind]:
                one.mkdir(parents=True)
                kinds[kind].append(one)
        shutil.copy(file, ours)
        (hand / file.name).write_text(by_hand(file.stem, steps))
    warm = {kind: folder / "warm" / kind for kind in kinds}
    for kind, one in warm.items():
        one.mkdir(parents=True)
        shutil.copy(kinds[kind][0] / files[0].name, one)
    found = parsed(kinds, warm, rounds)
    ratios = []
    for name in PASSES:
        theirs, mine = found[name]["hand"], found[name]["ours"]
        rounds_of = [sum(m) / sum(t) for t, m in zip(theirs.cpu, mine.cpu, strict=True)]
        ratios.append(mine.seconds("cpu") / theirs.seconds("cpu"))
        print(
            f"DagBag, {name:6}{theirs.seconds('cpu'):6.2f} s by hand, {mine.seconds('cpu'):6.2f} s generated: "
            f"{ratios[-1]:.2f} times, by round {spread(rounds_of)}; "
            f"wall {theirs.seconds('wall'):.2f} s and {mine.seconds('wall'):.2f} s"
        )
    return max(ratios)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks compile", description=__doc__)
    parser.add_argument("--definitions", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sluice-compile-") as name:
        folder = Path(name)
        files = [
            folder / "definitions" / f"pipeline_{number:04}.yaml" for number in range(chosen.definitions)
        ]
        files[0].parent.mkdir()
        for file in files:
            file.write_text(definition(file.stem, chosen.steps))
        began = time.perf_counter()
        total, stages = compile_all(files, folder / "made")
        wall = time.perf_counter() - began
        for stage, seconds in stages.items():
            print(f"{stage:14}{seconds:8.2f} s")
        print(f"{'all':14}{total:8.2f} s of CPU, {wall:.2f} s; at most {LONGEST:g}")
        commands(files, folder / "made")
        ratio = 0.0
        if chosen.rounds and not PYTHON.exists():
            print(f"{PYTHON} is not there: make test-airflow makes it")
        elif chosen.rounds:
            ratio = parse_all(folder / "made" / "airflow" / "dags", folder, chosen.steps, chosen.rounds)
    return 0 if total <= LONGEST and ratio <= RATIO else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
