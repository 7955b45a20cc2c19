"""What a database's catalogue says of a table, as values: its columns, its key, and the contract that follows.

Pure: the dialects (`sql_postgres`, `sql_mysql`) fill it in and turn it into SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.common.errors import Misconfigured, unknown
from shared.contracts.columns import ColumnSpec, ColumnType, ShortType
from shared.contracts.contract import Contract

Bound = tuple[str, ...]
"""The values of a key in the database's own spelling, one text for each of its columns."""

KEY = "x-primary-key"
"""Where the contract of a table keeps the catalogue's primary key."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: what it is to us, and how SQL writes it.

    `native` is the type that a literal of it is cast to. `json` is the expression of its JSON text, for a value that is
    not null, without the quotes that `quoted` asks for. `guard` is a condition that is false for values that neither
    JSON nor a date can be (NaN, infinity).
    """

    name: str
    type: ColumnType
    native: str
    json: str
    nullable: bool = True
    quoted: bool = False
    guard: str = ""
    description: str = ""
    precision: int | None = None
    scale: int | None = None

    def spec(self) -> ColumnSpec:
        """The column as the shorthand of a contract; a value that may have to become null is nullable."""
        return ColumnSpec(
            type=ShortType(self.type.value),
            nullable=self.nullable or bool(self.guard),
            description=self.description,
            precision=self.precision,
            scale=self.scale,
        )


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table or view as the catalogue has it. `name` stands in SQL as it is."""

    name: str
    title: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...] = ()
    view: bool = False

    def column(self, name: str) -> TableColumn:
        """Raises `Misconfigured` listing the columns that there are."""
        for column in self.columns:
            if column.name == name:
                return column
        raise unknown("column", name, [c.name for c in self.columns], table=self.title)

    def without(self, names: Sequence[str]) -> TableShape:
        """The same without some columns. Raises `Misconfigured` when it lacks one of them, or nothing is left."""
        for name in names:
            self.column(name)
        left = tuple(column for column in self.columns if column.name not in names)
        if not left:
            raise Misconfigured("no column is left to read", hint="shorten leave_out", table=self.title)
        key = () if set(self.key) & set(names) else self.key
        return replace(self, columns=left, key=key)

    def with_key(self, key: tuple[str, ...]) -> TableShape:
        """The same with a key that somebody names. Raises `Misconfigured` when its columns may be null."""
        for name in key:
            if self.column(name).nullable and not self.view:
                raise Misconfigured(
                    f'the column "{name}" of the primary key may be null',
                    hint="rows without a key would be lost: name columns that are NOT NULL",
                    table=self.title,
                )
        return replace(self, key=key) if key else self

    def contract(self, name: str) -> Contract:
        """The contract that follows from the catalogue; `x-primary-key` keeps the key."""
        properties = {column.name: column.spec().schema_document() for column in self.columns}
        schema: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            KEY: list(self.key),
        }
        return Contract.from_schema(schema, name=name)


@dataclass(frozen=True, slots=True)
class Range:
    """Rows between two keys, `lower` exclusive and `upper` inclusive; None is no bound."""

    lower: Bound | None = None
    upper: Bound | None = None

    def to_json(self) -> list[list[str] | None]:
        return [None if bound is None else list(bound) for bound in (self.lower, self.upper)]


def of_catalogue(contract: Contract) -> bool:
    """Whether a contract was made from a catalogue, and not by the authors of the source."""
    return KEY in contract.schema


def key_of(contract: Contract) -> tuple[str, ...]:
    """The primary key that a contract of the catalogue keeps; none where it keeps none."""
    return tuple(contract.schema.get(KEY, ()))
