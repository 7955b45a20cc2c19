"""The use case of this room: run a source, and say what happened.

Streams run side by side, bounded by the source's limits. One that fails does not stop the others; what is committed
stays committed, and the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from shared.common.errors import SluiceError
from shared.ingestion.course import run_stream
from shared.ingestion.plan import Ask
from shared.ingestion.session import Session, Tools, Watch, chosen
from shared.ingestion.source import Source
from shared.ingestion.sql_spec import SqlSpec
from shared.ingestion.stream_report import StreamReport


@dataclass(slots=True)
class RunReport:
    """What a run of a source did. `done` is False when some stream has more to fetch and should be called again."""

    source: str
    run: str
    seconds: float = 0.0
    streams: dict[str, StreamReport] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return all(r.status != "unfinished" and r.retry_after is None for r in self.streams.values())

    @property
    def failed(self) -> dict[str, SluiceError]:
        return {n: r.error for n, r in self.streams.items() if r.status == "failed" and r.error is not None}

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next call makes sense, where the API asked for it."""
        return max((r.retry_after for r in self.streams.values() if r.retry_after is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        reports = self.streams.values()
        return {
            "source": self.source,
            "run": self.run,
            "done": self.done,
            "seconds": round(self.seconds, 3),
            "retry_after": self.retry_after,
            **{
                n: sum(getattr(r, n) for r in reports)
                for n in ("rows", "rejected", "parts", "commits", "api_calls", "retries")
            },
            "streams": {name: report.to_json() for name, report in self.streams.items()},
        }


def ingest(
    source: Source,
    tools: Tools,
    *,
    streams: Sequence[str] | None = None,
    ask: Ask | None = None,
    watch: Watch = lambda _: None,
) -> RunReport:
    """Run the streams of a source (all, or those named) and return what happened; errors are in the report.

    `watch` is called from several threads, often, with the live report of a stream.
    """
    began = tools.clock.monotonic()
    names = chosen(source, streams)
    if source.sql is not None:
        return _tables(source, source.sql, tools, names, ask=ask or Ask(), watch=watch)
    session = Session.open(source, tools, ask=ask or Ask())
    report = RunReport(source.name, session.run)

    def one(name: str) -> list[StreamReport]:
        if name in source.spec.streams:
            return [run_stream(session, name, watch)]
        return session.report(name)

    with session, ThreadPoolExecutor(source.spec.parallel_streams, thread_name_prefix="stream") as pool:
        for found in pool.map(one, names):
            report.streams.update((stream.stream, stream) for stream in found)
    report.seconds = tools.clock.monotonic() - began
    return report


def _tables(
    source: Source, spec: SqlSpec, tools: Tools, names: list[str], *, ask: Ask, watch: Watch
) -> RunReport:
    """The same for a database: all its tables at one moment."""
    from shared.ingestion.sql_session import ingest_tables

    began = tools.clock.monotonic()
    run, reports = ingest_tables(source, spec, tools, names=names, ask=ask, watch=watch)
    report = RunReport(source.name, run, streams={one.stream: one for one in reports})
    report.seconds = tools.clock.monotonic() - began
    return report
