"""One loader's session with Snowflake: the ledger, the stage and the transaction.

The stage is a temporary table: nobody else sees it, it is gone with the session, and a loader that starts
beside this one cannot sweep it away. Only what must be looked at (a wrong count, rows without a key) is copied
to a table that stays.

Snowflake enforces no keys: two sessions may both put a row for a stream into the ledger. So the position is
the highest of them, and the compare-and-set moves all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from shared.common.errors import SluiceError, Transient, Violation
from shared.contracts.columns import Column
from shared.warehouse.applying import apply_stage, flaws_of, undo
from shared.warehouse.ddl import COMMIT, DELETED, LEDGER, PART, quoted
from shared.warehouse.dml import Grammar
from shared.warehouse.ports import (
    Applied,
    Change,
    Disposition,
    Flaws,
    LoadRecord,
    OnStep,
    Stage,
    StagedPart,
    Step,
    TableSpec,
)
from shared.warehouse.snowflake_connection import Connection, missing
from shared.warehouse.snowflake_copy import FILE, ROW
from shared.warehouse.snowflake_files import Files
from shared.warehouse.snowflake_merge import SnowflakeDml, merge
from shared.warehouse.snowflake_stage import PLACE, Filling
from shared.warehouse.snowflake_table import FinalTable
from shared.warehouse.snowflake_values import MOMENT, text

LEDGER_TABLES = (
    f"CREATE TABLE IF NOT EXISTS {LEDGER}.ledger (source VARCHAR NOT NULL, stream VARCHAR NOT NULL, "
    f"sequence NUMBER(38,0) NOT NULL, run VARCHAR, loaded_at {MOMENT}, PRIMARY KEY (source, stream))",
    f"CREATE TABLE IF NOT EXISTS {LEDGER}.loads (load VARCHAR, source VARCHAR, stream VARCHAR, final VARCHAR, "
    "disposition VARCHAR, from_sequence NUMBER(38,0), to_sequence NUMBER(38,0), run VARCHAR, inserted NUMBER(38,0), "
    f"updated NUMBER(38,0), deleted NUMBER(38,0), started_at {MOMENT}, loaded_at {MOMENT}, note VARCHAR, "
    "recorded_at TIMESTAMP_LTZ DEFAULT CURRENT_TIMESTAMP())",
    f"CREATE TABLE IF NOT EXISTS {LEDGER}.{DELETED} (source VARCHAR, stream VARCHAR, identity VARCHAR, "
    f"moment {MOMENT}, number NUMBER(38,9), word VARCHAR)",
)
"""The ledger, the history of loads, and the deletions that are remembered. `recorded_at` is Snowflake's own clock,
which puts the history in order."""

_TRIES = 2
_MINE = "source = ? AND stream = ?"
_TAKEN = (PART, PLACE, FILE, ROW)


def _path(field: str, steps: Sequence[str]) -> str:
    return f"CAST({field}{''.join(f'[{text(step)}]' for step in steps)} AS VARCHAR)"


def _quote(*names: str) -> str:
    """Names of records are quoted, our own never: so both ways of naming find them (`snowflake_url.Names`)."""
    return ".".join(names) if names[0] == LEDGER else quoted(*names)


GRAMMAR = Grammar(quote=_quote, place=PLACE, path=_path, moment=MOMENT)


@dataclass(slots=True)
class SnowflakeSession:
    """A session (see `ports.Session`). Not for use by several threads at once. `match`: COPY may match by name."""

    connection: Connection
    spec: TableSpec
    files: Files
    tag: str
    match: bool = False
    _filled: set[str] = field(default_factory=set)
    """Stages that a new session of Snowflake would lack."""

    def prepare(self) -> None:
        """The ledger, with a row for the stream."""
        try:
            found = self._position()
        except SluiceError as error:
            if not missing(error):
                raise
            self.connection.query(f"CREATE SCHEMA IF NOT EXISTS {LEDGER}")
            for table in LEDGER_TABLES:
                self.connection.query(table)
            found = self._position()
        if found is None:
            there = f"SELECT COUNT(*) AS lines FROM {LEDGER}.ledger WHERE {_MINE}"
            row = f"INSERT INTO {LEDGER}.ledger (source, stream, sequence) SELECT ?, ?, 0"
            self.connection.query(f"{row} FROM ({there}) n WHERE n.lines = 0", (*self._stream, *self._stream))

    def position(self) -> int:
        return self._position() or 0

    def sweep(self) -> list[str]:
        mine = (
            "SELECT table_name FROM information_schema.tables "
            "WHERE UPPER(table_schema) = UPPER(?) AND STARTSWITH(LOWER(table_name), LOWER(?))"
        )
        names = [str(name) for (name,) in self.query(mine, (LEDGER, self._kept("")))]
        for name in names:
            self.connection.query(f"DROP TABLE IF EXISTS {LEDGER}.{quoted(name)}")
        return names

    def stage(
        self, load: str, columns: Sequence[Column], parts: Sequence[StagedPart], *, folder: Path
    ) -> Stage:
        del folder  # Snowflake reads the parts as they landed
        with self._tagged(load=load, run=parts[-1].run if parts else ""):
            for attempt in range(1, _TRIES):
                try:
                    return self._staged(f"{load}:{attempt}", load, columns, parts)
                except Transient:
                    # The session is gone, and with it all that a COPY whose answer was lost may have done.
                    if not self.connection.broken or self._filled:
                        raise
                    self.connection.reconnect()
            return self._staged(f"{load}:{_TRIES}", load, columns, parts)

    def keep(self, stage: Stage) -> str:
        kept = f"{LEDGER}.{quoted(self._kept(stage.load))}"
        self.connection.query(f"CREATE OR REPLACE TRANSIENT TABLE {kept} AS SELECT * FROM {stage.name}")
        return kept

    def evolve(self, stage: Stage) -> None:
        self._final.evolve(stage)

    def settle(self, stage: Stage) -> None:
        dml = self._dml(stage)
        if not dml.keyed or not stage.rows:
            return
        if keyless := self.connection.change(dml.keyless()):
            kept = self.keep(stage)
            raise Violation(
                f"{keyless} of {sum(stage.rows)} rows have no primary key ({', '.join(self.spec.primary_key)})",
                hint=f"correct primary_key of the stream, or require it in the contract; they are in {kept}",
            )
        if self.query(dml.repeated()):
            self.connection.query(dml.drop_superfluous())

    def apply(self, change: Change, *, step: OnStep) -> Applied | None:
        with self._tagged(load=change.load, run=change.run):
            # What reads the catalogue comes first: within the transaction only rows are read and changed.
            final = self._final.as_stage() if change.undo is not None else None
            self.connection.begin()
            try:
                applied = self._transaction(change, final, step)
                if applied is None:
                    self.connection.rollback()
                    return None
            except BaseException:
                self.connection.rollback()
                raise
            applied = self._committed(change, applied)
        step(Step.COMMITTED)
        return applied

    def drop(self, stage: Stage) -> None:
        self.connection.query(f"DROP TABLE IF EXISTS {stage.name}")
        self._filled.discard(stage.name)

    def history(self) -> list[LoadRecord]:
        rows = self.query(
            "SELECT load, from_sequence, to_sequence, COALESCE(run, ''), inserted, updated, loaded_at, "
            f"COALESCE(note, ''), deleted FROM {LEDGER}.loads WHERE {_MINE} "
            "ORDER BY recorded_at, loaded_at, to_sequence",
            self._stream,
        )
        return [LoadRecord(*row) for row in rows]

    def tally(self) -> dict[int, int]:
        if not self._final.exists():
            return {}
        rows = self.query(f"SELECT COALESCE({COMMIT}, 0), COUNT(*) FROM {self._final.name} GROUP BY 1")
        return {int(commit): int(count) for commit, count in rows}

    def flaws(self) -> Flaws | None:
        if not self._final.exists():
            return None
        dml = self._dml(self._final.as_stage())
        return flaws_of(dml, number=lambda sql: int(self.query(sql)[0][0]))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.query(sql, parameters)

    @property
    def _stream(self) -> tuple[str, str]:
        return self.spec.source, self.spec.stream

    @property
    def _final(self) -> FinalTable:
        return FinalTable(self.connection, self.spec)

    def _position(self) -> int | None:
        """None: the stream has no row."""
        ((highest,),) = self.query(f"SELECT MAX(sequence) FROM {LEDGER}.ledger WHERE {_MINE}", self._stream)
        return None if highest is None else int(highest)

    def _staged(
        self,
        label: str,
        load: str,
        columns: Sequence[Column],
        parts: Sequence[StagedPart],
    ) -> Stage:
        names, fields = self._final.fitted(columns, taken=_TAKEN)
        mine = f"{self.spec.source}:{self.spec.stream}:{label}"
        filling = Filling(self.connection, self.files, LEDGER, mine, fields, names, self.match)
        rows = filling.fill(parts)
        self._filled.add(filling.table)
        return Stage(filling.table, load, rows, fields, names)

    def _transaction(self, change: Change, final: Stage | None, step: OnStep) -> Applied | None:
        step(Step.BEGUN)
        moved = self.connection.change(
            f"UPDATE {LEDGER}.ledger SET sequence = ?, run = ?, loaded_at = {_moment(change.loaded_at)} WHERE {_MINE} "
            f"AND (SELECT MAX(sequence) FROM {LEDGER}.ledger WHERE {_MINE}) = ?",
            (change.after, change.run, *self._stream, *self._stream, change.before),
        )
        if not moved:
            return None
        step(Step.MOVED)
        if final is not None and final.columns:
            undo(self._dml(final), change.undo or 0, changed=self.connection.change)
        applied = Applied() if change.stage is None else self._rows(change, change.stage)
        step(Step.APPLIED)
        spec = self.spec
        values = (change.load, *self._stream, spec.name, spec.disposition.value, change.before, change.after)
        self.connection.query(
            f"INSERT INTO {LEDGER}.loads (load, source, stream, final, disposition, from_sequence, to_sequence, run, "
            "inserted, updated, deleted, note, started_at, loaded_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            f"{_moment(change.started)}, {_moment(change.loaded_at)}",
            (*values, change.run, applied.inserted, applied.updated, applied.deleted, change.note),
        )
        step(Step.RECORDED)
        return applied

    def _rows(self, change: Change, stage: Stage) -> Applied:
        dml, changed = self._dml(stage), self.connection.change
        if self.spec.disposition is Disposition.MERGE and dml.keyed and any(stage.rows):
            return merge(dml, change, query=self.connection.query)
        return apply_stage(dml, change, changed=changed, is_empty=lambda: not self.query(dml.any_row()))

    def _committed(self, change: Change, applied: Applied) -> Applied:
        """Commit. When the answer is lost, the history of loads tells whether it happened."""
        try:
            self.connection.commit()
        except Transient:
            self.connection.reconnect()
            if not self.query(
                f"SELECT 1 FROM {LEDGER}.loads WHERE load = ? AND {_MINE}", (change.load, *self._stream)
            ):
                raise
        return applied

    def _dml(self, stage: Stage) -> SnowflakeDml:
        return SnowflakeDml(self.spec, stage, self._final.name, GRAMMAR)

    def _kept(self, load: str) -> str:
        return f"stage:{self.spec.source}:{self.spec.stream}:{load}"

    @contextmanager
    def _tagged(self, *, load: str, run: str) -> Iterator[None]:
        """Statements in here carry the load and the run in their query tag."""
        tag = query_tag(self.tag, self.spec, load=load, run=run)
        self.connection.query(f"ALTER SESSION SET QUERY_TAG = {text(tag)}")
        yield


def query_tag(app: str, spec: TableSpec, **more: str) -> str:
    """What QUERY_HISTORY shows of our statements.

    >>> query_tag("sluice", TableSpec("recurly", "plans", Disposition.APPEND), run="r1")
    '{"app":"sluice","source":"recurly","stream":"plans","run":"r1"}'
    """
    values = {"app": app, "source": spec.source, "stream": spec.stream, **more}
    return json.dumps({name: value for name, value in values.items() if value}, separators=(",", ":"))[:2000]


def _moment(at: datetime) -> str:
    return GRAMMAR.instant(at)
