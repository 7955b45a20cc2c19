"""Replay: the ledger goes back, so that the next load applies the commits from there on once more.

Nothing is fetched from a source; the landing zone has everything. In *merge* and *replace* tables the rows find their
places again, and nothing has to leave first. In *append* tables the rows of those commits leave in the very transaction
that moves the ledger, and a table of versions (`scd2`) is emptied: until the load that follows is through, readers see
the table without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.common.errors import Misconfigured, Violation
from shared.common.ports import Clock, ObjectStore
from shared.landing.commit import Commit
from shared.landing.reader import verify
from shared.warehouse.load import Log
from shared.warehouse.ports import Change, Disposition, OnStep, TableSpec, Warehouse


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay would do: commits behind `to` are applied again. `undo`: their rows leave the table first."""

    table: TableSpec
    position: int
    to: int
    undo: bool

    @property
    def moves(self) -> bool:
        return self.to < self.position

    @property
    def plan(self) -> str:
        """What is about to happen, for whoever has to agree."""
        what = f"{self.table.name}: commits {self.to + 1} to {self.position} are loaded again"
        if not self.undo:
            return f"{what}; rows of the same key take the place of the old ones, none is lost or doubled"
        if self.to == 0:
            return f"{what}; all their rows leave the table first"
        return f"{what}; their rows leave the table first"


def plan(table: TableSpec, position: int, start: int) -> Replay:
    """The replay from commit `start` on (0 or 1: all). Raises `Misconfigured` where only a replay of all is right."""
    to = max(0, start - 1)
    undo = table.disposition not in (Disposition.MERGE, Disposition.REPLACE)
    if undo and to and table.disposition is not Disposition.APPEND:
        raise Misconfigured(
            f"a table of versions cannot be replayed from commit {start} on: each version ends where the next begins",
            hint="replay all of it: --replay-from 0",
            source=table.source,
            stream=table.stream,
        )
    return Replay(table, position, to, undo)


def rewind(
    replay: Replay,
    log: Log,
    store: ObjectStore,
    warehouse: Warehouse,
    *,
    load_id: Callable[[], str],
    clock: Clock,
    on_step: OnStep = lambda step: None,
) -> bool:
    """Move the ledger back as planned; False when it was moved by somebody else meanwhile, and nothing was done.

    Raises `Violation` when the landing zone no longer has all parts of the commits that would be loaded again.
    """
    commits = [commit for commit in log.since(replay.to) if commit.sequence <= replay.position]
    _all_there(store, commits, replay)
    now = clock.now()
    with warehouse.session(replay.table) as session:
        change = Change(
            load=load_id(),
            before=replay.position,
            after=replay.to,
            run="",
            started=now,
            loaded_at=now,
            stage=None,
            undo=replay.to if replay.undo else None,
            note=f"replay from commit {replay.to + 1}",
        )
        return session.apply(change, step=on_step) is not None


def _all_there(store: ObjectStore, commits: Sequence[Commit], replay: Replay) -> None:
    """Rows must not leave a table for which the landing zone could not give them back."""
    missing = [wrong for commit in commits for wrong in verify(store, commit) if _holds_rows(commit, wrong)]
    if missing:
        raise Violation(
            f"{len(missing)} parts of the commits to load again are not there, or not as committed",
            hint=f"the table is as it was; the first one: {missing[0].where.get('part')}",
            source=replay.table.source,
            stream=replay.table.stream,
        )


def _holds_rows(commit: Commit, wrong: Violation) -> bool:
    return any(part.key == wrong.where.get("part") for part in commit.draft.parts)
