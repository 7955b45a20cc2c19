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


def test_a_name_that_comes_back_in_a_later_level_is_compiled_with_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "demo.json").write_text(levels([[job("J1", "a"), job("J2", "b")]], [[job("J3", "a")]]))

    assert 0 == main(["demo.json", "parameters.json", "out.json", "False"])
    warnings = capsys.readouterr().err.splitlines()
    text = (folder / "out.json").read_text()

    assert [
        'warning: demo.json:10:7 JOB_NAME "a" is that of 2 steps; this one is called "a_J1" [same-name]',
        'warning: demo.json:38:7 JOB_NAME "a" is that of 2 steps; this one is called "a_J3" [same-name]',
    ] == warnings
    assert (2, 0) == (text.count('"job_name": "a"'), text.count('"job_name": "a_'))


def test_every_published_definition_and_parameter_file_is_taken_as_it_is(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    definitions = sorted((samples / "aef").glob("definitions-*/*.json"))
    for parameters in sorted((samples / "aef" / "parameters").glob("*.json")):
        for definition in definitions:
            output = tmp_path / "out"
            arguments = [str(definition), str(parameters.resolve()), str(output), "False"]

            assert 0 == main(arguments), (definition.name, parameters.name, capsys.readouterr().err)
            assert output.read_bytes()
            output.unlink()


def test_a_definition_of_composer_becomes_a_dag(folder: Path) -> None:
    step = {"JOB_ID": "J1", "JOB_NAME": "a-b", "TYPE": "async", "COMPOSER_STEP": "dataform-tag-executor"}
    (folder / "demo.json").write_text(levels([[step]], engine="composer"))

    assert 0 == main(["demo.json", "parameters.json", "out.py", "False"])
    compile((folder / "out.py").read_text(), "out.py", "exec")
