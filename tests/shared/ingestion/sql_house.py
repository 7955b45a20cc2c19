"""What the tests of databases share: a source in a dict, a landing zone in memory, and the rows that are in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from shared.common.fakes import DictSecrets, FakeClock, FixedDeadline, MemoryStore
from shared.common.ports import ObjectStore
from shared.ingestion.plan import Ask
from shared.ingestion.run import RunReport, ingest
from shared.ingestion.session import Tools
from shared.ingestion.source import Source
from shared.ingestion.sql_spec import SqlSpec
from shared.landing.commit import Commit
from shared.landing.log import CommitLog


class House:
    """A source over one database, with one reader a table. `streams` are those of its file, `more` its other keys."""

    def __init__(
        self,
        url: str,
        streams: Mapping[str, Any],
        *,
        store: ObjectStore | None = None,
        secrets: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        parts = urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self.secrets = {"DB_USER": parts.username or "", "DB_PASSWORD": "unused", **(secrets or {})}
        auth = {"username": "DB_USER", **({"password": "DB_PASSWORD"} if secrets else {})}
        self.document = {
            "type": "sql",
            "source": "shop",
            "url": bare,
            "auth": auth,
            "streams": streams,
            "defaults": {"parallel": 1},
            **more,
        }
        self.clock = FakeClock()
        self.store = store or MemoryStore(self.clock)
        self.runs = 0

    @property
    def source(self) -> Source:
        sql = SqlSpec.model_validate(self.document)
        return Source(sql.plain(), "source.yml", sql=sql)

    def tools(self, **more: Any) -> Tools:
        self.runs += 1
        made: dict[str, Any] = {
            "store": self.store,
            "clock": self.clock,
            "deadline": FixedDeadline(),
            "secrets": DictSecrets(self.secrets),
            "token": lambda: f"{self.runs:08x}",
        }
        return Tools(**{**made, **more})

    def run(self, *, ask: Ask | None = None, streams: list[str] | None = None, **more: Any) -> RunReport:
        return ingest(self.source, self.tools(**more), streams=streams, ask=ask)

    def well(self, **more: Any) -> RunReport:
        """A run without errors."""
        report = self.run(**more)
        assert not report.failed, report.failed
        return report

    def commits(self, stream: str = "t") -> list[Commit]:
        return list(CommitLog(self.store, "shop", stream, self.clock).since(0))

    def texts(self, stream: str = "t", *, run: str | None = None) -> list[str]:
        """The lines that landed, of one run or of all."""
        chosen = [c for c in self.commits(stream) if run is None or c.draft.run == run]
        bodies = [gzip.decompress(self.store.get(p.key)) for c in chosen for p in c.draft.parts]
        return [line for body in bodies for line in body.decode().splitlines()]

    def rows(self, stream: str = "t", *, run: str | None = None) -> list[dict[str, Any]]:
        """The rows that landed, with fractions as exact decimals."""
        return [json.loads(line, parse_float=Decimal) for line in self.texts(stream, run=run)]

    def rejected(self, stream: str = "t") -> list[dict[str, Any]]:
        parts = [part for commit in self.commits(stream) for part in commit.draft.rejected_parts]
        bodies = [gzip.decompress(self.store.get(part.key)) for part in parts]
        return [json.loads(line) for body in bodies for line in body.decode().splitlines()]
