"""The tree of commands: help everywhere, a manual that is up to date, and a quick start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from src.cli.app import COMMANDS, sluice
from src.cli.manual import commands, manual, top

ROOT = Path(__file__).parents[3]
PATHS = [context.command_path.split()[1:] for _, context in commands(sluice, top())]
HEAVY = {"boto3", "botocore", "duckdb", "requests", "rich", "pydantic", "shared.ingestion.run"}


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_has_help_with_examples(path: list[str]) -> None:
    """Examples are what people copy."""
    done = CliRunner().invoke(sluice, [*path, "--help"], prog_name="sluice")

    assert 0 == done.exit_code
    assert "Examples:\n  " in done.output
    assert all(len(line) <= 100 for line in done.output.splitlines())


def test_help_explains_every_exit_code() -> None:
    """A script needs them."""
    shown = CliRunner().invoke(sluice, ["--help"], prog_name="sluice").output

    assert all(f"\n    {code}  " in shown for code in range(5))
    assert "SIGTERM" in shown


def test_the_manual_is_up_to_date() -> None:
    """`python -m src.cli.manual > docs/cli.md` writes it."""
    assert manual() == (ROOT / "docs/cli.md").read_text(encoding="utf-8")


def test_help_imports_nothing_heavy() -> None:
    """A command pays only for what it uses."""
    script = (
        "import sys\nfrom click.testing import CliRunner\nfrom src.cli.app import sluice\n"
        "assert CliRunner().invoke(sluice, ['--help']).exit_code == 0\nprint(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, text=True
    )

    assert set() == HEAVY & set(done.stdout.split())


def test_nobody_has_to_read_to_the_end() -> None:
    """As behind `| head -1`: no word of a fault."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "src.cli", "lint", "--help"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False, text=True)
    listing = [
        sys.executable,
        "-m",
        "src.cli",
        "graph",
        "tests/shared/pipelines/every_key.yaml",
        "--format",
        "text",
    ]
    shown = subprocess.run(listing, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False, text=True)
    os.close(writer)

    assert ("", "") == (done.stderr, shown.stderr)
    assert 1 == shown.returncode


def test_the_module_runs_as_a_program() -> None:
    """`python -m src.cli` is what `pipenv run sluice` calls."""
    done = subprocess.run(
        [sys.executable, "-m", "src.cli", "--help"], cwd=ROOT, capture_output=True, check=True, text=True
    )

    assert done.stdout.startswith("Usage: sluice ")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
