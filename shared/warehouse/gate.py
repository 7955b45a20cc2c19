"""The gate between a stage and its final table: the checks of a stream, what they decided, and what a person overruled.

A load whose checks fail is *held*: its stage and its verdict are kept, the ledger stays, and every later load stops at
the same commit, with the same rows, and is checked again: it goes on when the checks hold then (they were corrected, or
the table that they look into has the rows now), when a person has released it, or when the rows are landed anew from
before it (`sluice state rewind` or `reset`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from shared.common.ports import Clock, ObjectStore
from shared.landing.commit import Commit
from shared.warehouse.batches import Batch
from shared.warehouse.ddl import OURS, PART
from shared.warehouse.ports import Disposition, Session, Stage, TableSpec
from shared.warehouse.release import standing

if TYPE_CHECKING:
    from shared.contracts.expectation import Expectation
    from shared.warehouse.checks.dialect import Dialect, Query
    from shared.warehouse.checks.verdict import Verdict


class Gate(Protocol):
    """What decides whether the rows of a stage may go into the final table."""

    def held(self, after: int) -> Collection[int]:
        """The last commits of the loads behind commit `after` that were held, released ones among them.

        A load must end at each of them, so that what is decided is about the same rows.
        """

    def released(self, sequence: int) -> str:
        """Why a person let the rows up to this commit in; empty when nobody did."""

    def judge(self, session: Session, stage: Stage, *, load: str, batch: Batch) -> str:
        """Look at the stage; returns a note for the load record.

        Raises `Violation` when the rows stay out; the stage and the verdict are kept then.
        """


class OpenGate:
    """Lets everything in: for streams without checks."""

    def held(self, after: int) -> Collection[int]:
        return ()

    def released(self, sequence: int) -> str:
        return ""

    def judge(self, session: Session, stage: Stage, *, load: str, batch: Batch) -> str:
        return ""


@dataclass(slots=True)
class CheckedGate:
    """The checks of one stream, for one loader. `tell` hears every new verdict.

    `tables` gives the final table of a stream as it stands in SQL; it may ask the warehouse for it.
    """

    store: ObjectStore
    table: TableSpec
    checks: Sequence[Expectation]
    dialect: Dialect
    clock: Clock
    tell: Callable[[Verdict], None] = lambda verdict: None
    tables: Callable[[Query, str, str], str] | None = None
    _standing: Mapping[int, Verdict] = field(default_factory=dict)

    def held(self, after: int) -> Collection[int]:
        self._standing = standing(self.store, self.table.source, self.table.stream, after=after)
        return self._standing

    def released(self, sequence: int) -> str:
        verdict = self._standing.get(sequence)
        return verdict.released if verdict is not None else ""

    def judge(self, session: Session, stage: Stage, *, load: str, batch: Batch) -> str:
        from shared.warehouse.checks.tell import violation
        from shared.warehouse.checks.verdict import save

        if reason := self.released(batch.after):
            return f"released: {reason}"
        verdict = self._verdict(session, stage, load, batch)
        before = self._standing.get(batch.after)
        if not verdict.passed and before is not None and _alike(verdict, before):
            verdict = before  # what was found already is not written down again and again
        else:
            save(self.store, verdict)
            self.tell(verdict)
        if not verdict.passed:
            raise violation(verdict, kept=session.keep(stage))
        return ""

    def _verdict(self, session: Session, stage: Stage, load: str, batch: Batch) -> Verdict:
        from shared.warehouse.checks.plan import Context
        from shared.warehouse.checks.run import run_checks
        from shared.warehouse.checks.verdict import Verdict

        spec = self.table
        context = Context(
            now=self.clock.now(),
            key=spec.primary_key,
            names=stage.names,
            committed_rows=self._rows(session, stage),
            history=self._history(),
            tables=None if self.tables is None else partial(self.tables, session.query),
            hidden=(*OURS, PART),
        )
        about = Verdict(spec.source, spec.stream, spec.name, run=batch.run, load=load, sequence=batch.after)
        found = run_checks(
            session.query,
            stage.name,
            self.checks,
            dialect=self.dialect,
            context=context,
            about=about,
            clock=self.clock,
        )
        # People know the final table; the stage has a name of one load only.
        return Verdict(**{name: getattr(found, name) for name in found.__slots__} | {"table": spec.name})

    def _rows(self, session: Session, stage: Stage) -> int:
        """What the commits say, less the rows that gave way to another one of their key."""
        if not self.table.primary_key or self.table.disposition is Disposition.APPEND:
            return sum(stage.rows)
        return int(session.query(f"SELECT count(*) FROM {stage.name}")[0][0])

    def _history(self) -> list[dict[str, Any]]:
        """Earlier observations, where a check compares with them: each is an object to fetch."""
        from shared.contracts.expectations import Usual
        from shared.warehouse.checks.verdict import history

        most = max((check.loads for check in self.checks if isinstance(check, Usual)), default=0)
        return history(self.store, self.table.source, self.table.stream, most=most) if most else []


def withdrawn(sequence: int, commits: Iterable[Commit], before: Commit | None) -> Commit | None:
    """The commit by which a person had the held rows up to `sequence` landed anew; None: they still count.

    It must go back at least to where the stream stood before them (`before`: the last commit that was loaded).
    """
    start: Any = None if before is None else before.draft.cursor
    for commit in commits:
        if commit.sequence <= sequence:
            continue
        to = commit.draft.cursor
        match commit.draft.kind:
            case "reset":
                return commit
            case "rewind" if type(to) is type(start) and isinstance(to, str | int | float) and to <= start:
                return commit
    return None


def _alike(one: Verdict, other: Verdict) -> bool:
    """Whether two verdicts on the same rows say the same, whenever they were found."""
    return [(r.check, r.arguments, r.severity, r.success, r.unexpected) for r in one.results] == [
        (r.check, r.arguments, r.severity, r.success, r.unexpected) for r in other.results
    ]
