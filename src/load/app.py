"""The load app: when a commit has landed, its stream is loaded. Once per stream, whatever the number of events.

An event only says *that* there is something; what there is stands in the log. So events may come twice, late, in any
order or not at all (the next one makes up for it), and two invocations may load at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.common.errors import SluiceError
from shared.telemetry.alerting import Alert, is_due
from shared.telemetry.handler import Context, ContextDeadline, Handler, Telemetry, handled
from src.load.event import Asked, Stream, Zone
from src.workplace import Workplace

if TYPE_CHECKING:
    from shared.warehouse.checks.verdict import Verdict

RESERVED = 0.2
"""Share of the time left at the beginning within which no further load begins: one takes minutes at most."""


def handler_of(open_place: Callable[[], Workplace], environ: Mapping[str, str]) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a workplace of theirs."""
    place = cache(open_place)

    @handled("load", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        asked = Asked.of(event, Zone.of(place().settings.landing_url))
        if asked.sources:
            from shared.landing.streams import landed_streams

            for source in asked.sources:
                place().written(source)  # one that nobody knows is told, and is not a source without commits
            asked.spell_out(lambda source: landed_streams(place().store, source))
        for what in asked.ignored:
            telemetry.log.info(f"ignored {what}")
        return _loaded(place(), asked, context, telemetry)

    return handler


def _loaded(place: Workplace, asked: Asked, context: Context, telemetry: Telemetry) -> dict[str, Any]:
    margin = RESERVED * context.get_remaining_time_in_millis() / 1000
    deadline = ContextDeadline(context, margin=margin)
    done, failed, left = dict[Stream, dict[str, Any]](), dict[Stream, SluiceError](), list[Stream]()
    for stream in asked.streams:
        if deadline.remaining() <= 0:
            left.append(stream)
            continue
        try:
            done[stream] = _load(place, stream, telemetry, stop=lambda: deadline.remaining() <= 0)
            if done[stream]["waiting"] and deadline.remaining() <= 0:
                left.append(stream)
        except SluiceError as error:
            failed[stream] = error.at(source=stream[0], stream=stream[1])
    if not asked.queued:
        for first in failed.values():
            raise first
        return {"done": not left, "loads": {".".join(stream): report for stream, report in done.items()}}
    _tell(asked, failed, telemetry, request=context.aws_request_id)
    again = [message for stream in (*failed, *left) for message in asked.streams[stream]]
    items = [{"itemIdentifier": message} for message in dict.fromkeys([*asked.broken, *again])]
    return {"batchItemFailures": items}


def _load(
    place: Workplace, stream: Stream, telemetry: Telemetry, *, stop: Callable[[], bool]
) -> dict[str, Any]:
    from shared.ingestion.stream_report import last_words
    from src.loading import landed_streams, listed, load_stream

    name, one = stream

    def tell(verdict: Verdict) -> None:
        """A check that only warns is told from here; one that fails is told with the error that it ends in."""
        from shared.warehouse.checks.tell import alert

        said = alert(verdict) if verdict.passed else None
        if said is not None:
            telemetry.alerts.send(said)

    try:
        source = place.source(name)
        if one not in source.spec.streams:
            listed(one, [*source.spec.streams, *landed_streams(place.store, name)], name)
        report = load_stream(place, source, one, stop=stop, tell=tell).to_json()
    except Exception as error:  # one stream's load must not take the others with it
        raise last_words(error) from error
    telemetry.log.info("loaded", extra=report)
    return report


def _tell(asked: Asked, failed: Mapping[Stream, SluiceError], telemetry: Telemetry, *, request: str) -> None:
    """SQS repeats what failed, so the handler raises nothing; people hear of each failure once."""
    told = [(error, asked.attempts.get(message, 1), message) for message, error in asked.broken.items()]
    told += [(error, asked.attempt(stream), ".".join(stream)) for stream, error in failed.items()]
    for error, attempt, name in told:
        telemetry.log.error(f"load failed: {error}", exc_info=error, extra={"where": error.where})
        if is_due(error, attempt):
            telemetry.alerts.send(Alert.of(error, key=f"load {name} {request}", app="load", request=request))


handler = handler_of(Workplace.open, os.environ)
