"""A small API in memory and a bench to run sources against it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.common.instants import format_instant, parse_instant
from shared.common.ports import Deadline
from shared.ingestion.plan import Ask
from shared.ingestion.reading import load_source
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source
from shared.landing.commit import Commit
from shared.landing.log import CommitLog
from shared.rest.fake import Answer, FakeTransport, answer
from shared.rest.message import Request

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
START = datetime(2024, 3, 1, tzinfo=UTC)

SOURCE = """
source: acme
base_url: https://api.acme.test/v1
auth: {type: bearer, token: ACME_TOKEN}
retry: {attempts: 3, base: 0.01, budget: 30}
rate_limit: {concurrency: 4}
streams:
  orders:
    path: /orders
    params: {limit: 3}
    pagination: {type: next_link, path: next, has_more: has_more}
    primary_key: id
    cursor_field: updated_at
    incremental: {since: from, until: to, start: "2024-03-01"}
    columns:
      id: integer
      updated_at: timestamp
      total: {type: number, nullable: true}
"""


@dataclass
class Acme:
    """Lists by path; filters by `from` and `to` (both inclusive), pages by offset cursors, in the order of updated_at.

    `before(request)` may answer instead, raise, or change the lists: that is how faults are injected.
    """

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    before: Callable[[Request], Answer | None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        path = request.url.removeprefix("https://api.acme.test/v1")
        self.asked.append(path)
        early = self.before(request)
        if early is not None:
            return early
        if path not in self.lists:
            return answer({"error": {"type": "not_found", "message": f"no {path}"}}, 404)
        rows = self.selected(path, request)
        if request.method == "HEAD":
            return answer(status=200, x_total=str(len(rows)))
        start, limit = int(request.param("cursor") or 0), int(request.param("limit") or 20)
        more = start + limit < len(rows)
        query = "&".join(f"{n}={v}" for n, v in request.params if n != "cursor").replace("+", "%2B")
        link = f"{request.url}?{query}&cursor={start + limit}" if more else None
        return answer({"has_more": more, "next": link, "data": rows[start : start + limit]})

    def selected(self, path: str, request: Request) -> list[dict[str, Any]]:
        rows = self.lists[path]
        if since := request.param("from"):
            rows = [r for r in rows if parse_instant(r["updated_at"]) >= parse_instant(since)]
        if until := request.param("to"):
            rows = [r for r in rows if parse_instant(r["updated_at"]) <= parse_instant(until)]
        return sorted(rows, key=lambda row: (row.get("updated_at", ""), str(row.get("id", "")).zfill(9)))


def orders(
    count: int, *, every: timedelta = timedelta(hours=1), start: datetime = START
) -> list[dict[str, Any]]:
    """Orders with ascending ids, `every` so often."""
    return [{"id": i, "updated_at": format_instant(start + i * every), "total": i / 4} for i in range(count)]


@dataclass
class Bench:
    """Runs a source against an Acme with an in-memory store and a clock that stands at NOW."""

    folder: Path
    api: Acme = field(default_factory=Acme)
    store: Any = field(default_factory=MemoryStore)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    secrets: dict[str, str] = field(default_factory=lambda: {"ACME_TOKEN": "canary-token-1"})
    deadline: Deadline = field(default_factory=FixedDeadline)
    stop: Callable[[], bool] = lambda: False
    transport: FakeTransport | None = None
    tokens: int = 0

    def source(self, text: str = SOURCE, **changes: str) -> Source:
        file = self.folder / "source.yml"
        file.write_text(text)
        return load_source(file, changes={name.replace("__", "."): value for name, value in changes.items()})

    def token(self) -> str:
        self.tokens += 1
        return f"{self.tokens:08x}"

    def run(self, source: Source | None = None, *, ask: Ask | None = None, **how: Any) -> RunReport:
        self.transport = FakeTransport(self.api)
        tools = Tools(
            store=self.store,
            clock=self.clock,
            deadline=self.deadline,
            secrets=DictSecrets(self.secrets),
            token=self.token,
            stop=self.stop,
            transport=self.transport,
        )
        return ingest(source or self.source(), tools, ask=ask, **how)

    def stop_after(self, pages: int) -> None:
        """Ask for an end once so many requests have gone out from now on."""
        begun = len(self.api.asked)
        self.stop = lambda: len(self.api.asked) - begun >= pages

    def log(self, stream: str = "orders") -> CommitLog:
        return CommitLog(self.store, "acme", stream, self.clock)

    def commits(self, stream: str = "orders") -> list[Commit]:
        return list(self.log(stream).since(0))

    def landed(self, stream: str = "orders") -> bytes:
        """What has landed, part after part in the order of the log, decompressed."""
        parts = [part for commit in self.commits(stream) for part in commit.draft.parts]
        return b"".join(gzip.decompress(self.store.get(part.key)) for part in parts)

    def rows(self, stream: str = "orders") -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.landed(stream).splitlines()]

    def lines(self, part: Any) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in gzip.decompress(self.store.get(part.key)).splitlines()]

    def everything(self) -> list[bytes]:
        """Every object in the store, decompressed."""
        bodies = [self.store.get(info.key) for info in self.store.list("")]
        return [gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body for body in bodies]

    def ids(self, stream: str = "orders") -> list[Any]:
        return [row["id"] for row in self.rows(stream)]
