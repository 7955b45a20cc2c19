"""What a run of a source consists of, for whoever calls the ingest app piece by piece: the state machine.

The answer to `{"action": "plan", "order": {…}}` is a list of tasks, each of which is an event for this app, and how
many of them may be under way at once. Every task gets its share of the source's rate limit, so that together they keep
to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.common.errors import unknown
from shared.common.instants import format_instant
from src.ingest.event import Order

if TYPE_CHECKING:
    from shared.ingestion.source import Source

MOST_AT_ONCE = 40
"""Iterations of a Map state that Step Functions runs at once."""

HISTORY = 20_000
"""Events of an execution that are planned with; Step Functions ends one at 25,000."""

PER_SLICE = 20
"""Events that one invocation adds to the history, with a wait and two retries."""


def is_plan(event: Any) -> bool:
    return isinstance(event, Mapping) and event.get("action") == "plan"


def order_in(event: Mapping[str, Any], environ: Mapping[str, str]) -> Order:
    """The order that a plan is asked for. Raises `Misconfigured` as `Order.of` does."""
    for name in event:
        if name not in ("action", "order"):
            raise unknown("field in the event", str(name), ("action", "order"))
    return Order.of(event.get("order") or {}, environ)


def plan(order: Order, source: Source) -> dict[str, Any]:
    """Tasks, how many at once, and after how many calls of one task a new execution has to go on.

    Tables of a database are one task: they are read at one moment. Everything else is a task of its own.
    """
    known = [*source.spec.streams, *source.spec.reports]
    for name in order.streams or ():
        if name not in known:
            raise unknown("stream", name, known, source=order.source, field="streams")
    names = list(order.streams or known)
    groups = [names] if source.sql is not None else [[name] for name in names]
    at_once = _at_once(source, len(groups))
    asked = {
        "since": order.since and format_instant(order.since),
        "until": order.until and format_instant(order.until),
        "time": order.time and format_instant(order.time),
        "full_refresh": order.full_refresh,
        "share": at_once if at_once > 1 else None,
    }
    said = {name: value for name, value in asked.items() if value}
    return {
        "source": order.source,
        "concurrency": at_once,
        "slices": max(1, HISTORY // PER_SLICE // len(groups)),
        "tasks": [{"source": order.source, "streams": group, **said} for group in groups],
    }


def _at_once(source: Source, tasks: int) -> int:
    spec = source.spec
    limit = spec.rate_limit
    bounds = (
        MOST_AT_ONCE,
        tasks,
        spec.parallel_streams,
        limit.concurrency,
        limit.requests,
        spec.reserved_concurrency,
    )
    return min(bound for bound in bounds if bound is not None)
