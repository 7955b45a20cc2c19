"""The worker behind the webhook: takes news from the queue, and brings artifacts to the head of their branch.

A message only says where to look. So one that comes twice, late or in the wrong order does no harm, and one that cannot
be worked on comes again; those of the same branch behind it wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from shared.common.errors import Misconfigured, SluiceError, Superseded
from shared.gitops.news import News, news_of
from shared.telemetry.alerting import Alert, is_due
from shared.telemetry.handler import Context, Handler, Telemetry, handled
from src.weave.work import Bench, work
from src.workplace import Workplace


def handler_of(
    open_place: Callable[[], Workplace], open_bench: Callable[[Workplace], Bench] = Bench.of
) -> Handler:
    """A handler of its own: for Lambda the one below, for tests one with a bench of theirs."""
    place = cache(open_place)
    opened = cache(lambda: open_bench(place()))

    @handled("weave", lambda: place().telemetry())
    def handler(event: Any, context: Context, telemetry: Telemetry) -> dict[str, Any]:
        bench = opened()
        records = event.get("Records") if isinstance(event, Mapping) else None
        if not isinstance(records, list):
            _work(bench, news_of(event), telemetry)
            return {"done": True}
        failed, groups = list[str](), set[str]()
        for record in records:
            group = str(record.get("attributes", {}).get("MessageGroupId", ""))
            if group in groups or not _message(bench, record, telemetry, request=context.aws_request_id):
                # A FIFO queue keeps the order of a group only when all behind the failed one fail too.
                groups.add(group)
                failed.append(str(record.get("messageId", "")))
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    return handler


def _message(bench: Bench, record: Mapping[str, Any], telemetry: Telemetry, *, request: str) -> bool:
    """Work on one message; whether it is done with."""
    try:
        _work(bench, _news(record), telemetry)
    except Superseded as error:
        telemetry.log.warning(error.message, extra={"where": error.where})
    except SluiceError as error:
        count = int(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        telemetry.log.error(f"weave failed: {error}", exc_info=error, extra={"where": error.where})
        if is_due(error, count):
            name = str(record.get("messageId", ""))
            telemetry.alerts.send(Alert.of(error, key=f"weave {name}", app="weave", request=request))
        return False
    return True


def _news(record: Mapping[str, Any]) -> News:
    try:
        document = json.loads(record.get("body") or "")
    except ValueError as error:
        raise Misconfigured(f"the message is no news of a git host: {error}") from None
    return news_of(document)


def _work(bench: Bench, news: News, telemetry: Telemetry) -> None:
    for outcome in work(bench, news):
        write = telemetry.log.warning if outcome.failed else telemetry.log.info
        write(
            outcome.title,
            extra={
                "head": outcome.head,
                "delivered": outcome.delivered,
                "written": list(outcome.written),
                "deleted": list(outcome.deleted),
                "failed": dict(outcome.failed),
                **news.to_json(),
            },
        )


handler = handler_of(Workplace.open)
