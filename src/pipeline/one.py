"""One step of a pipeline, for an engine that does the rest: order, conditions, retries, timeouts.

The document is what an engine can put together: `{"pipeline", "run": {"id", "date", "time"}, "step", "params",
"outputs", "item"}`, where `step` is what `step_document` made of it and `outputs` holds those of earlier steps that
it reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, unknown
from shared.common.types import JSON
from shared.pipelines.runner.executor import Executors, Task
from shared.pipelines.runner.orders import Ticket
from shared.pipelines.runner.scope import RunFacts, Scope, looker
from shared.pipelines.runner.states import Result, State
from shared.pipelines.write import read_step
from src.pipeline.http import Functions
from src.pipeline.local import Order, executors_of

if TYPE_CHECKING:
    from src.workplace import Workplace

KNOWN = ("pipeline", "run", "step", "params", "outputs", "item")


def run_one(
    place: Workplace,
    document: Mapping[str, Any],
    *,
    functions: Functions | None = None,
    executors: Executors | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> JSON:
    """Do a step once; its output. Raises `SluiceError` when it fails, `Misconfigured` for a wrong document."""
    for name in document:
        if name not in KNOWN:
            raise unknown("field in the document of a step", str(name), KNOWN)
    run, step = _object(document, "run"), read_step(_object(document, "step"))
    facts = RunFacts(
        str(run.get("id", "")), str(document.get("pipeline", "")), str(run.get("date", "")), str(run.get("time", ""))
    )  # fmt: skip
    parameters = _object(document, "params")
    scope = Scope("", (), document.get("item"))
    scope.results.update(
        {name: Result(State.SUCCEEDED, output) for name, output in _object(document, "outputs").items()}
    )
    task = Task(
        step,
        Ticket(step.name, 1),
        facts,
        parameters,
        looker(scope, facts, parameters),
        place.configuration.secrets,
        _Asked(stop),
    )
    known = executors or executors_of(place, Order(Path("pipeline")), functions or Functions(), stop)
    return known[step.kind](task)


class _Asked(threading.Event):
    """An event that is also set when somebody says so."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        super().__init__()
        self._stop = stop

    def is_set(self) -> bool:
        return super().is_set() or self._stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Looks a few times a second, because `stop` cannot wake it."""
        left = timeout
        while not self.is_set() and (left is None or left > 0):
            piece = 0.2 if left is None else min(0.2, left)
            super().wait(piece)
            left = None if left is None else left - piece
        return self.is_set()


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name) or {}
    if not isinstance(found, Mapping):
        raise Misconfigured(f"{name} in the document of a step is no object")
    return found
