"""One loader's connection to a DuckDB database: the ledger, the stage and the transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from shared.common.errors import Transient, Violation
from shared.contracts.columns import Column
from shared.warehouse.applying import apply_stage, flaws_of, undo
from shared.warehouse.ddl import (
    COMMIT,
    DELETED,
    LEDGER,
    PART,
    RUN,
    literal,
    quoted,
)
from shared.warehouse.dml import Dml, Grammar
from shared.warehouse.duckdb_read import (
    Group,
    groups,
    needs_rewriting,
    rewritten,
    stage_type,
)
from shared.warehouse.duckdb_table import FinalTable, explained
from shared.warehouse.ports import (
    Applied,
    Change,
    Flaws,
    LoadRecord,
    OnStep,
    Stage,
    StagedPart,
    Step,
    TableSpec,
)

if TYPE_CHECKING:
    import duckdb

_T = TypeVar("_T")
_TRIES = 5
_STAGE = ((RUN, "VARCHAR"), (COMMIT, "BIGINT"), (PART, "INTEGER"))


def _path(field: str, steps: Sequence[str]) -> str:
    path = "$" + "".join("." + '"' + step.replace('"', '\\"') + '"' for step in steps)
    return f"json_extract_string({field}, {literal(path)})"


# Later rows of a stage have larger rowids, since it is filled in the order of the log.
GRAMMAR = Grammar(quote=quoted, place="rowid", path=_path, moment="TIMESTAMP WITH TIME ZONE")
_PREPARE = f"""
CREATE SCHEMA IF NOT EXISTS {LEDGER};
CREATE TABLE IF NOT EXISTS {LEDGER}.ledger (
    source VARCHAR, stream VARCHAR, sequence BIGINT NOT NULL, run VARCHAR, loaded_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (source, stream)
);
CREATE TABLE IF NOT EXISTS {LEDGER}.{DELETED} (
    source VARCHAR, stream VARCHAR, identity VARCHAR, moment TIMESTAMP WITH TIME ZONE, number DECIMAL(38, 9),
    word VARCHAR
);
CREATE TABLE IF NOT EXISTS {LEDGER}.loads (
    load VARCHAR, source VARCHAR, stream VARCHAR, final VARCHAR, disposition VARCHAR, from_sequence BIGINT,
    to_sequence BIGINT, run VARCHAR, inserted BIGINT, updated BIGINT, started_at TIMESTAMP WITH TIME ZONE,
    loaded_at TIMESTAMP WITH TIME ZONE, note VARCHAR
);
ALTER TABLE {LEDGER}.loads ADD COLUMN IF NOT EXISTS note VARCHAR;
ALTER TABLE {LEDGER}.loads ADD COLUMN IF NOT EXISTS deleted BIGINT;
"""


class DuckDBSession:
    """A session (see `ports.Session`). Not for use by several threads at once."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, spec: TableSpec, *, ddl: threading.Lock
    ) -> None:
        self._connection = connection
        self._spec = spec
        self._ddl = ddl
        self._stream = (spec.source, spec.stream)
        self._final = FinalTable(connection, spec)

    def prepare(self) -> None:
        """The ledger, with a row for the stream."""
        self._repeated(partial(self._connection.execute, _PREPARE))
        row = f"INSERT INTO {LEDGER}.ledger VALUES (?, ?, 0, NULL, NULL) ON CONFLICT DO NOTHING"
        self._repeated(partial(self._connection.execute, row, self._stream))

    def position(self) -> int:
        found = self.query(
            f"SELECT sequence FROM {LEDGER}.ledger WHERE source = ? AND stream = ?", self._stream
        )
        return int(found[0][0])

    def sweep(self) -> list[str]:
        mine = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ? AND starts_with(table_name, ?)"
        names = [name for (name,) in self.query(mine, (LEDGER, self._stage_name("")))]
        for name in names:
            self._repeated(partial(self._connection.execute, f"DROP TABLE IF EXISTS {quoted(LEDGER, name)}"))
        return names

    def stage(
        self, load: str, columns: Sequence[Column], parts: Sequence[StagedPart], *, folder: Path
    ) -> Stage:
        names, fields = self._final.fitted(columns)
        name = quoted("temp", "main", self._stage_name(load))
        kinds = [(names[column.name], stage_type(column)) for column in fields]
        listed = ", ".join(f"{quoted(column)} {kind}" for column, kind in [*kinds, *_STAGE])
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({listed})")
        stage = Stage(name, load, (), fields, names)
        for group in groups(parts):
            self._fill(stage, group, folder)
        counts = dict(self.query(f"SELECT {PART}, count(*) FROM {name} GROUP BY 1"))
        return replace(stage, rows=tuple(counts.get(place, 0) for place in range(len(parts))))

    def keep(self, stage: Stage) -> str:
        kept = quoted(LEDGER, self._stage_name(stage.load))
        self._connection.execute(f"CREATE OR REPLACE TABLE {kept} AS SELECT * FROM {stage.name}")
        return kept

    def evolve(self, stage: Stage) -> None:
        self._repeated(partial(self._final.evolve, stage))

    def settle(self, stage: Stage) -> None:
        dml = self._dml(stage)
        if not dml.keyed or not stage.rows:
            return
        if keyless := self._number(dml.keyless()):
            kept = self.keep(stage)
            raise Violation(
                f"{keyless} of {sum(stage.rows)} rows have no primary key ({', '.join(self._spec.primary_key)})",
                hint=f"correct primary_key of the stream, or require it in the contract; they are in {kept}",
            )
        if self.query(dml.repeated()):
            self._connection.execute(dml.drop_superfluous())

    def apply(self, change: Change, *, step: OnStep) -> Applied | None:
        import duckdb

        last: Exception | None = None
        for _ in range(_TRIES):
            try:
                return self._attempt(change, step)
            except duckdb.TransactionException as error:  # another session of this process was faster
                if self.position() != change.before:
                    return None
                last = error
        raise Transient("DuckDB refused the transaction again and again", hint="load again") from last

    def drop(self, stage: Stage) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {stage.name}")

    def history(self) -> list[LoadRecord]:
        rows = self.query(
            "SELECT load, from_sequence, to_sequence, coalesce(run, ''), inserted, updated, loaded_at, "
            f"coalesce(note, ''), deleted FROM {LEDGER}.loads WHERE source = ? AND stream = ? ORDER BY rowid",
            self._stream,
        )
        return [LoadRecord(*row) for row in rows]

    def tally(self) -> dict[int, int]:
        if not self._final.exists():
            return {}
        return dict(self.query(f"SELECT coalesce({COMMIT}, 0), count(*) FROM {self._final.name} GROUP BY 1"))

    def flaws(self) -> Flaws | None:
        if not self._final.exists():
            return None
        return flaws_of(self._dml(self._final.as_stage()), number=self._number)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, parameters).fetchall()

    def _fill(self, stage: Stage, group: Group, folder: Path) -> None:
        """Read the files the fast way and, where that fails, the exact way."""
        import duckdb

        into = f"INSERT INTO {stage.name} "
        exact = needs_rewriting(stage.columns, stage.names)
        if not exact:
            try:
                self._connection.execute(into + group.select(stage.columns, stage.names))
            except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException):
                exact = True
            else:
                return
        group = rewritten(group, stage.columns, stage.names, folder=folder)
        try:
            self._connection.execute(into + group.select(stage.columns, stage.names))
        except (
            duckdb.InvalidInputException,
            duckdb.ConversionException,
            duckdb.OutOfRangeException,
        ) as error:
            raise explained(self._connection, group, stage, error) from error

    def _attempt(self, change: Change, step: OnStep) -> Applied | None:
        self._connection.execute("BEGIN")
        try:
            applied = self._transaction(change, step)
            self._connection.execute("ROLLBACK" if applied is None else "COMMIT")
        except BaseException:
            self._rollback()
            raise
        if applied is not None:
            step(Step.COMMITTED)
        return applied

    def _transaction(self, change: Change, step: OnStep) -> Applied | None:
        step(Step.BEGUN)
        moved = self._number(
            f"UPDATE {LEDGER}.ledger SET sequence = ?, run = ?, loaded_at = ? "
            "WHERE source = ? AND stream = ? AND sequence = ?",
            (change.after, change.run, change.loaded_at, *self._stream, change.before),
        )
        if not moved:
            return None
        step(Step.MOVED)
        if change.undo is not None and self._final.exists():
            undo(self._dml(self._final.as_stage()), change.undo, changed=self._number)
        applied = Applied() if change.stage is None else self._rows(change, change.stage)
        step(Step.APPLIED)
        spec = self._spec
        values: tuple[Any, ...]
        values = (change.load, *self._stream, spec.name, spec.disposition.value, change.before, change.after)
        values += (change.run, applied.inserted, applied.updated)
        values += (change.started, change.loaded_at, change.note, applied.deleted)
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {LEDGER}.loads VALUES ({marks})", values)
        step(Step.RECORDED)
        return applied

    def _rows(self, change: Change, stage: Stage) -> Applied:
        dml = self._dml(stage)
        return apply_stage(dml, change, changed=self._number, is_empty=lambda: not self.query(dml.any_row()))

    def _dml(self, stage: Stage) -> Dml:
        return Dml(self._spec, stage, self._final.name, GRAMMAR)

    def _number(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """The one number that a query answers, or of the rows that a statement changed."""
        return int(self.query(sql, parameters)[0][0])

    def _rollback(self) -> None:
        import duckdb

        try:
            self._connection.execute("ROLLBACK")
        except duckdb.TransactionException:
            return  # a failed COMMIT has rolled back already

    def _repeated(self, work: Callable[[], _T]) -> _T:
        """Change the catalogue: one session of this process at a time, and again where another was in the way."""
        import duckdb

        with self._ddl:
            for _ in range(_TRIES - 1):
                try:
                    return work()
                except (duckdb.TransactionException, duckdb.ConstraintException):
                    continue
            return work()

    def _stage_name(self, load: str) -> str:
        return f"stage:{self._spec.source}:{self._spec.stream}:{load}"
