"""The step app: an engine (Step Functions, Airflow) invokes it with one step, and gets the step's output.

The event is the document of `sluice pipeline step`: `{"pipeline", "run", "step", "params", "outputs", "item"}`, and the
answer is the step's output. Order, conditions, retries and timeouts are the engine's; a step that fails raises, so that
the engine sees it. A few seconds before Lambda would end the function a query is cancelled and an ingestion stops
behind its last commit, so that the error says what was wrong; a retry of an ingestion goes on there.

Two more events are for engines that cannot do it themselves:

* `{"day": {"time", "timezone"}}`: the day that it is there at that time, as text;
* `{"tell": {"method", "recipients", "channel"}, "text", "execution"}`: tell people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from shared.common.errors import Misconfigured, Transient, unknown
from shared.common.instants import parse_instant
from shared.pipelines.schedule import parse_timezone
from shared.telemetry.handler import Context, ContextDeadline, Handler, Telemetry, handled
from src.workplace import Workplace

MARGIN = 5.0
"""Seconds before Lambda's end at which a step that can be stopped is."""


def handler_of(open_place: Callable[[], Workplace]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace of theirs."""
    place = cache(open_place)

    @handled("step", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> Any:
        match event:
            case {"day": {"time": str(time), "timezone": str(zone)}}:
                return _day(time, zone)
            case {"tell": Mapping() as target, "text": str(text)}:
                return _tell(place(), target, f"{text}\n{event.get('execution', '')}".strip())
            case Mapping():
                return _step(place(), event, context, telemetry)
        raise Misconfigured("the event is no object", hint="send the document of `sluice pipeline step`")

    return handler


def _step(place: Workplace, event: Mapping[str, Any], context: Context, telemetry: Telemetry) -> Any:
    from src.pipeline.one import run_one

    step = event.get("step")
    name = step.get("name") if isinstance(step, Mapping) else None
    telemetry.log.append_keys(pipeline=event.get("pipeline"), step=name)
    deadline = ContextDeadline(context, margin=MARGIN)
    try:
        output = run_one(place, event, stop=lambda: deadline.remaining() <= 0)
    except Transient as error:
        if deadline.remaining() > 0:
            raise
        raise Transient(
            f"the step takes longer than this function may: {error.message}",
            hint="do less at once, or run the pipeline where steps may take longer: sluice generate airflow --local",
            step=name or "",
        ) from error
    telemetry.log.info("step done")
    return output


def _day(time: str, zone: str) -> str:
    """The local day.

    >>> _day("2026-11-20T23:30:00Z", "Europe/Berlin")
    '2026-11-21'
    """
    return parse_instant(time).astimezone(ZoneInfo(parse_timezone(zone))).date().isoformat()


def _tell(place: Workplace, target: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Raises what kept the message from being delivered: whether that matters is the engine's to say."""
    from shared.pipelines.step import Method, Notifications, Target
    from src.pipeline.notify import tell

    try:
        method = Method(str(target.get("method")))
    except ValueError:
        raise unknown("method of a notification", str(target.get("method")), list(Method)) from None
    told = Target(method, tuple(map(str, target.get("recipients") or ())), str(target.get("channel") or ""))
    for error in tell(place, Notifications(on_failure=(told,)), text, well=False):
        raise error
    return {"told": True}


handler = handler_of(Workplace.open)
