"""The benchmark of compiling: definitions that every target takes, files for all of them, DAGs of the same tasks."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.compile import by_hand, compile_all, definition
from shared.pipelines.targets.target import TargetName


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "orders.yaml"
    file.write_text(definition("orders", 6))
    compile_all([file], tmp_path / "made")
    return tmp_path / "made"


def test_every_target_writes_files(made: Path) -> None:
    assert set(TargetName) == {TargetName(path.name) for path in made.iterdir()}
    assert all(any(file.stat().st_size for file in one.rglob("*.*")) for one in made.iterdir())


def test_both_dags_have_the_same_tasks_but_for_the_one_that_ends_the_run(made: Path) -> None:
    generated = (made / "airflow" / "dags" / "orders.py").read_text()

    assert _tasks(by_hand("orders", 6)) == _tasks(generated) - {"run_ended"}


def _tasks(text: str) -> set[str]:
    found = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.With))
    return {node.name for one in found for node in one.body if isinstance(node, ast.FunctionDef)}


def test_seconds_are_told_by_stage(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(definition("orders", 2))
    total, stages = compile_all([file], tmp_path / "made")

    assert {"read", "write", *TargetName} == set(stages)
    assert 0 < sum(stages.values()) <= total
