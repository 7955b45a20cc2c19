"""The zips of this working copy, built once per session for this machine and laid out as Lambda does."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.common.errors import Transient
from src.packaging.build import BUILD, Workshop
from src.packaging.interpreter import find_interpreter
from src.packaging.room import Room, lay_out
from src.packaging.target import DEPLOYED, Target, machine_arch, running_python


@dataclass
class Built:
    """The zips for one Python, and rooms made of them when they are asked for."""

    workshop: Workshop
    target: Target
    folder: Path
    rooms: dict[str, Room] = field(default_factory=dict)
    opts: dict[tuple[str, ...], Path] = field(default_factory=dict)

    def room(self, app: str) -> Room:
        """Functions on the same layers share a folder of them: thousands of files are slow to write."""
        if app not in self.rooms:
            layers = self.workshop.recipe.function(app).layers
            room = lay_out(
                app, self.target, self.folder / app, home=self.workshop.home, opt=self.opts.get(layers)
            )
            self.rooms[app], self.opts[layers] = room, room.opt
        return self.rooms[app]


@contextmanager
def one_at_a_time(out: Path) -> Iterator[None]:
    """Tests run in several processes, and all of them build into the same folder."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


PYTHONS = [DEPLOYED, *([] if running_python() == DEPLOYED else [running_python()])]
"""The one that is deployed, where this machine has it, and the one that runs the tests."""


@pytest.fixture(scope="session")
def build() -> Iterator[Callable[[str], Built]]:
    """Builds for a Python. Skips where there is none, or no index to fetch wheels from."""
    made: dict[str, Built] = {}
    with tempfile.TemporaryDirectory(prefix="sluice-rooms-") as folder:

        def of(python: str) -> Built:
            interpreter = find_interpreter(python)
            if interpreter is None:
                pytest.skip(f"this machine has no Python {python} to run artifacts with")
            if python not in made:
                target = Target(python, machine_arch())
                out = BUILD / "cache" / "tests" / target.name
                workshop = Workshop(python, interpreter, lambda line: None, out=out)
                with one_at_a_time(out):
                    try:
                        workshop.layers([target.arch])
                    except Transient as error:
                        pytest.skip(f"the layers cannot be built: {error}")
                    workshop.functions()
                made[python] = Built(workshop, target, Path(folder) / python)
            return made[python]

        yield of


@pytest.fixture(scope="session", params=PYTHONS)
def built(request: pytest.FixtureRequest, build: Callable[[str], Built]) -> Built:
    return build(request.param)


@pytest.fixture(scope="session")
def any_built(build: Callable[[str], Built]) -> Built:
    """For what does not depend on the Python: the deployed one's, else those of this one."""
    return build(next(python for python in PYTHONS if find_interpreter(python) is not None))
