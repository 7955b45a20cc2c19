"""A program that runs a command and is killed meanwhile: `python -m …forsaken FOLDER NAME`.

The command and a child of it that left its session write their numbers into FOLDER, and go on for a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.processes.command import Command

CODE = """
echo $$ >{folder}/{name}.new; mv {folder}/{name}.new {folder}/{name}
setsid sh -c 'echo $$ >{folder}/{name}-child.new; mv {folder}/{name}-child.new {folder}/{name}-child; sleep 60; :' &
sleep 60; :
"""


def command(folder: Path, name: str) -> Command:
    return Command("p", ("sh", "-c", CODE.format(folder=folder, name=name)), {})


if __name__ == "__main__":
    event = Event("the ether", Operation.CREATE, "1")
    command(Path(sys.argv[1]), sys.argv[2]).execute(event, Run("p", "k"))
