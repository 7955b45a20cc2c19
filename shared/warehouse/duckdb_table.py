"""A final table of DuckDB as it is, how it is made to fit a stage, and why rows do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured, Transient, Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    CLOSED_BY,
    COMMIT,
    IS_CURRENT,
    LOADED_AT,
    PART,
    RUN,
    VALID_FROM,
    VALID_TO,
    add_column,
    create_table,
    held,
    names_for,
    quoted,
)
from shared.warehouse.duckdb_read import FILE, MOST_DIGITS, Group, doubts, tried, type_of
from shared.warehouse.ports import Disposition, Stage, TableSpec

if TYPE_CHECKING:
    import duckdb

OURS = {RUN: "VARCHAR", LOADED_AT: "TIMESTAMP WITH TIME ZONE", COMMIT: "BIGINT"}
_MOMENT = "TIMESTAMP WITH TIME ZONE"
VERSIONS = {VALID_FROM: _MOMENT, VALID_TO: _MOMENT, IS_CURRENT: "BOOLEAN", CLOSED_BY: "BIGINT"}

_INT64 = 2**63
_EXACT = 2**53
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_KINDS = {
    "VARCHAR": ColumnType.STRING,
    "TINYINT": ColumnType.INTEGER,
    "SMALLINT": ColumnType.INTEGER,
    "INTEGER": ColumnType.INTEGER,
    "BIGINT": ColumnType.INTEGER,
    "HUGEINT": ColumnType.INTEGER,
    "FLOAT": ColumnType.NUMBER,
    "DOUBLE": ColumnType.NUMBER,
    "BOOLEAN": ColumnType.BOOLEAN,
    "DATE": ColumnType.DATE,
    "TIMESTAMP WITH TIME ZONE": ColumnType.TIMESTAMP,
    "JSON": ColumnType.JSON,
    "UUID": ColumnType.UUID,
    "BLOB": ColumnType.BINARY,
}
# Text as RFC 3339 writes it, which is how the rows to come are written.
_ISO = "regexp_replace(strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'), '[.]000000Z$', 'Z')"


def columns_for(fields: Iterable[str], spec: TableSpec, *, there: Iterable[str] = ()) -> dict[str, str]:
    """The column of each field, in the final table of `spec`, whose columns are `there`, and its stages."""
    versions = tuple(VERSIONS) if spec.disposition is Disposition.SCD2 else ()
    return names_for(fields, taken=(*OURS, PART, FILE, "rowid", *versions), there=there)


class FinalTable:
    """The final table of one stream. Columns are compared as DuckDB does: without regard to case."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, spec: TableSpec) -> None:
        self._connection = connection
        self._spec = spec
        (database,) = connection.execute("SELECT current_database()").fetchall()[0]
        # With the database, since a file may be called like a source: then two names are ambiguous to DuckDB.
        self._address = (database, *spec.address)

    @property
    def name(self) -> str:
        return quoted(*self._address)

    def exists(self) -> bool:
        return bool(self._types())

    def as_stage(self) -> Stage:
        """The table's own columns, for statements that need no stage but its names."""
        there = self._types()
        found = {name: column for name, kind in there.items() if (column := column_of(name, kind))}
        names = {name: name for name in found}
        if self._spec.columns is not None:
            names |= columns_for((column.name for column in self._spec.columns), self._spec, there=there)
            found |= {column.name: column for column in self._spec.columns}
        return Stage("", "", (), tuple(found.values()), names)

    def fitted(self, columns: Sequence[Column]) -> tuple[dict[str, str], tuple[Column, ...]]:
        """The column of each field, and `columns` with the wider of their type and the one that they have there."""
        types = self._types()
        names = columns_for((column.name for column in columns), self._spec, there=types)
        there = {name: column for name, kind in types.items() if (column := column_of(name, kind))}
        return names, tuple(
            held(c, there.get(names[c.name]), most=MOST_DIGITS, rounds=self._rounds) for c in columns
        )

    def evolve(self, stage: Stage) -> None:
        """Make the table, or add and widen its columns; what is there already stays as it is."""
        wide = self._wide(stage)
        kinds = {stage.names[c.name]: type_of(c, wide=c.name in wide) for c in stage.columns} | OURS
        if self._spec.disposition is Disposition.SCD2:
            kinds |= VERSIONS
        there = {name.casefold(): kind for name, kind in self._types().items()}
        if not there:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(*self._address[:2])}")
            self._connection.execute(create_table(self._address, kinds.items()))
            return
        if self._spec.disposition is Disposition.SCD2 and VALID_FROM not in there:
            raise Misconfigured(
                "the final table keeps no versions: it was made with another write_disposition",
                hint="rename or drop it, and load it again with --replay-from 1",
            )
        for name, kind in kinds.items():
            if name.casefold() not in there:
                self._connection.execute(add_column(self._address, name, kind))
        for column in stage.columns:
            name = stage.names[column.name]
            known, kind = there.get(name.casefold()), kinds[name]
            # A type that we do not use is somebody's own choice, and so is a narrower one that still holds everything.
            if (
                known
                and known != kind
                and column_of(name, known)
                and not (known == "HUGEINT" and kind == "BIGINT")
            ):
                self._alter(column, name, known, kind)

    def _alter(self, column: Column, name: str, known: str, kind: str) -> None:
        table, field = self.name, quoted(name)
        before = _KINDS.get(known)
        if before is ColumnType.INTEGER and column.type is ColumnType.NUMBER and self._rounds(name):
            raise Transient(
                "another loader put integers beyond 2^53 into the table meanwhile", hint="load again"
            )
        value = field
        if column.type is ColumnType.STRING and before is ColumnType.TIMESTAMP:
            value = _ISO.format(field)
        self._connection.execute(
            f"ALTER TABLE {table} ALTER COLUMN {field} TYPE {kind} USING CAST({value} AS {kind})"
        )

    def _rounds(self, name: str) -> bool:
        """Whether a column of integers has such as a double would round."""
        beyond = f"SELECT 1 FROM {self.name} WHERE {quoted(name)} NOT BETWEEN {-_EXACT} AND {_EXACT} LIMIT 1"
        return bool(self._connection.execute(beyond).fetchall())

    def _wide(self, stage: Stage) -> set[str]:
        """The integer columns of the stage with values beyond 64 bits."""
        integers = [column.name for column in stage.columns if column.type is ColumnType.INTEGER]
        if not integers:
            return set()
        fields = [quoted(stage.names[name]) for name in integers]
        beyond = ", ".join(
            f"coalesce(max({field}) >= {_INT64} OR min({field}) < {-_INT64}, false)" for field in fields
        )
        (found,) = self._connection.execute(f"SELECT {beyond} FROM {stage.name}").fetchall()
        return {name for name, is_wide in zip(integers, found, strict=True) if is_wide}

    def _types(self) -> dict[str, str]:
        sql = (
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? "
            "AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) ORDER BY column_index"
        )
        return dict(self._connection.execute(sql, self._address).fetchall())


