"""Definitions with the files beside them, for the engines that an entry names."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.documents import read_yaml
from shared.common.errors import SluiceError
from shared.gitops.configuration import Weaving
from src.weave.compiling import PipelineCompiler

PLAIN = b"pipeline: {name: a, steps: [{name: b, type: wait, duration: 5s}]}"
SQL = """
pipeline:
  name: daily
  steps:
    - {name: sum, type: transformation, transformation_file: FILE, outputs: [{type: duckdb, name: totals}]}
"""


def compiler(more: str = "") -> PipelineCompiler:
    entry = f"{{host: github, repository: acme/flows, credential: TOKEN, webhook_secrets: [HOOK]{more}}}"
    (woven,) = read_yaml(f"repositories: [{entry}]", file="weave.yml").parse(Weaving).repositories
    return PipelineCompiler(woven)


def reader(files: dict[str, bytes]) -> Any:
    return files.__getitem__


def test_several_targets_have_a_folder_each_and_one_has_none() -> None:
    one = compiler(", targets: [stepfunctions]").compile("p/a.yml", PLAIN, reader({}))
    two = compiler(", targets: [stepfunctions, airflow]").compile("p/a.yml", PLAIN, reader({}))

    assert "a.asl.json" in one.artifacts
    assert one.artifacts["a.asl.json"] == two.artifacts["stepfunctions/a.asl.json"]
    assert all(path.startswith(("stepfunctions/", "airflow/")) for path in two.artifacts)
    assert ("a", one.digest) == (two.name, two.digest)
    more = ["targets: [stepfunctions]", "definitions: ['*.yml']", "parameters: p.json", "engine_version: '2'"]
    assert 5 == len({compiler().version, *(compiler(f", {one}").version for one in more)})


def test_shared_defaults_are_those_of_the_folders_above_in_the_repository() -> None:
    read = {
        "p/_defaults.yml": b"pipeline: {domain: near}",
        "_defaults.yml": b"pipeline: {domain: far, max_runs: 3}",
        "q/_defaults.yml": b"pipeline: {max_runs: 9}",
    }

    plan = compiler().inspect("p/x/a.yml", PLAIN, reader(read)).plan

    assert plan
    assert ("near", 3) == (plan.domain, plan.max_runs)
    read["_defaults.yml"] = b"pipeline: {max_runs: 0}"
    with pytest.raises(SluiceError, match=r"^_defaults.yml:1:22 pipeline.max_runs"):
        compiler().inspect("p/x/a.yml", PLAIN, reader(read))


def test_of_pipelines_that_wait_for_each_other_the_last_fails() -> None:
    text = "pipeline: {name: %s, steps: [{name: b, type: pipeline, pipeline: %s}]}"
    woven = compiler()
    woven.compile("p/a.yml", (text % ("a", "b")).encode(), reader({}))

    with pytest.raises(SluiceError, match=r"^p/b.yml:1:55 .* in a circle: b -> a -> b"):
        woven.compile("p/b.yml", (text % ("b", "a")).encode(), reader({}))
    woven.compile("p/a.yml", (text % ("a", "c")).encode(), reader({}))
    woven.compile("p/b.yml", (text % ("b", "a")).encode(), reader({}))


def test_a_file_of_parameters_that_is_missing_is_told() -> None:
    with pytest.raises(SluiceError, match="no file of parameters"):
        compiler(", targets: [stepfunctions], parameters: platform.json").compile(
            "p/a.yml", PLAIN, reader({})
        )


def test_parameters_are_read_beside_the_definition() -> None:
    read = reader({"platform.json": b'[{"ParameterKey": "nobody", "ParameterValue": "x"}]'})

    with pytest.raises(SluiceError, match=r"platform\.json:1:"):
        compiler(", targets: [stepfunctions], parameters: platform.json").compile("p/a.yml", PLAIN, read)


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("sql/sum.sql", {"p/sql/sum.sql": b"SELECT 42"}, ""),
        ("sql/sum.sql", {}, "sql/sum.sql"),
        ("../sum.sql", {"sum.sql": b"SELECT 42"}, "sum.sql"),
        ("/etc/passwd", {"/etc/passwd": b"SELECT 42"}, "passwd"),
        ("sum.sql", {"p/sum.sql": "SELECT 'ä'".encode("latin-1")}, "UTF-8"),
    ],
)
def test_a_file_beside_a_definition_is_read_and_no_other(
    name: str, files: dict[str, bytes], told: str
) -> None:
    body = SQL.replace("FILE", name).encode()

    if told:
        with pytest.raises(SluiceError, match=told):
            compiler(", targets: [stepfunctions]").compile("p/a.yml", body, reader(files))
        return
    made = compiler(", targets: [stepfunctions]").compile("p/a.yml", body, reader(files))

    assert any(b"SELECT 42" in content for content in made.artifacts.values())
