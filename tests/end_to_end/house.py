"""A place for the runs of one test: a source file, a landing zone and a warehouse, and what is true of them.

`prove` is the promise that all these tests are about: every record exactly once, in the landing zone and in the tables.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from shared.common.clock import SystemClock
from shared.common.instants import format_instant, parse_instant
from shared.landing.commit import Commit
from shared.landing.folder import FolderStore
from shared.landing.log import CommitLog
from shared.landing.reader import read_part, verify
from tests.end_to_end.runner import start
from tests.end_to_end.shop import TIMES, TOKEN, Open, Row
from tests.faults.server import ROOT

PART = 9000
"""Bytes of a part: three pages of orders, two of events."""

TABLES = ("orders", "events", "products", "notes")

SOURCE = """
source: shop
base_url: {url}
auth: {{ type: bearer, token: SHOP_TOKEN }}
retry: {{ attempts: 4, base: 0.02, cap: 0.1 }}
rate_limit: {{ concurrency: 6 }}
defaults:
  pagination: {{ type: next_link, path: next, has_more: has_more }}
  params: {{ limit: 20 }}
  part_size: {part_size}
streams:
  orders: # in windows side by side, merged by key
    path: /orders
    primary_key: id
    cursor_field: updated_at
    incremental: {{ since: from, until: to, start: "{begin}", window: 1d, concurrency: 3 }}
    columns: {{ id: integer, total: number, updated_at: timestamp, state: string, note: string }}
  events: # in windows one after another, with a row on each boundary, appended: what lands twice stays twice
    path: /events
    cursor_field: at
    write_disposition: append
    incremental: {{ since: from, until: to, start: "{begin}", window: 1d }}
    columns: {{ id: integer, total: number, at: timestamp, note: string }}
  products: # a snapshot
    path: /products
    columns: {{ id: integer, total: number, name: string, note: string }}
  notes: # children, and a snapshot without a key
    path: /products/{{id}}/notes
    parent: {{ stream: products, include: {{ parent: id }} }}
    ignore: [{{ status: 404 }}]
    columns: {{ parent: integer, id: integer, total: number, product_id: integer, note: string }}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended: its exit code and what it wrote. A negative code is the signal that ended it."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The last line of `--json`."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


