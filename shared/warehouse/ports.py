"""What the load protocol needs of a warehouse, and the values that pass through that door.

An adapter is one small file that implements `Warehouse` and `Session`; adapters do not know each other. The protocol
itself (`load.py`) knows no SQL.

To add a warehouse: a session must stage files with the number of rows of each, and move the ledger and the final table
in one transaction. Everything else may happen twice, or be cut off anywhere, without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from shared.contracts.columns import Column


class Disposition(StrEnum):
    """What a commit does to its table: add rows, upsert by primary key, replace all of it by a whole snapshot, or keep
    every version of a row with the time in which it was the current one.
    """

    APPEND = "append"
    MERGE = "merge"
    REPLACE = "replace"
    SCD2 = "scd2"


class Step(StrEnum):
    """The numbered points of the protocol, in order; a process may die behind any of them."""

    VERIFIED = "1 verified"
    STAGED = "2 staged"
    COUNTED = "3 counted"
    SETTLED = "4 settled"
    CHECKED = "5 checked"
    EVOLVED = "6 evolved"
    BEGUN = "7 begun"
    MOVED = "8 moved the ledger"
    APPLIED = "9 applied"
    RECORDED = "10 recorded"
    COMMITTED = "11 committed"
    DROPPED = "12 dropped the stage"


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The final table of one stream.

    `columns` come from the contract; None means that there is none, and columns are inferred from what landed.
    `primary_key`, `cursor_field` and `deleted_field` name fields of the record; `a.b` reaches into a nested one. A
    record whose `deleted_field` is set (true, a time, a number but 0, a text but `false` and `0`) says that its key is
    gone.
    """

    source: str
    stream: str
    disposition: Disposition
    columns: tuple[Column, ...] | None = None
    primary_key: tuple[str, ...] = ()
    cursor_field: str | None = None
    schema: str = ""
    table: str = ""
    deleted_field: str | None = None

    @property
    def address(self) -> tuple[str, str]:
        """Schema and table: by default a schema per source and a table per stream."""
        return self.schema or self.source, self.table or self.stream

    @property
    def name(self) -> str:
        """The table as it stands in messages."""
        return ".".join(self.address)


@dataclass(frozen=True, slots=True)
class StagedPart:
    """A part whose content was verified and that lies on the local disk."""

    key: str
    file: Path
    rows: int
    format: str
    run: str
    commit: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A table that holds one load before it is applied.

    `rows` came out of each part; `columns` are the fields of the record with the types that they have here, `names` the
    column of each field; `name` stands in SQL as it is. A stage has the columns of `ddl.OURS`
    too, but the time of loading. `snapshot`: it holds all records that the source has, so what it lacks is gone. Not so
    the keys of `spared`, a stage of those that were set aside; and nothing where it is `partial`, since their keys are
    not known.
    """

    name: str
    load: str
    rows: tuple[int, ...]
    columns: tuple[Column, ...]
    names: Mapping[str, str]
    snapshot: bool = False
    spared: Stage | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What one transaction does: move the ledger from `before` to `after` and apply the stage (None: apply nothing).

    A replay moves the ledger back; with `undo` the rows of the commits behind that one leave the final table first, if
    there is one. `note` stands in the load record and says why a load was no ordinary one. `at` is when the last of the
    commits was made.
    """

    load: str
    before: int
    after: int
    run: str
    started: datetime
    loaded_at: datetime
    stage: Stage | None
    undo: int | None = None
    note: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """A line of the history of loads: what one transaction did. One that moved the ledger back was a replay.

    `deleted` rows left the table (of versions: were ended); None where the load is older than this figure.
    """

    load: str
    before: int
    after: int
    run: str
    inserted: int
    updated: int
    loaded_at: datetime
    note: str = ""
    deleted: int | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """Rows that became new rows of the final table, rows that took the place of older ones, and keys that are gone."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Flaws:
    """What no load leaves in a final table: keys with `doubled` rows (or current versions), where a key has one, and
    `misended` versions, which are current and ended, or ended by no commit.
    """

    doubled: int = 0
    misended: int = 0


class Session(Protocol):
    """One connection of one loader to the warehouse, about one table.

    All methods raise `Transient` when the warehouse gave up for now and `Refused` when it denies access.
    """

    def position(self) -> int:
        """The last commit of the stream that is in the final table; 0: none."""

    def sweep(self) -> list[str]:
        """Drop the stages that earlier loads of this stream left; returns their names."""

    def stage(
        self, load: str, columns: Sequence[Column], parts: Sequence[StagedPart], *, folder: Path
    ) -> Stage:
        """Copy exactly these parts into a new table. `folder` is for files that must be rewritten first.

        A column has the wider of the types that it has in `columns` and in the final table. Raises `Violation` naming
        column, part and value when the files do not fit.
        """

    def keep(self, stage: Stage) -> str:
        """Make the stage outlive this session, for somebody to look at; returns where it is found."""

    def evolve(self, stage: Stage) -> None:
        """Create the final table, or add and widen its columns, so that the stage fits. Never in the transaction."""

    def settle(self, stage: Stage) -> None:
        """Leave one row per primary key in the stage: the newest by cursor, of equal ones the last landed.

        For `scd2` by a cursor that is a time: one row per primary key and cursor.

        Raises `Violation` when a row has no primary key. Does nothing for tables without a primary key or that append.
        """

    def apply(self, change: Change, *, step: OnStep) -> Applied | None:
        """One transaction: compare-and-set of the ledger, the rows, the load record. None: the ledger had moved on."""

    def drop(self, stage: Stage) -> None: ...

    def history(self) -> list[LoadRecord]:
        """The load records of the stream, oldest first."""

    def tally(self) -> dict[int, int]:
        """How many rows of the final table each commit published; nothing where there is no table."""

    def flaws(self) -> Flaws | None:
        """What is wrong with the final table in itself; None where there is no table."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


class Warehouse(Protocol):
    """A database that holds final tables and, beside them, the ledger of what is in them."""

    def session(self, table: TableSpec) -> AbstractContextManager[Session]:
        """A session about `table`; the ledger is there, with a row for the stream."""

    def held(self) -> AbstractContextManager[None]:
        """Keep open what several sessions share, so that opening it is paid for once."""

    def positions(self, source: str) -> dict[str, int]:
        """The last commit of each stream of a source that is in the final tables, in one query.

        Streams that were never loaded are missing. Makes nothing, also no ledger.
        """
