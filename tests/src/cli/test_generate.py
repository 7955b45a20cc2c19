"""`sluice generate`: writes artifacts, says what is not up to date, refuses with the place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from src.cli.targets_table import page

ROOT = Path(__file__).parents[3]
GOOD = """\
pipeline:
  name: good
  schedule: {type: cron, expression: "0 0 13 * 5", timezone: Europe/Berlin}
  steps:
    - {name: a, type: lambda, function: f, payload: {text: "naïve ${run.date}"}}
    - {name: b, type: lambda, function: f, depends_on: [a]}
"""
BAD = "pipeline:\n  name: bad\n  steps:\n    - {name: a, type: container, image: x}\n"


def invoke(*words: str) -> Result:
    return CliRunner().invoke(sluice, ["generate", *words])


@pytest.fixture
def definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def test_artifacts_are_written_once_and_checked(definitions: Path) -> None:
    assert 0 == invoke("stepfunctions", "good.yaml", "-o", "out").exit_code
    written = definitions / "out" / "good.asl.json"
    before = written.stat().st_mtime_ns

    assert 0 == invoke("stepfunctions", "good.yaml", "-o", "out", "--check").exit_code
    assert "unchanged" in invoke("stepfunctions", "good.yaml", "-o", "out").output
    assert before == written.stat().st_mtime_ns


@pytest.mark.parametrize("target", ["airflow", "stepfunctions", "dagfactory"])
def test_files_of_others_are_left_as_they_are(definitions: Path, target: str) -> None:
    (definitions / "own.yaml").write_text(GOOD.replace("name: good", "name: own"))
    invoke(target, "good.yaml", "-o", "out")
    (first, *_) = sorted(
        path for path in (definitions / "out").rglob("good.*") if b"luice" in path.read_bytes()
    )
    theirs = first.with_name(first.name.replace("good", "own"))
    theirs.write_text("written by hand\n")
    refused = invoke(target, "own.yaml", "-o", "out")

    assert 2 == refused.exit_code
    assert f"{theirs.relative_to(definitions)} is there, and Sluice has not made it" in refused.output
    assert "written by hand\n" == theirs.read_text()
    assert 0 == invoke(target, "own.yaml", "-o", "out", "--force").exit_code
    assert b"ade by " in theirs.read_bytes()


def test_a_link_is_replaced_and_not_followed(definitions: Path) -> None:
    elsewhere = definitions / "elsewhere"
    elsewhere.write_text("{}")
    (definitions / "out").mkdir()
    (definitions / "out" / "good.mmd").symlink_to(elsewhere)
    invoke("mermaid", "good.yaml", "-o", "out")

    assert "{}" == elsewhere.read_text()
    assert ["good.mmd"] == os.listdir(definitions / "out")
    assert "flowchart" in (definitions / "out" / "good.mmd").read_text()


def test_a_folder_that_cannot_be_made_is_named(definitions: Path) -> None:
    done = invoke("mermaid", "good.yaml", "-o", "/proc/x")

    assert 1 == done.exit_code
    assert "error: /proc/x: No such file or directory" in done.output


def test_what_is_not_up_to_date_is_shown_and_left_as_it_is(definitions: Path) -> None:
    invoke("stepfunctions", "good.yaml", "-o", "out")
    path = definitions / "out" / "good.asl.json"
    edited = path.read_text().replace("MaxAttempts", "MostAttempts")
    path.write_text(edited)
    found = invoke("stepfunctions", "good.yaml", "-o", "out", "--check")

    assert 1 == found.exit_code
    assert '+     "MaxAttempts": 8,' in found.output
    assert edited == path.read_text()
    assert 1 == invoke("mermaid", "good.yaml", "-o", "out", "--check").exit_code
    assert not (definitions / "out" / "good.mmd").exists()


def test_a_definition_that_cannot_be_expressed_fails_only_itself(definitions: Path) -> None:
    found = invoke("stepfunctions", "bad.yaml", "good.yaml", "-o", "out", "--json")
    answer = json.loads(found.stdout.splitlines()[-1])

    assert 2 == found.exit_code
    assert answer[0]["faults"][0].startswith("bad.yaml:4:")
    assert ["good.asl.json", "good.template.json"] == answer[1]["artifacts"]
    assert ["good.asl.json", "good.template.json"] == sorted(p.name for p in (definitions / "out").iterdir())


def test_two_definitions_cannot_write_the_same_file(definitions: Path) -> None:
    (definitions / "again.yaml").write_text(GOOD)
    found = invoke("mermaid", "good.yaml", "again.yaml", "-o", "out")

    assert 2 == found.exit_code
    assert "which is that of good.yaml" in found.output


def test_wrong_parameters_and_layouts_are_refused(definitions: Path) -> None:
    (definitions / "p.json").write_text('[{"ParameterKey": "pRegoin", "ParameterValue": "x"}]')

    assert "pRegion" in invoke("workflows", "good.yaml", "--parameters", "p.json").output
    assert "layout 99 is not known" in invoke("workflows", "good.yaml", "--layout", "99").output


def test_the_bytes_are_the_same_by_another_path_hash_seed_and_locale(
    definitions: Path, tmp_path: Path
) -> None:
    found = []
    for number, locale in enumerate(("C", "de_DE.UTF-8"), start=1):
        folder = tmp_path / f"run{number}"
        folder.mkdir()
        (folder / "good.yaml").write_text(GOOD)
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "LC_ALL": locale, "PYTHONPATH": str(ROOT)}
        named = "good.yaml" if number == 1 else str(folder / "good.yaml")
        for target in ("airflow", "stepfunctions", "mermaid"):
            command = [sys.executable, "-m", "src.cli", "generate", target, named, "-o", "out"]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        made = sorted(path for path in (folder / "out").rglob("*") if path.is_file())
        found.append({str(path.relative_to(folder)): path.read_bytes() for path in made})

    assert 4 == len(found[0])
    assert found[0] == found[1]


def test_the_page_of_the_targets_is_up_to_date() -> None:
    assert page() == (ROOT / "docs" / "targets.md").read_text()