@dataclass
class House:
    folder: Path
    shop: Open
    text: str = SOURCE
    settings: Mapping[str, str] = field(default_factory=dict)
    store: Any = None
    disk: Path | None = None
    started: int = 0

    def __post_init__(self) -> None:
        self.store = self.store or FolderStore(self.zone)
        self.folder.mkdir(parents=True, exist_ok=True)
        begin = format_instant(self.shop.begin)
        text = self.text.format(url=self.shop.url, begin=begin, part_size=PART)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)

    @property
    def environ(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith("AWS_")}
        own = {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "SHOP_TOKEN": TOKEN,
            "LANDING_URL": self.zone.as_uri(),
            "WAREHOUSE_URL": f"duckdb:///{self.warehouse}",
        }
        return {**kept, **own, **self.settings}

    @property
    def file(self) -> Path:
        """Where a repository has its source, so that commands find it by name."""
        return self.folder / "src" / "shop" / "source.yml"

    @property
    def zone(self) -> Path:
        return self.disk / "zone" if self.disk else self.folder / "zone"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def words(self, *more: str) -> list[str]:
        return ["run", "shop", "--json", *more]

    def begin(self, *words: str) -> Running:
        """Begin a command of `sluice` in a process that is there at once."""
        self.started += 1
        name = f"command-{self.started}"
        process = start(list(words), home=self.folder, environ=self.environ, name=name)
        return Running(process, self.folder / name)

    def start(self, *more: str) -> Running:
        """Begin `sluice run`."""
        return self.begin(*self.words(*more))

    def load(self, *more: str) -> Ended:
        """`sluice load` to its end."""
        return self.begin("load", "shop", "--json", *more).ended()

    def run(self, *more: str) -> Ended:
        """`sluice run` to its end."""
        return self.start(*more).ended()

    def run_from_a_shell(self, *more: str, **how: Any) -> Ended:
        """`python -m src.cli run …`, as people start it."""
        command = [sys.executable, "-m", "src.cli", *self.words(*more)]
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **how,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def log(self, stream: str) -> CommitLog:
        return CommitLog(self.store, "shop", stream, SystemClock())

    def commits(self, stream: str) -> list[Commit]:
        """All commits; the log itself refuses a gap."""
        return list(self.log(stream).since(0))

    def landed(self, stream: str) -> Iterator[Row]:
        """The rows of the parts that commits name, each part proven by its digest; of a snapshot the last whole one."""
        store, commits = self.store, self.commits(stream)
        if any(commit.draft.snapshot for commit in commits):
            whole = [c.draft.run for c in commits if c.draft.snapshot and c.draft.resume is None][-1]
            commits = [commit for commit in commits if commit.draft.run == whole]
        for commit in commits:
            assert verify(store, commit) == []
            for part in commit.draft.parts:
                with read_part(store, part) as lines:
                    yield from map(orjson.loads, lines)

    def table(self, stream: str) -> list[dict[str, Any]]:
        """The rows of the final table, without our own columns."""
        import duckdb

        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(f"SELECT * FROM shop.{stream}")
            names = [name for name, *_ in found.description or ()]
            return [{n: v for n, v in zip(names, r, strict=True) if n[0] != "_"} for r in found.fetchall()]

    def prove(self, rows: Mapping[str, list[Row]] | None = None, *, only: Collection[str] = TABLES) -> None:
        """Every row of the shop is there exactly once, in what has landed and in the tables, with all its values."""
        for stream, expected in (rows or self.shop.rows()).items():
            if stream not in only:
                continue
            whole = [{"parent": r["product_id"], **r} for r in expected] if stream == "notes" else expected
            assert _bag(whole) == _bag(self.landed(stream)), stream
            assert _bag(typed(row, stream) for row in whole) == _bag(self.table(stream)), stream

    def prove_tables(self) -> None:
        """The tables have every row of the shop once, as it is now; what has landed may hold older versions of it."""
        for stream, expected in self.shop.rows().items():
            whole = [{"parent": r["product_id"], **r} for r in expected] if stream == "notes" else expected
            assert _bag(typed(row, stream) for row in whole) == _bag(self.table(stream)), stream

    def whole(self) -> None:
        """Nothing is half-written: every part in the landing zone is whole, and commits name only such parts."""
        for info in self.store.list(""):
            body = self.store.get(info.key)
            assert gzip.decompress(body) if info.key.endswith(".gz") else body.endswith(b"\n"), info.key
        for stream in self.shop.rows():
            for commit in self.commits(stream):
                assert verify(self.store, commit) == []
        assert list(self.store.scratch().glob("*")) == []


@dataclass
class Running:
    """A command under way."""

    process: Any
    told: Path

    def ended(self, timeout: float = 120) -> Ended:
        """Wait for the end; what it wrote is complete then."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, "it does not end"
        code = self.process.exitcode
        self.process.close()
        out, err = (self.told.with_suffix(s).read_text() for s in (".out", ".err"))
        return Ended(code, out, err)

    def killed(self, after: float) -> bool:
        """`kill -9` after so many seconds; False when it had come to its end by then."""
        self.process.join(after)
        alive = self.process.exitcode is None
        self.process.kill()
        self.process.join()
        alive = alive and self.process.exitcode == -9
        self.process.close()
        return alive


def typed(row: Row, stream: str) -> Row:
    """A row as the table has it."""
    time = TIMES.get(stream)
    return {**row, time: parse_instant(row[time])} if time else row


def _bag(rows: Any) -> Counter[Any]:
    """The rows, each with how often it is there."""
    return Counter(tuple(sorted(row.items())) for row in rows)
