"""The tour of `make demo`, on a small site: it ends well, and reads well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.common.errors import SluiceError
from src.demo.__main__ import proof
from src.demo.sluice import Sluice

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The tour of a site with a twentieth of the records: where it was, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".sluice/demo").mkdir(parents=True)
    (folder / ".sluice/demo/old").write_text("of an earlier tour")
    done = subprocess.run(
        [sys.executable, "-m", "src.demo", "--scale", "0.05"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "API_KEY": "of-the-reader",
            "BUCKET_NAME": "of-the-reader",
        },
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "" == done.stderr
    return folder, done.stdout


def test_it_proves_that_every_record_is_there_once(tour: tuple[Path, str]) -> None:
    """After changes, and after a kill."""
    _, said = tour

    assert "Killed after" in said
    assert "Yes: " in said
    assert "as many different keys, and all that the site gives out" in said


def test_it_answers_two_questions_and_says_how_to_go_on(tour: tuple[Path, str]) -> None:
    """The last lines are about the reader's own site."""
    _, said = tour

    assert "Revenue by month" in said
    assert "Churned subscriptions by plan" in said
    assert "API_KEY=" in said
    assert "sluice run recurly" in said.splitlines()[-4]


def test_it_fits_a_terminal_of_100_columns(tour: tuple[Path, str]) -> None:
    """Nothing wraps."""
    assert [] == [line for line in tour[1].splitlines() if len(line) > 100]


def test_it_leaves_its_folder_and_removes_that_of_the_last_one(tour: tuple[Path, str]) -> None:
    """So that one can look at it; and nothing else is written."""
    folder, _ = tour

    assert not (folder / ".sluice/demo/old").exists()
    assert (folder / ".sluice/demo/steady/warehouse.duckdb").exists()
    assert [".sluice"] == [path.name for path in folder.iterdir()]


def test_a_missing_record_is_found(tour: tuple[Path, str]) -> None:
    """A proof that cannot fail proves nothing."""
    home = tour[0] / ".sluice/demo"
    steady, killed = (Sluice(home / name, "", "") for name in ("steady", "killed"))

    with pytest.raises(SluiceError, match="plans"):
        proof({"totals": {"plans": 1_000_000}, "hidden": {}}, steady, killed)
