"""Cold starts out of the built zips: from the start of the process to the first line of the log.

python -m benchmarks cold_start [--rounds 9] [--python 3.11] [--apps ingest,drop]

Each start is a new process in the layout of Lambda, under the real runtime interface client (`make layers package`
first). Two functions made for this take turns with the real ones: one that does nothing, whose time is subtracted, and
one that imports boto3, to which the rest is compared. What is not in it: fetching and unpacking the zips, which is
Lambda's work. On a machine with other work to do the time of the processor says more than that of the clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from src.packaging.build import ROOT
from src.packaging.recipe import Recipe
from src.packaging.room import Room, lay_out
from src.packaging.target import DEPLOYED, Target, machine_arch
from src.sandbox import Sandbox

NOTHING = "def handler(event, context):\n    print('here')\n"
BOTO3 = "import boto3\n" + NOTHING
READY = "ingest, source read"
EVENTS: Mapping[str, Any] = {READY: {"source": "recurly", "streams": ["no such stream"]}}
"""What the handlers get; by default an empty object, which each refuses with its first line."""


@dataclass
class Case:
    """A function, its event, and the seconds of each start by the clock and of the processor."""

    name: str
    room: Room
    event: Any
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def start(self, environ: Mapping[str, str]) -> None:
        seen: list[tuple[float, float]] = []

        def log(line: str) -> None:
            if not seen:
                seen.append((time.perf_counter(), sandbox.spent_s()))

        with Sandbox(self.room, self.name, environ, log, timeout_s=30, memory_mb=1024) as sandbox:
            began = time.perf_counter()
            sandbox.invoke(self.event)
        self.clock.append(seen[0][0] - began)
        if seen[0][1]:  # 0 when the process had ended before its line was read
            self.processor.append(seen[0][1])


def cases(target: Target, folder: Path, apps: Sequence[str]) -> list[Case]:
    """The real functions, and the two that they are compared with, on the layers of `ingest`."""
    rooms = {app: lay_out(app, target, folder / app) for app in dict.fromkeys(["ingest", *apps])}
    found = []
    for name, code in (("nothing", NOTHING), ("import boto3", BOTO3)):
        task = folder / name.replace(" ", "-")
        task.mkdir()
        (task / "app.py").write_text(code)
        found.append(Case(name, replace(rooms["ingest"], task=task, handler="app.handler"), {}))
    found += [Case(app, rooms[app], EVENTS.get(app, {})) for app in apps]
    if "ingest" in apps:
        found.append(Case(READY, rooms["ingest"], EVENTS[READY]))
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cold_start")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--python", default=DEPLOYED)
    parser.add_argument("--apps", default=",".join(Recipe.read(ROOT / "layers").functions))
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cold-start-") as scratch:
        folder = Path(scratch)
        target = Target(chosen.python, machine_arch())
        them = cases(target, folder, chosen.apps.split(","))
        environ = {"ENVIRONMENT": "local", "LANDING_URL": (folder / "landing").as_uri()}
        for turn in range(chosen.rounds + 1):  # the first one warms the disk's cache
            for case in them:
                case.start(environ)
                if turn == 0:
                    case.clock.clear()
                    case.processor.clear()
    print(table(them, title=f"{target.name}, {chosen.rounds} starts each"))
    return 0


def table(them: Sequence[Case], *, title: str) -> str:
    """In ms: a start as it is, then without what a function that does nothing takes, and as a multiple of boto3's."""
    nothing, boto3 = them[0], them[1]

    def own(case: Case) -> float:
        return (min(case.processor) - min(nothing.processor)) * 1000

    lines = [
        f"{title}\n",
        "| function | clock, least | median | processor, least | median | own processor | by boto3's |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in them:
        times = [
            pick(some) * 1000 for some in (case.clock, case.processor) for pick in (min, statistics.median)
        ]
        figures = " | ".join(f"{one:.0f}" for one in [*times, own(case)])
        lines.append(f"| {case.name} | {figures} | {own(case) / own(boto3):.2f} |")
    return "\n".join(lines)
