"""The template for `sam local invoke`: folders for zips, this machine's processor, and nothing else changed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from shared.common.errors import Misconfigured
from src.cli.app import sluice
from src.delivery.local import for_processor, write_local
from src.delivery.template import read_template
from src.deploying.template import TEMPLATE

SMALL = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.13, Architectures: [arm64], Environment: {Variables: {APP: x}}}}
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: ../build/shared-arm64.zip, CompatibleArchitectures: [arm64]}
  One:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: ../build/one.zip, Handler: one.handler, Layers: [!Ref Layer]}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: run.asl.yml}
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "deploy" / "run.asl.yml").write_text("States: {}")
    for name in ("shared-arm64", "shared-x86_64", "one"):
        with zipfile.ZipFile(tmp_path / "build" / f"{name}.zip", "w") as packed:
            packed.writestr("python/name.txt", name)
    path = tmp_path / "deploy" / "template.yml"
    path.write_text(SMALL)
    return path


def test_zips_become_folders_beside_the_template(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sam"
    path = write_local(template, folder, arch="x86_64", variables={"AWS_ENDPOINT_URL": "http://here"})
    found = json.loads(path.read_text())
    said = {name: one["Properties"] for name, one in found["Resources"].items()}

    assert "shared-x86_64" == (folder / said["Layer"]["ContentUri"] / "python/name.txt").read_text()
    assert ["x86_64"] == said["Layer"]["CompatibleArchitectures"]
    assert "one" == (folder / said["One"]["CodeUri"] / "python/name.txt").read_text()
    assert [{"Ref": "Layer"}] == said["One"]["Layers"]
    assert (folder / said["Machine"]["DefinitionUri"]).samefile(template.with_name("run.asl.yml"))
    assert {"APP": "x", "AWS_ENDPOINT_URL": "http://here"} == found["Globals"]["Function"]["Environment"][
        "Variables"
    ]


def test_a_second_time_replaces_the_first(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sam"
    write_local(template, folder, arch="x86_64", variables={})
    write_local(template, folder, arch="arm64", variables={})

    assert ["shared-arm64"] == [path.name for path in (folder / "layers").iterdir()]


def test_a_folder_with_something_else_is_left_alone(template: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear")
    with pytest.raises(Misconfigured, match="something else in this folder"):
        write_local(template, tmp_path / "mine", arch="x86_64", variables={})

    assert "dear" == (tmp_path / "mine" / "notes.txt").read_text()


def test_what_is_not_built_is_named_before_anything_is_replaced(template: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sam"
    write_local(template, folder, arch="x86_64", variables={})
    (tmp_path / "build" / "one.zip").unlink()
    with pytest.raises(Misconfigured, match=r"not built: One \(one.zip\)"):
        write_local(template, folder, arch="x86_64", variables={})

    assert (folder / "template.json").is_file()


def test_for_the_deployed_processor_the_template_is_the_deployed_one() -> None:
    deployed = read_template(TEMPLATE)

    assert deployed == for_processor(deployed, "arm64")


def test_a_variable_without_a_value_is_refused() -> None:
    done = CliRunner().invoke(sluice, ["deploy", "local", "--variable", "nothing"])

    assert 0 != done.exit_code
    assert "NAME=VALUE" in done.output + done.stderr
