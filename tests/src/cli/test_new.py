"""`sluice new source` writes a source that is whole: its own test passes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

ROOT = Path(__file__).parents[3]


def test_a_new_source_is_valid_and_its_test_passes(call: Callable[..., Result], place: Path) -> None:
    """The first thing that a newcomer runs is green."""
    done = call("new", "source", "acme_crm", "--url", "https://api.acme.test/v2")
    test = place / "tests/src/acme_crm/test_acme_crm.py"
    text = test.read_text()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        cwd=place,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        check=False,
        text=True,
    )

    assert 0 == done.exit_code, done.output
    assert "sluice check acme_crm" in done.stdout
    assert "class TestAcmeCrm(SourceSuite)" in text
    assert 0 == run.returncode, run.stdout + run.stderr


def test_nothing_is_overwritten(call: Callable[..., Result], place: Path) -> None:
    """Somebody's work lies there."""
    before = (place / "src/shop/source.yml").read_text()
    done = call("new", "source", "shop")

    assert 2 == done.exit_code
    assert "src/shop is already there" in done.stderr
    assert before == (place / "src/shop/source.yml").read_text()
    assert not (place / "tests").exists()


@pytest.mark.parametrize("name", ["Acme", "9lives", "a-b", "../x", "class", "", "pg_catalog", "main"])
def test_a_name_that_cannot_be_one_is_refused(call: Callable[..., Result], name: str) -> None:
    """It becomes a folder and a schema."""
    done = call("new", "source", name)

    assert 2 == done.exit_code
    assert "cannot be the name of a source" in done.stderr


def test_it_is_run_in_the_root_of_a_repository(
    call: Callable[..., Result], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the files would be lost."""
    monkeypatch.chdir(place / "src" / "shop")
    done = call("new", "source", "acme")

    assert 2 == done.exit_code
    assert "root of the repository" in done.stderr
