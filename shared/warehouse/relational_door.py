"""What a relational database must be able to do for the session that all of them share, and `?` for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from shared.contracts.columns import Column
from shared.warehouse.ddl import HISTORY, OURS, PART, names_for
from shared.warehouse.dml import Grammar
from shared.warehouse.ports import Disposition, Stage, TableSpec
from shared.warehouse.values import Spelling

ROW = "_sluice_row"
"""The column of a stage that says in which order rows landed."""

_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\?|%")


def positional(sql: str) -> str:
    r"""`?` as `%s`, which psycopg and PyMySQL know; texts and names stay as they are but for their percent signs.

    >>> print(positional("SELECT '?' AS \"a%b\" WHERE x = ?"))
    SELECT '?' AS "a%%b" WHERE x = %s
    """
    return _TOKEN.sub(lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), sql)


def names_of(
    fields: Iterable[str],
    spec: TableSpec,
    *,
    taken: Iterable[str],
    fit: Callable[[str], str],
    fold: Callable[[str], str],
    there: Iterable[str] = (),
) -> dict[str, str]:
    """The column of each field, in the final table of `spec` and its stages; for the rest see `names_for`."""
    versions = HISTORY if spec.disposition is Disposition.SCD2 else ()
    return names_for(fields, taken=(*OURS, PART, ROW, *versions, *taken), there=there, fit=fit, fold=fold)


class Door(Protocol):
    """One connection to a database, which commits every statement outside of `begin` and `commit`.

    All but `run`, `query`, `pin` and `look_over` never run in the transaction.
    """

    @property
    def grammar(self) -> Grammar: ...
    @property
    def spelling(self) -> Spelling: ...
    @property
    def ours(self) -> Mapping[str, str]:
        """The types of the columns of ours: `ddl.OURS`, `ddl.HISTORY`, the part and the row of a stage."""

    @property
    def taken(self) -> Sequence[str]:
        """Names that no column of ours may have."""

    @property
    def most_digits(self) -> tuple[int, int]:
        """Of a decimal, in all and behind the point; longer ones are text."""

    def fit(self, name: str) -> str:
        """A name that the database takes, and does not cut."""

    def fold(self, name: str) -> str:
        """The same for all names that it takes for equal."""

    def type_of(self, column: Column, *, wide: bool = False) -> str:
        """The type of a column in a final table; `wide` is for integers beyond 64 bits."""

    def stage_type(self, column: Column, *, wide: bool) -> str: ...

    def column_of(self, name: str, kind: str) -> Column | None:
        """The column that a type stands for; None for types that we do not use."""

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement; returns how many rows it changed."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def types(self, address: tuple[str, str]) -> dict[str, str]:
        """The columns of a table in their order, with their types as `type_of` says them; nothing without a table."""

    def prepare(self) -> None:
        """The tables of the ledger."""

    def exclusive(self) -> AbstractContextManager[None]:
        """One session at a time changes the catalogue."""

    def create_stage(self, name: str, kinds: Mapping[str, str], *, keys: Sequence[str]) -> str:
        """A table that only this connection sees, gone with it; returns its name as it stands in SQL."""

    def line(self, row: Sequence[Any], plain: bool) -> bytes:
        """What `send` takes of a row of a stage. `plain`: see `rows.Line`."""

    def send(self, stage: Stage, lines: Iterable[bytes]) -> int:
        """Insert rows; returns how many the database took."""

    def create_table(
        self, address: tuple[str, str], kinds: Mapping[str, str], *, keys: Sequence[str]
    ) -> None:
        """A final table and its schema, with an index on `keys`."""

    def widen(self, address: tuple[str, str], name: str, *, before: Column, after: str) -> None:
        """Give a column of a final table another type; texts are written as records write them."""

    def drop_superfluous(self, stage: str, places: str) -> None:
        """Delete rows of a stage by a query of their places (`place`)."""

    def look_over(self, stage: str, columns: Sequence[str]) -> None:
        """Tell the planner about the columns of a stage."""

    def pin(self, table: str) -> None:
        """Within the transaction: keep others from changing what a final table is made of."""

    def is_fault_of_rows(self, error: Exception) -> bool:
        """Whether an error of `send` says that a value is none of its column's type."""

    def close(self) -> None: ...
