"""A final table of a relational database as it is, and how it is made to fit a stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.common.errors import Misconfigured, Transient
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import COMMIT, HISTORY, LOADED_AT, RUN, VALID_FROM, held
from shared.warehouse.ports import Disposition, Stage, TableSpec
from shared.warehouse.relational_door import Door, names_of

_INT64 = 2**63
_EXACT = 2**53


class FinalTable:
    """The final table of one stream. `wide_stage`: integers of the stage may be beyond 64 bits."""

    def __init__(self, door: Door, spec: TableSpec) -> None:
        self._door = door
        self._spec = spec
        schema, table = spec.address
        self._address = (door.fit(schema), door.fit(table))
        self._known: dict[str, str] = {}
        self.wide_stage = False

    @property
    def name(self) -> str:
        return self._door.grammar.quote(*self._address)

    @property
    def _ours(self) -> Sequence[str]:
        versions = HISTORY if self._spec.disposition is Disposition.SCD2 else ()
        return (RUN, LOADED_AT, COMMIT, *versions)

    def exists(self) -> bool:
        return bool(self._types())

    def has_changed(self) -> bool:
        """Whether it is another table than `evolve` left."""
        return self._types() != self._known

    def as_stage(self) -> Stage:
        """The table's own columns, for statements that need no stage but its names."""
        types = self._types()
        found = {name: column for name, kind in types.items() if (column := self._door.column_of(name, kind))}
        names = {name: name for name in found}
        if self._spec.columns is not None:
            names |= self._names(self._spec.columns, types)
            found |= {column.name: column for column in self._spec.columns}
        return Stage("", "", (), tuple(found.values()), names)

    def fitted(self, columns: Sequence[Column]) -> tuple[dict[str, str], tuple[Column, ...]]:
        """The column of each field, and `columns` with the wider of their type and the one that they have there."""
        types = self._types()
        names = self._names(columns, types)
        there = {name: column for name, kind in types.items() if (column := self._door.column_of(name, kind))}
        most, scale = self._door.most_digits
        return names, tuple(
            held(c, there.get(names[c.name]), most=most, scale=scale, rounds=self._rounds) for c in columns
        )

    def _names(self, columns: Sequence[Column], there: Iterable[str]) -> dict[str, str]:
        door, listed = self._door, (column.name for column in columns)
        return names_of(listed, self._spec, taken=door.taken, fit=door.fit, fold=door.fold, there=there)

    def evolve(self, stage: Stage) -> None:
        """Make the table, or add and widen its columns; what is there already stays as it is."""
        door = self._door
        wide = self._wide(stage)
        kinds = {stage.names[c.name]: door.type_of(c, wide=c.name in wide) for c in stage.columns}
        kinds |= {name: door.ours[name] for name in self._ours}
        there = {door.fold(name): (name, kind) for name, kind in self._types().items()}
        if not there:
            keyed = self._spec.disposition in (Disposition.MERGE, Disposition.SCD2)
            keys = [stage.names[name] for name in self._spec.primary_key if keyed and name in stage.names]
            door.create_table(self._address, kinds, keys=keys)
        else:
            self._refuse_other_disposition(there)
            for name, kind in kinds.items():
                if door.fold(name) not in there:
                    door.run(f"ALTER TABLE {self.name} ADD COLUMN {door.grammar.quote(name)} {kind}")
            for column in stage.columns:
                name = stage.names[column.name]
                self._widen(column, there.get(door.fold(name)), kinds[name])
        self._known = self._types()

    def _refuse_other_disposition(self, there: Mapping[str, object]) -> None:
        if self._spec.disposition is Disposition.SCD2 and self._door.fold(VALID_FROM) not in there:
            raise Misconfigured(
                "the final table keeps no versions: it was made with another write_disposition",
                hint="rename or drop it, and load it again with --replay-from 1",
            )

    def _widen(self, column: Column, known: tuple[str, str] | None, kind: str) -> None:
        if known is None or known[1] == kind:
            return
        name, old = known
        before = self._door.column_of(name, old)
        # A type that we do not use is somebody's own choice, and so is a wider one.
        if before is None or (
            before.type is column.type is ColumnType.INTEGER and old.casefold() != "bigint"
        ):
            return
        if before.type is ColumnType.INTEGER and column.type is ColumnType.NUMBER and self._rounds(name):
            raise Transient(
                "another loader put integers beyond 2^53 into the table meanwhile", hint="load again"
            )
        self._door.widen(self._address, name, before=before, after=kind)

    def _rounds(self, name: str) -> bool:
        """Whether a column of integers has such as a double would round."""
        field = self._door.grammar.quote(name)
        beyond = f"SELECT 1 FROM {self.name} WHERE {field} NOT BETWEEN {-_EXACT} AND {_EXACT} LIMIT 1"
        return bool(self._door.query(beyond))

    def _wide(self, stage: Stage) -> set[str]:
        """The integer columns of the stage with values beyond 64 bits."""
        integers = [column.name for column in stage.columns if column.type is ColumnType.INTEGER]
        if not integers or not self.wide_stage:
            return set()
        fields = [self._door.grammar.quote(stage.names[name]) for name in integers]
        beyond = ", ".join(
            f"coalesce(max({field}) >= {_INT64} OR min({field}) < {-_INT64}, FALSE)" for field in fields
        )
        (found,) = self._door.query(f"SELECT {beyond} FROM {stage.name}")
        return {name for name, is_wide in zip(integers, found, strict=True) if is_wide}

    def _types(self) -> dict[str, str]:
        return self._door.types(self._address)
