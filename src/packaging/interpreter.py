"""The Python of a version on this machine: what compiles for it and what runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from src.packaging.target import running_python


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An executable and its full version, such as 3.13.0."""

    path: str
    version: str


def find_interpreter(python: str, *, asked: str | None = None) -> Interpreter | None:
    """A Python of the version `3.13`, or None: the one asked for, the one that runs this, one on the path, pyenv's."""
    candidates = [asked] if asked else _candidates(python)
    for path in candidates:
        version = _version(path)
        if version is not None and version.rpartition(".")[0] == python:
            return Interpreter(path, version)
    return None


def _candidates(python: str) -> list[str]:
    found = []
    if python == running_python():
        found.append(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    if on_path := shutil.which(f"python{python}"):
        found.append(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found += [str(path) for path in sorted(pyenv.glob(f"{python}.*/bin/python{python}"), reverse=True)]
    return found


@cache
def _version(path: str) -> str | None:
    code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run(  # noqa: S603  # an interpreter of this machine
            [path, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
