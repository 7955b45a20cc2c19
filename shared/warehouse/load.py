"""The load protocol: committed parts of a stream become rows of its final table, exactly once.

For the unapplied commits, in order: (1) verify the parts against the commit, (2) stage exactly these files, (3) count
the rows of each part, (4) leave one row per key, (5) run the checks on what is left (see `gate`), (6) create or widen
the final table, then in one transaction (7-10) compare-and-set the ledger, apply the stage, write the load record; at
last (12) drop the stage. A process that dies at any point leaves either the old ledger and the old table, or the new
ones; the next load begins where the ledger stands.

Not promised: that two tables of one source show the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from shared.common.errors import SluiceError, Violation
from shared.common.ports import Clock, ObjectStore
from shared.contracts.columns import Column
from shared.landing.commit import Commit
from shared.warehouse.aside import Held, staged, sweep
from shared.warehouse.batches import BYTES, Batch, batches
from shared.warehouse.drift import evolved, unrounded
from shared.warehouse.fetch import fetch, workplace
from shared.warehouse.gate import Gate, OpenGate, withdrawn
from shared.warehouse.infer import infer
from shared.warehouse.ledger import one_row_per_key, same_log
from shared.warehouse.ports import (
    Applied,
    Change,
    Disposition,
    OnStep,
    Session,
    Stage,
    StagedPart,
    Step,
    TableSpec,
    Warehouse,
)

Status = Literal["loaded", "nothing", "waiting", "superseded"]


class Log(Protocol):
    """What a loader reads of a stream's commit log."""

    def since(self, sequence: int) -> Iterator[Commit]:
        """The commits behind `sequence`, in order."""

    def read(self, sequence: int) -> Commit: ...


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did. `rows` were staged; of them `inserted` are new in the table and `updated` took an older one's
    place (the others were late or double); `deleted` keys are gone. `waiting` commits belong to a snapshot that is not
    whole yet, or were left to the next load. `aside` rows landed and are not in `rows`: the warehouse cannot hold them
    (see `aside`). `notes` say what was not as usual: rows that were set aside, that a person released, or had landed
    anew.
    """

    source: str
    stream: str
    table: str
    status: Status = "nothing"
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    aside: int = 0
    commits: int = 0
    loads: int = 0
    from_sequence: int = 0
    to_sequence: int = 0
    waiting: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "seconds": round(self.seconds, 3)}


def load(
    log: Log,
    store: ObjectStore,
    warehouse: Warehouse,
    table: TableSpec,
    *,
    load_id: Callable[[], str],
    clock: Clock,
    gate: Gate | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_step: OnStep = lambda step: None,
    on_progress: Callable[[LoadReport], None] = lambda report: None,
    batch_bytes: int = BYTES,
) -> LoadReport:
    """Apply the commits of the stream's log that the final table lacks.

    `load_id` names each load (it is part of its stage's name); `gate` decides whether a stage may go in; `stop` says
    that no further load shall begin; `on_step` is told every point of the protocol that was passed, `on_progress` what
    was done after each load. When another loader applied the commits first, this one ends with the status `superseded`
    and has done nothing.

    Raises `Violation` when the ledger is about another log (see `ledger`), or parts are missing or altered, do not fit
    the columns, do not hold the rows that the commit counted, or do not pass the gate (for the last two the stage is
    kept); `Misconfigured`, `Transient` and `Refused` as the warehouse has it. The final table is then as it was after
    the last load that is in the ledger.
    """
    began = clock.monotonic()
    try:
        with warehouse.session(table) as session:
            position = session.position()
            report = LoadReport(
                table.source, table.stream, table.name, from_sequence=position, to_sequence=position
            )
            same_log(log, session, table, position)
            commits = list(log.since(position))
            columns = None if table.columns is None else evolved(table.columns, commits)
            run = _Loading(store, session, table, columns, gate or OpenGate(), load_id, clock, on_step)
            session.sweep()
            if commits:
                one_row_per_key(session, table)
                sweep(store, session, table, position=position, now=clock.now())
            for batch in run.batches(log, commits, position, batch_bytes) if commits else ():
                if stop():
                    break
                done = run.batch(batch)
                if done is None:
                    report = replace(report, status="superseded")
                    break
                report = _added(report, batch, done, clock.monotonic() - began)
                on_progress(report)
    except SluiceError as error:
        error.at(source=table.source, stream=table.stream, table=table.name)
        raise
    waiting = (
        len(commits) - (report.to_sequence - report.from_sequence) if report.status != "superseded" else 0
    )
    status = "waiting" if report.status == "nothing" and waiting else report.status
    return replace(report, status=status, waiting=waiting, seconds=clock.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Done:
    applied: Applied
    note: str
    aside: int


def _added(report: LoadReport, batch: Batch, done: _Done, seconds: float) -> LoadReport:
    applied = done.applied
    return replace(
        report,
        status="loaded",
        rows=report.rows + sum(commit.draft.rows for commit in batch.commits) - done.aside,
        inserted=report.inserted + applied.inserted,
        updated=report.updated + applied.updated,
        deleted=report.deleted + applied.deleted,
        aside=report.aside + done.aside,
        commits=report.commits + batch.after - batch.before,
        loads=report.loads + 1,
        to_sequence=batch.after,
        seconds=seconds,
        notes=(*report.notes, done.note) if done.note else report.notes,
    )


@dataclass(frozen=True, slots=True)
class _Loading:
    store: ObjectStore
    session: Session
    table: TableSpec
    columns: tuple[Column, ...] | None
    gate: Gate
    load_id: Callable[[], str]
    clock: Clock
    on_step: OnStep

    def batches(self, log: Log, commits: Sequence[Commit], position: int, limit: int) -> Iterator[Batch]:
        """The loads to make, in order. One that was held ends where it ended then, so that it stays the same."""
        disposition, held = self.table.disposition, self.gate.held(position)
        if disposition is Disposition.REPLACE:
            held = ()  # a newer snapshot takes the place of one that was held, of which nothing would be left anyway
        before = log.read(position) if held and position else None
        for piece, ends_held in _pieces(commits, held):
            start, end = piece[0].sequence - 1, piece[-1].sequence
            anew = withdrawn(end, commits, before) if ends_held and not self.gate.released(end) else None
            if anew is not None:
                what = (
                    f"commits {start + 1} to {end} left out" if end > start + 1 else f"commit {end} left out"
                )
                yield Batch(
                    start, end, (), f"{what}: they were held, and commit {anew.sequence} lands them anew"
                )
            else:
                yield from batches(piece, start, disposition=disposition, read=log.read, limit=limit)
            before = piece[-1]

    def batch(self, batch: Batch) -> _Done | None:
        """One load: the steps of the protocol. None when the ledger had moved on."""
        load, started = self.load_id(), self.clock.now()
        held, note = self._staged(load, batch) if batch.commits else (None, batch.note)
        stage = None if held is None else held.stage
        change = Change(
            load=load,
            before=batch.before,
            after=batch.after,
            run=batch.run,
            started=started,
            loaded_at=self.clock.now(),
            stage=stage,
            note=note,
            at=batch.at,
        )
        applied = self.session.apply(change, step=self.on_step)
        if held is not None and applied is None:
            held.take_back(self.store)
        if stage is not None:
            self.session.drop(stage)
            if stage.spared is not None:
                self.session.drop(stage.spared)
            self.on_step(Step.DROPPED)
        return None if applied is None else _Done(applied, note, 0 if held is None else held.aside)

    def _staged(self, load: str, batch: Batch) -> tuple[Held, str]:
        """The rows of a batch, ready to be applied, and what was noted about them."""
        with workplace(self.store.scratch()) as folder:
            parts = fetch(self.store, batch.commits, folder=folder)
            self.on_step(Step.VERIFIED)
            columns = (
                infer(parts)
                if self.columns is None
                else unrounded(self.columns, self.table.columns or (), parts)
            )
            held = staged(self.session, self.store, self.table, load, columns, parts, folder=folder)
        stage = replace(held.stage, snapshot=batch.snapshot)
        self.on_step(Step.STAGED)
        with held.kept(self.store):
            note = self._settled(stage, held, load, batch)
        return replace(held, stage=stage), "; ".join(filter(None, (held.note, note)))

    def _settled(self, stage: Stage, held: Held, load: str, batch: Batch) -> str:
        """Bring a stage to where it can be applied; returns what the gate noted."""
        self._counted(stage, held.parts)
        self.on_step(Step.COUNTED)
        self.session.settle(stage)
        self.on_step(Step.SETTLED)
        note = self.gate.judge(self.session, stage, load=load, batch=batch)
        self.on_step(Step.CHECKED)
        self.session.evolve(stage)
        self.on_step(Step.EVOLVED)
        return note

    def _counted(self, stage: Stage, parts: list[StagedPart]) -> None:
        for part, found in zip(parts, stage.rows, strict=True):
            if found != part.rows:
                raise Violation(
                    f"commit {part.commit} says that a part has {part.rows} rows, and {found} were staged",
                    hint=f"the final table is as it was; what was staged is in {self.session.keep(stage)}",
                    part=part.key,
                )


def _pieces(commits: Sequence[Commit], held: Collection[int]) -> Iterator[tuple[Sequence[Commit], bool]]:
    """The commits cut behind each held one; True for a piece that ends with one."""
    start = 0
    for place, commit in enumerate(commits):
        if commit.sequence in held:
            yield commits[start : place + 1], True
            start = place + 1
    if start < len(commits):
        yield commits[start:], False
