"""One step, invoked as Lambda would: its output, or an error that the engine sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.documents import read_json_document
from shared.common.errors import Misconfigured, Violation
from src.invoke import LocalContext
from src.step.app import handler_of
from src.workplace import Workplace

SAMPLE = Path(__file__).parents[3] / "events" / "step.json"


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("BUCKET_NAME", "SECRET_ID", "WAREHOUSE_URL", "LANDING_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.chdir(tmp_path)
    handler = handler_of(Workplace.open)
    context: Any = LocalContext("step", "r-1", 512, 60, SystemClock())
    return lambda event: handler(event, context)


def sample(**step: Any) -> dict[str, Any]:
    document = read_json_document(SAMPLE.read_bytes(), file=SAMPLE.name).data
    return {**document, "step": {**document["step"], **step}}


def test_the_sample_step_answers_its_output(invoke: Any) -> None:
    assert {"output": {"passed": True, "failed": 0}} == invoke(sample())


def test_a_transformation_fills_its_table_and_tells_how_many_rows(invoke: Any) -> None:
    step = {
        "name": "sums",
        "type": "transformation",
        "transformation_query": "SELECT ${params.n} AS n UNION ALL SELECT 2",
        "outputs": [{"name": "sums", "type": "duckdb", "table": "marts.sums"}],
    }

    assert {"output": {"rows": 2}} == invoke({**sample(), "step": step, "params": {"n": 1}})


def test_a_step_that_fails_raises_for_the_engine(invoke: Any) -> None:
    with pytest.raises(Violation, match="found 1 rows"):
        invoke(sample(query="SELECT 1"))


@pytest.mark.parametrize("event", [[], None, "x", {"step": {"name": "a", "type": "nothing"}}, {"stpe": {}}])
def test_what_is_no_step_is_refused(invoke: Any, event: Any) -> None:
    with pytest.raises(Misconfigured):
        invoke(event)
