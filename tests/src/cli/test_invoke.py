"""`sluice invoke`: which handler runs, here or out of its zips, and what is said when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from src.packaging.target import machine_arch


def invoke(*arguments: str, given: str = "{}") -> Result:
    return CliRunner().invoke(sluice, ["invoke", *arguments], input=given, prog_name="sluice")


def test_the_answer_is_the_last_line_and_an_error_has_its_exit_code() -> None:
    done = invoke("ingest", "-")

    assert 2 == done.exit_code
    assert "the event names no source" in json.loads(done.stdout.splitlines()[-1])["errorMessage"]


def test_an_event_that_is_no_object_is_refused() -> None:
    done = invoke("ingest", "-", given="[1]")

    assert 2 == done.exit_code
    assert "the event is no object" in done.stderr


@pytest.mark.parametrize("option", [("--arch", "arm64"), ("--python", "3.13")])
def test_options_of_built_zips_need_them(option: tuple[str, str]) -> None:
    done = invoke("ingest", "-", *option)

    assert 2 == done.exit_code
    assert "say --artifact, too" in done.stderr


def test_zips_of_another_processor_are_refused_with_the_way_out() -> None:
    other = "x86_64" if machine_arch() == "arm64" else "arm64"
    done = invoke("ingest", "-", "--artifact", "--arch", other)

    assert 2 == done.exit_code
    assert f"zips for {other} cannot run on this machine" in done.stderr
    assert f"--arch {machine_arch()}" in done.stderr


def test_a_missing_event_file_is_told(tmp_path: Path) -> None:
    done = invoke("ingest", str(tmp_path / "none.json"))

    assert 2 == done.exit_code
    assert "cannot be read" in done.stderr
