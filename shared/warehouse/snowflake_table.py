"""A final table on Snowflake as it is, and how it is made to fit a stage. Never inside a transaction: DDL
commits it.

Names are compared without regard to case, so that both ways of naming work (`snowflake_url.Names`). Our own
columns are never quoted, those of records always.

Snowflake cannot change a column's type but for a longer text, so a wider column takes the place of the narrow
one, in steps that can be cut off anywhere: `x` is copied to `_sluice_wide:x`, then `x` is renamed to
`_sluice_old:x`, what was loaded meanwhile is copied too, `_sluice_wide:x` is renamed to `x`, and
`_sluice_old:x` is dropped. Whoever comes next finishes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.common.errors import Misconfigured, SluiceError, Transient
from shared.contracts.columns import DIGITS, Column, ColumnType
from shared.warehouse.ddl import (
    CLOSED_BY,
    COMMIT,
    IS_CURRENT,
    LOADED_AT,
    RUN,
    VALID_FROM,
    VALID_TO,
    held,
    names_for,
    quoted,
    shortened,
)
from shared.warehouse.ports import Disposition, Stage, TableSpec
from shared.warehouse.snowflake_connection import Connection, missing
from shared.warehouse.snowflake_values import EXACT, INTEGER, MOMENT, column_of, holds, type_of, widened

OURS = {RUN: "VARCHAR", LOADED_AT: MOMENT, COMMIT: INTEGER}
VERSIONS = {VALID_FROM: MOMENT, VALID_TO: MOMENT, IS_CURRENT: "BOOLEAN", CLOSED_BY: INTEGER}

LONGEST = 255
"""Characters of a name."""

_WIDE, _OLD = "_sluice_wide:", "_sluice_old:"


def columns_for(
    fields: Sequence[str], spec: TableSpec, *, taken: Sequence[str] = (), there: Iterable[str] = ()
) -> dict[str, str]:
    """The column of each field, in the final table of `spec`, whose columns are `there`, and its stages.

    Columns may be called in upper case (`snowflake_url.Names`): of fields that differ in nothing else, the first one
    has the column that is there.
    """
    ours = (*OURS, *VERSIONS) if spec.disposition is Disposition.SCD2 else tuple(OURS)
    # The steps of widening need room for their marks.
    return names_for(
        fields,
        taken=(*ours, *taken),
        there=there,
        fit=lambda name: shortened(name, LONGEST - len(_WIDE)),
        owned=str.casefold,
    )


class FinalTable:
    """The final table of one stream."""

    def __init__(self, connection: Connection, spec: TableSpec) -> None:
        self._connection = connection
        self._spec = spec

    @property
    def name(self) -> str:
        return quoted(*self._spec.address)

    def exists(self) -> bool:
        return bool(self._types())

    def as_stage(self) -> Stage:
        """The table's own columns, for statements that need no stage but its names."""
        there = self._types()
        found = {name: column for name, kind in there.items() if (column := column_of(name, kind))}
        names = {name: name for name in found}
        if self._spec.columns is not None:
            names |= columns_for([column.name for column in self._spec.columns], self._spec, there=there)
            found |= {column.name: column for column in self._spec.columns}
        folded = {name.casefold(): name for name in there}
        for field in (*self._spec.primary_key, self._spec.cursor_field, self._spec.deleted_field):
            if field is not None and field not in names and field.casefold() in folded:
                names[field] = folded[field.casefold()]
        return Stage("", "", (), tuple(found.values()), names)

    def fitted(
        self, columns: Sequence[Column], *, taken: Sequence[str]
    ) -> tuple[dict[str, str], tuple[Column, ...]]:
        """The column of each field, and `columns` with the wider of their type and the one that they have there."""
        types = self._types()
        names = columns_for([column.name for column in columns], self._spec, taken=taken, there=types)
        there = {name.casefold(): column for name, kind in types.items() if (column := column_of(name, kind))}
        return names, tuple(self._held(c, there.get(names[c.name].casefold())) for c in columns)

    def _held(self, column: Column, known: Column | None) -> Column:
        if known is not None and known.type is column.type is not ColumnType.DECIMAL:
            return column
        return held(column, known, most=DIGITS, rounds=self._rounds)

    def _rounds(self, name: str) -> bool:
        """Whether a column of integers has such as a FLOAT would round."""
        beyond = f"SELECT 1 FROM {self.name} WHERE {quoted(name)} NOT BETWEEN {-EXACT} AND {EXACT} LIMIT 1"
        return bool(self._connection.query(beyond))

    def evolve(self, stage: Stage) -> None:
        """Make the table, or add and widen its columns; what is there already stays as it is."""
        ours = OURS | (VERSIONS if self._spec.disposition is Disposition.SCD2 else {})
        kinds = {quoted(stage.names[c.name]): type_of(c) for c in stage.columns} | ours
        there = self._types()
        if not there:
            listed = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
            self._connection.query(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._spec.address[0])}")
            self._connection.query(f"CREATE TABLE IF NOT EXISTS {self.name} ({listed})")
            return
        known = self._finished(there)
        if self._spec.disposition is Disposition.SCD2 and VALID_FROM not in known:
            raise Misconfigured(
                "the final table keeps no versions: it was made with another write_disposition",
                hint="rename or drop it, and load it again with --replay-from 1",
            )
        for name, kind in kinds.items():
            if name.strip('"').replace('""', '"').casefold() not in known:
                self._connection.query(f"ALTER TABLE {self.name} ADD COLUMN IF NOT EXISTS {name} {kind}")
        for column in stage.columns:
            name = stage.names[column.name]
            now = known.get(name.casefold())
            # A type that we do not use is somebody's own choice.
            if now and (before := column_of(name, now)) and not holds(now, type_of(column)):
                self._widen(before, column, name)

    def _finished(self, there: Mapping[str, str]) -> dict[str, str]:
        """The types by name in lower case, after ending what a loader that died had begun."""
        known = {name.casefold(): kind for name, kind in there.items()}
        for name in [name for name in there if name.casefold().startswith(_OLD)]:
            plain = name[len(_OLD) :]
            if plain.casefold() not in known:
                kind = known.pop(_WIDE + plain.casefold())
                self._exchanged(plain, kind, column_of(plain, there[name]))
                known[plain.casefold()] = kind
            self._alter(f"DROP COLUMN IF EXISTS {quoted(name)}")
            del known[name.casefold()]
        return known

    def _widen(self, before: Column, column: Column, name: str) -> None:
        field, kind = quoted(name), type_of(column)
        if before.type is ColumnType.INTEGER and column.type is ColumnType.NUMBER and self._rounds(name):
            raise Transient(
                "another loader put integers beyond 2^53 into the table meanwhile", hint="load again"
            )
        wide = quoted(_WIDE + name)
        # One that an earlier attempt left may have another type.
        self._alter(f"DROP COLUMN IF EXISTS {wide}")
        self._alter(f"ADD COLUMN IF NOT EXISTS {wide} {kind}")
        self._connection.query(
            f"UPDATE {self.name} SET {wide} = {widened(before, column, field)} WHERE {field} IS NOT NULL"
        )
        self._alter(f"RENAME COLUMN {field} TO {quoted(_OLD + name)}")
        self._exchanged(name, kind, before)
        self._alter(f"DROP COLUMN IF EXISTS {quoted(_OLD + name)}")

    def _exchanged(self, name: str, kind: str, before: Column | None) -> None:
        """The wide column takes the name; what was loaded since it was filled is copied first."""
        wide, old, after = (
            quoted(_WIDE + name),
            quoted(_OLD + name),
            column_of(name, kind),
        )
        if before is not None and after is not None:
            value = widened(before, after, old)
            self._connection.query(
                f"UPDATE {self.name} SET {wide} = {value} WHERE {wide} IS DISTINCT FROM {value}"
            )
        self._alter(f"RENAME COLUMN {wide} TO {quoted(name)}")

    def _alter(self, what: str) -> None:
        self._connection.query(f"ALTER TABLE {self.name} {what}")

    def _types(self) -> dict[str, str]:
        """The columns with their types; none where there is no table."""
        try:
            return {str(row[0]): str(row[1]) for row in self._connection.query(f"DESCRIBE TABLE {self.name}")}
        except SluiceError as error:
            if missing(error):
                return {}
            raise
