"""Machines that we make are valid by asl-validator, made by others (Node and npm must be there)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured
from shared.pipelines.read import read_definition
from shared.pipelines.targets.stepfunctions import STEPFUNCTIONS
from shared.pipelines.targets.target import Options

FOLDER = Path(__file__).parents[4] / ".cache" / "asl"
PROGRAM = FOLDER / "node_modules" / ".bin" / "asl-validator"
PACKAGE = "asl-validator@4.0.0"


def install() -> str:
    """Install the validator unless it is there; returns why it could not be, or nothing."""
    if PROGRAM.exists():
        return ""
    if shutil.which("npm") is None:
        return "asl-validator needs Node and npm, which are not here"
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER.parent / ".gitignore").write_text("*\n")
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
        str(FOLDER),
        PACKAGE,
    ]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False)
    return "" if PROGRAM.exists() else f"npm could not install {PACKAGE}: {done.stderr.strip()[-300:]}"


def test_every_published_definition_becomes_a_valid_machine(samples: Path, tmp_path: Path) -> None:
    if problem := install():
        pytest.skip(problem)
    written: list[str] = []
    for path in sorted([*samples.glob("aef/definitions-*/*.json"), *samples.glob("definitions/*.yaml")]):
        plan = read_definition(path.read_bytes(), file=path.name, same_names="qualify")
        try:
            made = STEPFUNCTIONS.compile(plan, Options())
        except Misconfigured:  # a service of Google; test_stepfunctions.py says which
            continue
        file = tmp_path / f"{len(written)}.asl.json"
        file.write_bytes(next(content for name, content in made.items() if name.endswith(".asl.json")))
        written.append(str(file))
    assert written
    command = [str(PROGRAM), *(word for file in written for word in ("--json-path", file))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, len(written)) == (done.returncode, done.stdout.count("is valid")), done.stdout + done.stderr
