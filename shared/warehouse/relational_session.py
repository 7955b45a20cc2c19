"""One loader's connection to a relational database: the ledger, the stage and the transaction, in any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.common.errors import Transient, Violation
from shared.contracts.columns import Column
from shared.warehouse.applying import apply_stage, flaws_of, undo
from shared.warehouse.ddl import COMMIT, LEDGER, PART, RUN, shortened
from shared.warehouse.dml import Dml
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
from shared.warehouse.relational_door import ROW, Door
from shared.warehouse.relational_table import FinalTable
from shared.warehouse.rows import Rows

_STAGE = (RUN, COMMIT, PART, ROW)
_WHOSE = 30
"""How much of source and stream stands in the name of a stage, which may have 63 characters."""


class RelationalSession:
    """A session (see `ports.Session`). Not for use by several threads at once."""

    def __init__(self, door: Door, spec: TableSpec) -> None:
        self._door = door
        self._spec = spec
        self._stream = (spec.source, spec.stream)
        self._final = FinalTable(door, spec)
        self._ledger = door.grammar.quote(LEDGER, "ledger")
        self._loads = door.grammar.quote(LEDGER, "loads")

    def prepare(self) -> None:
        """The ledger, with a row for the stream."""
        mine = f"SELECT 1 FROM {self._ledger} WHERE source = ? AND stream = ?"
        if "deleted" in self._door.types((LEDGER, "loads")) and self.query(mine, self._stream):
            return
        with self._door.exclusive():
            self._door.prepare()
            if not self.query(mine, self._stream):
                row = f"INSERT INTO {self._ledger} (source, stream, sequence) VALUES (?, ?, 0)"
                self._door.run(row, self._stream)

    def position(self) -> int:
        found = f"SELECT sequence FROM {self._ledger} WHERE source = ? AND stream = ?"
        return int(self.query(found, self._stream)[0][0])

    def sweep(self) -> list[str]:
        prefix = self._kept_name("")
        kept = (
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = ? AND left(table_name, ?) = ?"
        )
        names = [str(name) for (name,) in self.query(kept, (LEDGER, len(prefix), prefix))]
        for name in names:
            self._door.run(f"DROP TABLE IF EXISTS {self._door.grammar.quote(LEDGER, name)}")
        return names

    def stage(
        self, load: str, columns: Sequence[Column], parts: Sequence[StagedPart], *, folder: Path
    ) -> Stage:
        del folder  # rows are sent, so nothing is rewritten on the disk
        door = self._door
        names, fields = self._final.fitted(columns)
        try:
            return self._staged(Stage("", load, (), fields, names), parts, careful=False)
        except Exception as error:
            if not door.is_fault_of_rows(error):
                raise
        # Integers beyond 64 bits, or a value that is none: the exact way takes the first and names the second.
        return self._staged(Stage("", load, (), fields, names), parts, careful=True)

    def _staged(self, stage: Stage, parts: Sequence[StagedPart], *, careful: bool) -> Stage:
        door = self._door
        kinds = {stage.names[c.name]: door.stage_type(c, wide=careful) for c in stage.columns}
        kinds |= {name: door.ours[name] for name in _STAGE}
        keys = [stage.names[name] for name in self._spec.primary_key if name in stage.names]
        name = door.create_stage(door.fit(f"load:{stage.load}"), kinds, keys=keys)
        stage = replace(stage, name=name)
        rows = Rows(stage.columns, door.spelling, line=door.line, careful=careful)
        counts: list[int] = []
        for place, part in enumerate(parts):
            lines = rows.of(part, tail=(part.run, part.commit, place), first=sum(counts))
            try:
                counts.append(door.send(stage, lines))
            except Exception as error:
                if careful and door.is_fault_of_rows(error):
                    raise Violation(
                        f"a part cannot be staged: {str(error).splitlines()[0]}",
                        hint="correct the contract, or the records at their source",
                        part=part.key,
                    ) from error
                raise
        self._final.wide_stage = careful
        return replace(stage, rows=tuple(counts))

    def keep(self, stage: Stage) -> str:
        kept = self._door.grammar.quote(LEDGER, self._kept_name(stage.load))
        self._door.run(f"DROP TABLE IF EXISTS {kept}")
        self._door.run(f"CREATE TABLE {kept} AS SELECT * FROM {stage.name}")
        return kept

    def evolve(self, stage: Stage) -> None:
        with self._door.exclusive():
            self._final.evolve(stage)

    def settle(self, stage: Stage) -> None:
        dml = self._dml(stage)
        if not dml.keyed or not any(stage.rows):
            return
        if keyless := int(self.query(dml.keyless())[0][0]):
            kept = self.keep(stage)
            raise Violation(
                f"{keyless} of {sum(stage.rows)} rows have no primary key ({', '.join(self._spec.primary_key)})",
                hint=f"correct primary_key of the stream, or require it in the contract; they are in {kept}",
            )
        if self.query(dml.repeated()):
            self._door.drop_superfluous(stage.name, dml.superfluous())

    def apply(self, change: Change, *, step: OnStep) -> Applied | None:
        self._door.run("START TRANSACTION")
        try:
            applied = self._transaction(change, step)
            self._door.run("ROLLBACK" if applied is None else "COMMIT")
        except BaseException as error:
            self._rollback(error)
            raise
        if applied is not None:
            step(Step.COMMITTED)
        return applied

    def drop(self, stage: Stage) -> None:
        self._door.run(f"DROP TABLE IF EXISTS {stage.name}")

    def history(self) -> list[LoadRecord]:
        quote = self._door.grammar.quote
        rows = self.query(
            f"SELECT {quote('load')}, from_sequence, to_sequence, coalesce(run, ''), inserted, updated, loaded_at, "
            f"coalesce(note, ''), deleted FROM {self._loads} WHERE source = ? AND stream = ? ORDER BY number",
            self._stream,
        )
        return [LoadRecord(*row) for row in rows]

    def tally(self) -> dict[int, int]:
        if not self._final.exists():
            return {}
        rows = self.query(f"SELECT coalesce({COMMIT}, 0), count(*) FROM {self._final.name} GROUP BY 1")
        return {int(commit): int(count) for commit, count in rows}

    def flaws(self) -> Flaws | None:
        if not self._final.exists():
            return None
        dml = self._dml(self._final.as_stage())
        return flaws_of(dml, number=lambda sql: int(self.query(sql)[0][0]))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._door.query(sql, parameters)

    def _transaction(self, change: Change, step: OnStep) -> Applied | None:
        step(Step.BEGUN)
        moved = self._door.run(
            f"UPDATE {self._ledger} SET sequence = ?, run = ?, loaded_at = ? "
            "WHERE source = ? AND stream = ? AND sequence = ?",
            (change.after, change.run, change.loaded_at, *self._stream, change.before),
        )
        if not moved:
            return None
        step(Step.MOVED)
        if change.undo is not None and self._final.exists():
            undo(self._dml(self._final.as_stage()), change.undo, changed=self._door.run)
        applied = Applied() if change.stage is None else self._rows(change, change.stage)
        step(Step.APPLIED)
        spec = self._spec
        record = {
            "load": change.load,
            "source": spec.source,
            "stream": spec.stream,
            "final": spec.name,
            "disposition": spec.disposition.value,
            "from_sequence": change.before,
            "to_sequence": change.after,
            "run": change.run,
            "inserted": applied.inserted,
            "updated": applied.updated,
            "started_at": change.started,
            "loaded_at": change.loaded_at,
            "note": change.note,
            "deleted": applied.deleted,
        }
        names = ", ".join(self._door.grammar.quote(name) for name in record)
        marks = ", ".join("?" * len(record))
        self._door.run(f"INSERT INTO {self._loads} ({names}) VALUES ({marks})", tuple(record.values()))
        step(Step.RECORDED)
        return applied

    def _rows(self, change: Change, stage: Stage) -> Applied:
        self._door.pin(self._final.name)
        if self._final.has_changed():
            raise Transient(
                "another loader changed the final table meanwhile", hint="load again; nothing was applied"
            )
        dml = self._dml(stage)
        is_empty = not self.query(dml.any_row())
        if dml.keyed and not is_empty:  # there will be joins
            keys = [stage.names[name] for name in self._spec.primary_key if name in stage.names]
            self._door.look_over(stage.name, keys)
        return apply_stage(dml, change, changed=self._door.run, is_empty=lambda: is_empty)

    def _rollback(self, error: BaseException) -> None:
        try:
            self._door.run("ROLLBACK")
        except Exception as second:  # noqa: BLE001 - a connection that is gone has rolled back, and the first error says why
            error.add_note(f"and the transaction could not be rolled back: {second}")

    def _dml(self, stage: Stage) -> Dml:
        return Dml(self._spec, stage, self._final.name, self._door.grammar)

    def _kept_name(self, load: str) -> str:
        return f"stage:{shortened(f'{self._spec.source}:{self._spec.stream}', _WHOSE)}:{load}"
