"""`sluice pipeline step`: one step for an engine, its output, and an exit code that says whose fault it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Result]:
    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda document: CliRunner().invoke(sluice, ["pipeline", "step", "-"], input=json.dumps(document))


def query(sql: str, **keys: Any) -> dict[str, Any]:
    step = {"name": "a", "type": "check", "query": sql}
    return {"pipeline": "p", "run": {"id": "r", "date": "2026-11-20"}, "step": step, **keys}


def test_a_step_finds_parameters_outputs_items_and_the_run(call: Callable[[Any], Result]) -> None:
    sql = "select 1 where ${params.n} + ${steps.b.output.rows} <> 5 or ${run.date} <> '2026-11-20' or ${item} <> 'x'"

    done = call(query(sql, params={"n": 2}, outputs={"b": {"rows": 3}}, item="x"))

    assert 0 == done.exit_code, done.output
    assert {"output": {"passed": True, "failed": 0}} == json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("document", "code", "problem"),
    [
        (query("select 1"), 4, "the check found 1 rows: 1"),
        ([], 2, "is no JSON object"),
        ({"stpe": {}}, 2, 'unknown field in the document of a step "stpe"; did you mean "step"?'),
        ({"step": 3}, 2, "step in the document of a step is no object"),
        (
            {"step": {"name": "a", "type": "branch", "condition": "run.id == 'a'", "then": ["b"]}},
            2,
            "does by itself",
        ),
        ({"step": {"name": "a", "type": "load", "source": "nowhere"}}, 2, 'unknown source "nowhere"'),
    ],
)
def test_a_failure_says_whose_it_is(
    call: Callable[[Any], Result], document: Any, code: int, problem: str
) -> None:
    done = call(document)

    assert code == done.exit_code, done.output
    assert problem.replace("; did", "\n  hint:  did") in done.stderr
    assert "error" in json.loads(done.stdout.splitlines()[-1])
