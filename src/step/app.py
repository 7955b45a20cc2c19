"""The step app: an engine (Step Functions, Airflow) invokes it with one step, and gets the step's output.

The event is the document of `sluice pipeline step`: `{"pipeline", "run", "step", "params", "outputs", "item"}`. Order,
conditions, retries and timeouts are the engine's; a step that fails raises, so that the engine sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.common.errors import Misconfigured
from shared.telemetry.handler import Context, ContextDeadline, Handler, Telemetry, handled
from src.workplace import Workplace

MARGIN = 5.0
"""Seconds before Lambda's end at which a step that can be stopped is."""


def handler_of(open_place: Callable[[], Workplace]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace of theirs."""
    opened: list[Workplace] = []

    def place() -> Workplace:
        if not opened:
            opened.append(open_place())
        return opened[0]

    @handled("step", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        from src.pipeline.one import run_one

        if not isinstance(event, Mapping):
            raise Misconfigured("the event is no object", hint="send the document of `sluice pipeline step`")
        step = event.get("step")
        name = step.get("name") if isinstance(step, Mapping) else None
        telemetry.log.append_keys(pipeline=event.get("pipeline"), step=name)
        deadline = ContextDeadline(context, margin=MARGIN)
        output = run_one(place(), event, stop=lambda: deadline.remaining() <= 0)
        telemetry.log.info("step done")
        return {"output": output}

    return handler


handler = handler_of(Workplace.open)
