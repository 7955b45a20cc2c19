"""A stream that lands commits and loads them: the real log, the real writer, any warehouse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from shared.common.fakes import FakeClock
from shared.common.ports import ObjectStore
from shared.contracts.columns import Column, ColumnType
from shared.landing.commit import Commit, Draft, Part
from shared.landing.writer import Landing
from shared.warehouse.load import LoadReport, load
from shared.warehouse.ports import Disposition, TableSpec, Warehouse


class Stream:
    """Lands records as commits and loads them."""

    def __init__(
        self, store: ObjectStore, warehouse: Warehouse, *, stream: str = "accounts", source: str = "recurly"
    ) -> None:
        self.store = store
        self.warehouse = warehouse
        self.clock = FakeClock()
        self.landing = Landing(store, source, stream, self.clock)
        self.source = source
        self.log = self.landing.log
        self.stream = stream
        self._numbers = itertools.count()

    def part(self, records: Iterable[Any], *, run: str = "r1", format: str = "jsonl.gz") -> Part:
        """A part of records: objects, or texts that are written as they are (the first of CSV is its header)."""
        writer = self.landing.part(run, 1, 0, next(self._numbers), format)
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        header = 1 if format.startswith("csv") else 0
        end = "\r\n" if header else "\n"
        for place, line in enumerate(lines):
            writer.write((line + end).encode(), 0 if place < header else 1)
        return writer.close()

    def commit(
        self, *batches: Iterable[Any], run: str = "r1", format: str = "jsonl.gz", **draft: Any
    ) -> Commit:
        """One commit of one part per batch of records."""
        parts = tuple(self.part(records, run=run, format=format) for records in batches)
        return self.append(Draft(run=run, attempt=1, parts=parts, format=format, **draft))

    def append(self, draft: Draft) -> Commit:
        return self.log.append(draft, after=self.log.latest())

    def spec(self, disposition: str = "append", **changes: Any) -> TableSpec:
        return TableSpec(self.source, self.stream, Disposition(disposition), **changes)

    def load(self, spec: TableSpec, **options: Any) -> LoadReport:
        return load(
            self.log,
            self.store,
            self.warehouse,
            spec,
            load_id=lambda: f"L{next(self._numbers)}",
            clock=self.clock,
            **options,
        )

    def rows(self, what: str = "*", *, table: str = "", order: str = "") -> list[tuple[Any, ...]]:
        spec = self.spec()
        with self.warehouse.session(spec) as session:
            (database,) = session.query("SELECT current_database()")[0]
            name = f'"{database}"."recurly"."{table or self.stream}"'
            return session.query(f"SELECT {what} FROM {name} ORDER BY {order or 'ALL'}")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.session(self.spec()) as session:
            return session.query(sql)


def columns(**kinds: str) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType(kind)) for name, kind in kinds.items())
