"""A warehouse under test, and what a test wants to know of its tables in the same words for all of them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.common.ports import ObjectStore
from shared.landing.folder import FolderStore
from shared.warehouse.ddl import quoted
from shared.warehouse.ports import Warehouse
from tests.shared.warehouse.stream import Stream

_NUMBERS = itertools.count(1)


@dataclass
class House:
    """`warehouse`, and `url` by which another process opens the same one. Every house has a source of its own, so that
    one server serves all tests. `cut` ends the connections of all loaders, as a network does. `nul` is what a NUL in a
    text becomes. `rounds`: its reader makes 2 of 1.5 in an integer column. `lists` is a query of the names of a
    schema's tables.
    """

    warehouse: Warehouse
    url: str
    quote: Callable[..., str] = quoted
    cut: Callable[[], None] | None = None
    nul: str = "\0"
    rounds: bool = False
    lists: str = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
    source: str = field(default_factory=lambda: f"s{os.getpid()}_{next(_NUMBERS)}")

    def stream(self, store: ObjectStore | Path, *, name: str = "accounts") -> Stream:
        if isinstance(store, Path):
            store = FolderStore(store)
        return Stream(store, self.warehouse, stream=name, source=self.source)

    def table(self, stream: Stream) -> str:
        return self.quote(self.source, stream.stream)

    def exists(self, stream: Stream) -> bool:
        return stream.stream in self.tables(stream, self.source)

    def tables(self, stream: Stream, schema: str) -> list[str]:
        with stream.warehouse.session(stream.spec()) as session:
            return [str(name) for (name,) in session.query(self.lists, (schema,))]

    def left_stages(self, stream: Stream) -> list[str]:
        """Stages of this house that outlived their loaders."""
        return [name for name in self.tables(stream, "_sluice") if f"stage:{self.source}" in name]

    def rows(self, stream: Stream, *columns: str) -> list[tuple[Any, ...]]:
        """The rows of the final table, plain and sorted; nothing where there is no table."""
        if not self.exists(stream):
            return []
        listed = ", ".join(map(self.quote, columns))
        with stream.warehouse.session(stream.spec()) as session:
            found = session.query(f"SELECT {listed} FROM {self.table(stream)}")
        return sorted((tuple(map(plain, row)) for row in found), key=repr)

    def ask(self, stream: Stream, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with stream.warehouse.session(stream.spec()) as session:
            return [tuple(map(plain, row)) for row in session.query(sql, parameters)]


def plain(value: Any) -> Any:
    """A value as it is compared: exact, without the driver's own types."""
    match value:
        case bool():
            return int(value)  # MySQL's booleans are numbers
        case Decimal():
            whole, _, rest = format(value, "f").partition(".")
            return Decimal(f"{whole}.{rest.rstrip('0')}") if rest.strip("0") else int(whole)
        case datetime():
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        case date() | UUID():
            return str(value)
        case dict() | list():
            return nested(value)
        case bytearray() | memoryview():
            return bytes(value)
        case _:
            return value


def nested(value: Any) -> str:
    """A nested value, or its text, in one spelling."""
    document = json.loads(value) if isinstance(value, str) else value
    return json.dumps(document, sort_keys=True, ensure_ascii=False)
