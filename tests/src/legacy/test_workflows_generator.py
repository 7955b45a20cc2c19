"""The four-argument command line, as pipelines of CI call it: by its path, from another folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from src.legacy import workflows_generator
from src.legacy.workflows_generator import main
from tests.shared.pipelines.conftest import job, levels

PARAMETERS = [
    {"ParameterKey": "pProjectID", "ParameterValue": "p"},
    {"ParameterKey": "pRegion", "ParameterValue": "r"},
    {"ParameterKey": "pFunctionIntermediateName", "ParameterValue": "inter"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text(levels([[job("J1", "load_error_log")]]))
    (tmp_path / "parameters.json").write_text(json.dumps(PARAMETERS))
    return tmp_path


def test_it_is_called_by_its_path_and_false_means_the_working_directory(folder: Path) -> None:
    command = [
        sys.executable,
        str(workflows_generator.__file__),
        "demo.json",
        "parameters.json",
        "out.json",
        "False",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert "https://r-p.cloudfunctions.net/inter" in (folder / "out.json").read_text()


def test_true_means_beside_the_program(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["demo.json", "parameters.json", "out.json", "True"])
    assert str(Path(workflows_generator.__file__).parent / "parameters.json") in capsys.readouterr().err
    assert not (folder / "out.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [[], ["a", "b", "c"], ["a", "b", "c", "d", "e"], ["demo.json", "parameters.json", "out.json", "maybe"]],
)
def test_a_wrong_command_line_is_told_how_it_goes(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(arguments)
    assert capsys.readouterr().err.startswith("usage: ")


def test_a_wrong_definition_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "demo.json").write_text(levels([[job("J1", "a"), job("J2", "a")]]))

    assert 1 == main(["demo.json", "parameters.json", "out.json", "False"])
    assert "demo.json:" in capsys.readouterr().err
    assert not (folder / "out.json").exists()


def test_a_definition_of_composer_becomes_a_dag(folder: Path) -> None:
    step = {"JOB_ID": "J1", "JOB_NAME": "a-b", "TYPE": "async", "COMPOSER_STEP": "dataform-tag-executor"}
    (folder / "demo.json").write_text(levels([[step]], engine="composer"))

    assert 0 == main(["demo.json", "parameters.json", "out.py", "False"])
    compile((folder / "out.py").read_text(), "out.py", "exec")
