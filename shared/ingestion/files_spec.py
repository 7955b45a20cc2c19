"""What a file becomes, and what taking it needs from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shared.common.formats import Csv, Format, JsonLines, Nested
from shared.common.ports import Clock, ObjectStore
from shared.contracts.columns import ColumnType
from shared.contracts.contract import Contract
from shared.contracts.flat import flat_columns
from shared.ingestion.sql_table import KEY

SOURCE = "files"
"""The source under which files land; each table is a stream of it."""

REST = "_sluice_rest"
"""The column that keeps, as one JSON object, what the contract does not name."""

FLAT = "x-nested"
"""Where a contract keeps what became of nested objects."""

MANY = 20
"""Lines from which on a share of them says something about a whole file."""


@dataclass(frozen=True, slots=True)
class FileSpec:
    """What a file becomes: the table, the contract of its records, and how they are read and kept."""

    table: str
    contract: Contract
    format: Literal["jsonl", "csv"] = "jsonl"
    nested: Literal["flatten", "json"] = "flatten"
    primary_key: tuple[str, ...] = ()
    max_rejected: float | None = None
    """The share of lines that may be refused; None: half of them (see `allows`)."""
    part_size: int = 64 * 1024 * 1024

    @property
    def registered(self) -> Contract:
        """The contract as it is registered: with the key and the form of the table, for whoever loads."""
        schema = {**self.contract.schema, FLAT: self.nested, KEY: list(self.primary_key)}
        return Contract(f"{SOURCE}.{self.table}", schema, self.contract.declared_version)

    def allows(self, rejected: int, lines: int, *, known: bool = False) -> bool:
        """Whether a file may land of which so many lines are refused. Where no share is given: a file of which no line
        fits does not land, nor one of many lines of which more than half are refused: then file and schema do not
        belong together. Of a file that is `known` the good lines have landed, so only a share that is given counts.
        """
        if self.max_rejected is not None:
            return rejected <= self.max_rejected * lines
        if known or not rejected:
            return True
        return rejected < lines and (lines < MANY or rejected <= lines / 2)

    def encoder(self) -> Format:
        if self.nested == "json":
            return JsonLines()
        columns = flat_columns(self.contract)
        texts = frozenset(column.name for column in columns if column.type is ColumnType.JSON)
        return Csv(tuple(column.name for column in columns), Nested.FLATTEN, REST, texts)


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking a file needs from outside."""

    store: ObjectStore
    clock: Clock
    token: Callable[[], str]
    code_version: str = ""
