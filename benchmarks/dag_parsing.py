"""How long Airflow takes for folders of DAGs, two kinds against each other: CPU and wall seconds of DagBag.

Each kind has a process of its own, so that neither pays for what the other left in memory, and the two take turns
folder by folder, so that whatever else the machine does hits both. A round is a new pair of processes: first without
compiled bytecode, which is how Airflow sees a file that is new or has changed, then with it.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = Path(".venv-airflow3/bin/python")
PASSES = ("new", "again")

PARSE = """
import logging, sys, time, warnings
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
from airflow.dag_processing.dagbag import DagBag
import airflow.providers.standard.triggers.temporal  # imports are paid once a process, by whoever is first
bags = []  # kept: Airflow has those of a whole folder at once
for line in sys.stdin:
    began, cpu = time.perf_counter(), time.process_time()
    bags.append(DagBag(dag_folder=line.strip()))
    took = time.process_time() - cpu, time.perf_counter() - began
    print("took", *took, len(bags[-1].dags), len(bags[-1].import_errors), flush=True)
"""


class Parser:
    """A process of Airflow that parses folders as it is told."""

    def __init__(self, home: str) -> None:
        env = {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": "/usr/bin:/bin"}
        self.process = subprocess.Popen(
            [str(PYTHON), "-c", PARSE], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def parse(self, folder: Path) -> tuple[float, float]:
        """CPU and wall seconds for all DAGs of a folder, each of which must be there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(folder, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("took "):
                _, cpu, wall, dags, errors = line.split()
                assert (int(dags), int(errors)) == (len(list(folder.glob("*.py"))), 0), (folder, line)
                return float(cpu), float(wall)
        raise RuntimeError("Airflow ended")

    def close(self) -> None:
        self.process.communicate(timeout=60)


@dataclass
class Parsed:
    """Seconds of one kind in one pass: CPU and wall time of each round, by folder."""

    cpu: list[list[float]] = field(default_factory=list)
    wall: list[list[float]] = field(default_factory=list)

    def seconds(self, kind: str) -> float:
        """Of all folders: for each the median of the rounds."""
        rounds: list[list[float]] = getattr(self, kind)
        return sum(map(statistics.median, zip(*rounds, strict=True)))


def parsed(
    kinds: Mapping[str, Sequence[Path]], warm: Mapping[str, Path], rounds: int
) -> dict[str, dict[str, Parsed]]:
    """By pass and kind; `kinds` are folders of as many DAGs each, `warm` one that is parsed before."""
    found = {name: {kind: Parsed() for kind in kinds} for name in PASSES}
    for _ in range(rounds):
        for folder in (folder for folders in kinds.values() for folder in folders):
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="sluice-airflow-") as home:
            parsers = {kind: Parser(home) for kind in kinds}
            try:
                for kind, parser in parsers.items():
                    parser.parse(warm[kind])
                for name in PASSES:
                    _round(parsers, kinds, found[name])
            finally:
                for parser in parsers.values():
                    parser.close()
    return found


def _round(parsers: dict[str, Parser], kinds: Mapping[str, Sequence[Path]], found: dict[str, Parsed]) -> None:
    for kind in kinds:
        found[kind].cpu.append([])
        found[kind].wall.append([])
    turns = list(kinds)
    for index in range(len(kinds[turns[0]])):
        turns.reverse()
        for kind in turns:
            cpu, wall = parsers[kind].parse(kinds[kind][index])
            found[kind].cpu[-1].append(cpu)
            found[kind].wall[-1].append(wall)
