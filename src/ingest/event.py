"""What an event asks of the ingest app, and what the app answers so that its answer can be the next event.

Three kinds of events: a scheduled one of EventBridge (its `time` gives the day of dated files; the source comes from
`detail.source` or the environment variable SOURCE), an order such as `{"source": "recurly", "streams": ["plans"]}`, and
a continuation: an earlier answer, fed back as it is. An order with `backfill`, the name of one, is a window of it;
`share` says how many work on the source side by side, so that each keeps to its part of the source's limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, unknown
from shared.common.instants import format_instant, parse_instant
from shared.ingestion.backfill import fillable, named
from shared.ingestion.plan import Ask
from shared.ingestion.spec import DatedFiles, SourceSpec

if TYPE_CHECKING:
    from shared.ingestion.run import RunReport

_ASKED = ("since", "until", "time", "full_refresh", "backfill", "share")
KNOWN = ("source", "streams", *_ASKED, "done", "run", "retry_after")
_OVER = frozenset({"done", "superseded", "skipped"})


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. `before` is what earlier invocations answered about each stream; empty in a first one."""

    source: str
    streams: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    time: datetime | None = None
    full_refresh: bool = False
    backfill: str = ""
    share: int = 1
    before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Any, environ: Mapping[str, str]) -> Order:
        """Read an event. Raises `Misconfigured` naming the field that is wrong."""
        if not isinstance(event, Mapping):
            raise Misconfigured(
                f"the event is no object but {_kind(event)}", hint='send {"source": "recurly"}'
            )
        if "detail-type" in event:
            event = _scheduled(event)
        for name in event:
            if name not in KNOWN:
                raise unknown("field in the event", str(name), KNOWN)
        streams: tuple[str, ...] | None = None
        before: dict[str, Mapping[str, Any]] = {}
        match event.get("streams"):
            case None:
                pass
            case Mapping() as answered:
                before = {str(name): _object(one, f"streams.{name}") for name, one in answered.items()}
            case named:
                streams = _names(named)
        source = event.get("source") or environ.get("SOURCE")
        if not isinstance(source, str) or not source:
            raise Misconfigured(
                "the event names no source",
                hint='send {"source": "recurly"}, or set the environment variable SOURCE',
                field="source",
            )
        full_refresh = event.get("full_refresh") or False
        if not isinstance(full_refresh, bool):
            raise Misconfigured(
                f"full_refresh is {_kind(full_refresh)}", hint="true or false", field="full_refresh"
            )
        times = {name: _time(event, name) for name in ("since", "until", "time")}
        backfill, share = _backfill(event, times)
        return cls(
            source, streams, full_refresh=full_refresh, backfill=backfill, share=share, before=before, **times
        )

    def groups(self, spec: SourceSpec) -> list[tuple[list[str], Ask]]:
        """Which streams to run with which ask. A stream that has begun goes on; what is over is left alone."""
        known = [*spec.streams, *spec.reports]
        for name in self.streams or ():
            if name not in known:
                raise unknown("stream", name, known, source=self.source, field="streams")
        if self.backfill:
            known = [name for name, stream in spec.streams.items() if not fillable(stream)]
        found: dict[Ask, list[str]] = {}
        for name in self.streams or known:
            entry = self.before.get(name)
            if self.before and (entry is None or entry.get("status") in self._over):
                continue
            begun = bool(entry and entry.get("commits"))
            found.setdefault(self._ask(spec, name, begun=begun), []).append(name)
        return [(names, ask) for ask, names in found.items()]

    @property
    def _over(self) -> frozenset[str]:
        """What need not be called again. A window that somebody else works on is looked at until it is done."""
        return _OVER - {"superseded"} if self.backfill else _OVER

    def _ask(self, spec: SourceSpec, name: str, *, begun: bool) -> Ask:
        if self.backfill:
            return Ask(self.since, self.until, backfill=self.backfill)
        dated = isinstance(spec.reports.get(name), DatedFiles)
        if begun and not dated:
            return Ask()
        until = self.until or (self.time if dated else None)
        return Ask(self.since, until, self.full_refresh)

    def answer(self, reports: list[RunReport], left: list[str]) -> dict[str, Any]:
        """What happened, in all invocations so far; `left` names the streams that this one did not come to."""
        streams: dict[str, dict[str, Any]] = {name: dict(entry) for name, entry in self.before.items()}
        for report in reports:
            for name, one in report.streams.items():
                old = streams.get(name, {})
                sums = {n: old.get(n, 0) + getattr(one, n) for n in ("rows", "rejected", "commits")}
                streams[name] = {"status": one.status, **sums, "cursor": one.cursor}
        for name in left:
            streams.setdefault(
                name, {"status": "unfinished", "rows": 0, "rejected": 0, "commits": 0, "cursor": None}
            )
        waits = [report.retry_after for report in reports if report.retry_after is not None]
        document = {
            "done": all(entry["status"] in self._over for entry in streams.values()),
            "source": self.source,
            "run": reports[0].run if reports else "",
            "streams": streams,
            # Somebody who waits for late files must not wait when other streams can go on at once.
            # Whole seconds: a Wait of Step Functions takes nothing else.
            "retry_after": math.ceil(max(waits)) if waits and not _busy(reports, left) else None,
        }
        asked = {name: getattr(self, name) for name in _ASKED}
        return document | {
            n: format_instant(v) if isinstance(v, datetime) else v
            for n, v in asked.items()
            if v and (n, v) != ("share", 1)
        }


def _backfill(event: Mapping[str, Any], times: Mapping[str, datetime | None]) -> tuple[str, int]:
    """The name of the back-fill that the window of an event belongs to, and how many work on it."""
    name, share = event.get("backfill") or "", event.get("share", 1)
    if not isinstance(name, str) or (name and not all(times[n] for n in ("since", "until"))):
        raise Misconfigured(
            "a window of a back-fill needs a name and both ends",
            hint='{"backfill": "backfill", "since": "2024-01-01", "until": "2024-01-02"}',
            field="backfill",
        )
    if not isinstance(share, int) or isinstance(share, bool) or share < 1:
        raise Misconfigured(
            "share is no number of processes", hint="1 or more, such as the concurrency", field="share"
        )
    return (named(name) if name else ""), share


def _busy(reports: list[RunReport], left: list[str]) -> bool:
    streams = [one for report in reports for one in report.streams.values()]
    return bool(left) or any(one.status == "unfinished" and one.retry_after is None for one in streams)


def _scheduled(event: Mapping[str, Any]) -> dict[str, Any]:
    """The order in a scheduled event: its `detail`, and its time."""
    detail = _object(event.get("detail") or {}, "detail")
    if "time" not in event:
        raise Misconfigured(
            "the scheduled event has no time", hint="such as 2024-03-01T01:23:45Z", field="time"
        )
    return {"time": event["time"], **detail}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Misconfigured(f"{name} is {_kind(value)}", hint="it must be an object", field=name)
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise Misconfigured(
            "streams is not a list of names", hint='such as ["accounts", "plans"]', field="streams"
        )
    return tuple(dict.fromkeys(value))


def _time(event: Mapping[str, Any], name: str) -> datetime | None:
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Misconfigured(
            f"{name} is {_kind(value)}", hint="write it like 2024-03-01T01:23:45Z", field=name
        )
    try:
        return parse_instant(value)
    except Misconfigured as error:
        raise error.at(field=name) from None


def _kind(value: Any) -> str:
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), "nothing" if value is None else type(value).__name__)
