"""Workplaces: parts of dead loaders go, those of living ones stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shared.warehouse.fetch import workplace


def test_a_workplace_is_gone_at_the_end_and_so_are_those_of_dead_loaders(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"load-{dead.pid}-x"
    living, foreign = tmp_path / f"load-{os.getpid()}-x", tmp_path / "load-of-mine"
    for folder in (left, living, foreign):
        folder.mkdir()
        (folder / "part").touch()

    with workplace(tmp_path) as folder:
        assert folder.is_dir()
        assert not left.exists()

    assert {living, foreign} == set(tmp_path.iterdir())
