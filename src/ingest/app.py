"""The Lambda handler that runs a source: parse the event, run until the deadline, answer where it stands.

Not done in time: it has committed what is whole and answers `{"done": false, …}`; call it again with that answer. A
stream that fails does not stop the others; when they are committed the handler raises, so that Lambda sees it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.share import share_of
from shared.telemetry.handler import Context, ContextDeadline, Handler, Telemetry, handled
from shared.telemetry.metrics import Figures
from src.ingest.event import Order
from src.ingest.plan import is_plan, order_in, plan
from src.preflight import preflight
from src.workplace import Workplace

MARGIN = 0.05
"""Share of the time left at the beginning that is kept for logs, metrics and the answer."""


GRAVEST = (Violation, Refused, Misconfigured, Transient, SluiceError)


def handler_of(open_place: Callable[[], Workplace], environ: Mapping[str, str]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace of theirs."""
    place = cache(open_place)

    @handled("ingest", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        if is_plan(event):
            order = order_in(event, environ)
            return plan(order, place().source(order.source))
        order = Order.of(event, environ)
        telemetry.log.append_keys(source=order.source)
        return _run(place(), order, context, telemetry)

    return handler


def _run(place: Workplace, order: Order, context: Context, telemetry: Telemetry) -> dict[str, Any]:
    source = share_of(place.source(order.source), order.share)
    whole = context.get_remaining_time_in_millis() / 1000
    deadline = ContextDeadline(context, margin=MARGIN * whole)
    tools = place.tools(deadline=deadline)
    # Without credentials no stream can run, which is one error and not one a stream. What only some streams lack (the
    # key of their hashes) stops those and no others; the warehouse is the load app's, and whether contracts may follow
    # one another was decided when this was deployed.
    preflight(place, source, (), secrets=tools.secrets, warehouse=False)
    reports, left = list[RunReport](), list[str]()
    for names, ask in order.groups(source.spec):
        if reports and deadline.remaining() < whole / 4:
            left.extend(names)
        else:
            reports.append(ingest(source, tools, streams=names, ask=ask))
    answer = order.answer(reports, left)
    _tell(reports, answer, telemetry)
    _raise_failures(order.source, reports)
    return answer


def _tell(reports: list[RunReport], answer: dict[str, Any], telemetry: Telemetry) -> None:
    """One line in the log and the figures of every stream."""
    for report in reports:
        for name, one in report.streams.items():
            figures = {n: getattr(one, n) for n in Figures.__dataclass_fields__}
            telemetry.metrics.add(report.source, name, Figures(**figures))
    warnings = {n: one.warnings for report in reports for n, one in report.streams.items() if one.warnings}
    write = telemetry.log.warning if warnings else telemetry.log.info
    failed = any(report.failed for report in reports)
    what = "failed" if failed else "done" if answer["done"] else "stopped before its end"
    write(f"run {what}", extra={**answer, "warnings": warnings or None})


def _raise_failures(source: str, reports: list[RunReport]) -> None:
    """Raise what went wrong as one error, of the kind of the gravest: the streams that are well are committed."""
    failed = {name: error for report in reports for name, error in report.failed.items()}
    if not failed:
        return
    run = reports[0].run
    if len(failed) == 1:
        ((name, only),) = failed.items()
        raise only.at(source=source, stream=name, run=run)
    many = next(kind for kind in GRAVEST if any(isinstance(error, kind) for error in failed.values()))
    lines = "\n".join(f"{name}: {error.message}" for name, error in failed.items())
    total = sum(len(report.streams) for report in reports)
    well = "; the others are committed" if len(failed) < total else ""
    raise many(f"{len(failed)} of {total} streams failed{well}\n{lines}", source=source, run=run)


handler = handler_of(Workplace.open, os.environ)