def column_of(name: str, kind: str) -> Column | None:
    """The column that a type of DuckDB stands for; None for types that we do not use."""
    if found := _DECIMAL.fullmatch(kind):
        return Column(name, ColumnType.DECIMAL, precision=int(found[1]), scale=int(found[2]))
    return Column(name, _KINDS[kind]) if kind in _KINDS else None


def explained(
    connection: duckdb.DuckDBPyConnection, group: Group, stage: Stage, error: Exception
) -> Violation:
    """Why the files of a group cannot be staged: the first column with values that are none of its type."""
    import duckdb

    texts = {stage.names[column.name]: "VARCHAR" for column in stage.columns}
    source = group.read(texts, stage.names)
    for column in doubts(group, stage.columns):
        name = quoted(stage.names[column.name])
        wrong = f"{name} IS NOT NULL AND {tried(column, name)} IS NULL"
        try:
            found = connection.execute(
                f"SELECT count(*), any_value({name}), min(list_position(?, _sluice_file)) FROM {source} WHERE {wrong}",
                [[str(part.file) for part in group.parts]],
            ).fetchone()
        except duckdb.Error:
            break  # the text itself is broken: DuckDB's own words are the best there are
        if found and found[0]:
            return Violation(
                f'{found[0]} values of column "{column.name}" are no {column.type.value}, like {found[1]!r:.80}',
                hint="correct the type in the contract, or the records at their source",
                part=group.parts[found[2] - 1].key,
                column=column.name,
            )
    return Violation(
        f"parts cannot be read: {str(error).splitlines()[0]}",
        hint="correct the contract, or the records at their source",
        part=group.parts[0].key,
    )
