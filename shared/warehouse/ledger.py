"""Whether the ledger of a warehouse speaks of the log that lies in the landing zone, or of another one.

The ledger knows the number of the last loaded commit and the last run that it applied rows of. A landing zone that was
lost, emptied or exchanged begins to count anew: without this comparison its first commits would pass for loaded ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from shared.common.errors import Misconfigured, Violation
from shared.landing.commit import Commit
from shared.warehouse.ddl import LEDGER
from shared.warehouse.ports import Disposition, Session, TableSpec, Warehouse

_HINT = (
    "point LANDING_URL at the landing zone that this warehouse was loaded from, or restore it; if this one is meant, "
    "load it from its beginning with sluice load {source} --streams {stream} --replay-from 0 (a table that appends or "
    "keeps versions then loses the rows that only the other landing zone has)"
)


class Commits(Protocol):
    """What is read of a stream's commit log."""

    def read(self, sequence: int) -> Commit: ...


def run_of(session: Session, table: TableSpec) -> str:
    """The last run that the ledger of the stream knows to be applied; empty where it knows none."""
    found = session.query(
        f"SELECT coalesce(run, '') FROM {LEDGER}.ledger WHERE source = ? AND stream = ? ORDER BY sequence DESC",
        (table.source, table.stream),
    )
    return str(found[0][0]) if found else ""


def runs(warehouse: Warehouse, source: str, positions: Mapping[str, int]) -> dict[str, str]:
    """As `run_of`, for all streams of a source that have a position, in one query; makes nothing."""
    known = next((stream for stream, position in positions.items() if position), None)
    if known is None:
        return {}
    # The session is about a stream that is in the ledger already, so it adds no row to it.
    with warehouse.session(TableSpec(source, known, Disposition.APPEND)) as session:
        found = session.query(
            f"SELECT stream, coalesce(run, '') FROM {LEDGER}.ledger WHERE source = ? ORDER BY sequence",
            (source,),
        )
    return {str(stream): str(run) for stream, run in found}


def same_log(log: Commits, session: Session, table: TableSpec, position: int) -> None:
    """Raises `Violation` when the ledger, which stands at `position`, is about another log."""
    if position:
        wrong = astray(log, table.source, table.stream, position, run_of(session, table))
        if wrong is not None:
            raise wrong


def one_row_per_key(session: Session, table: TableSpec) -> None:
    """Raises `Misconfigured` when a merged table was filled by another write_disposition and repeats keys."""
    if table.disposition is not Disposition.MERGE or not table.primary_key:
        return
    last = session.query(
        f"SELECT disposition FROM {LEDGER}.loads WHERE source = ? AND stream = ? AND to_sequence > from_sequence "
        "ORDER BY loaded_at DESC LIMIT 1",
        (table.source, table.stream),
    )
    if not last or last[0][0] == table.disposition.value:
        return
    flaws = session.flaws()
    if flaws is not None and flaws.doubled:
        raise Misconfigured(
            f"{flaws.doubled} keys have several rows in the final table: it was filled with write_disposition "
            f"{last[0][0]}, and is to have one row per {', '.join(table.primary_key)}",
            hint="rename or drop it, and load it again with --replay-from 1",
        )


def astray(
    log: Commits, source: str, stream: str, position: int, run: str, *, head: Commit | None = None
) -> Violation | None:
    """Why a ledger that stands at `position` after `run` is not about this log; None when it is.

    `head` spares a request where the caller has read the last commit. A ledger that knows no run (it was moved back,
    or only over commits without rows) is compared by its position alone.
    """
    if not position:
        return None
    where = {"source": source, "stream": stream}
    hint = _HINT.format(source=source, stream=stream)
    commit = head if head is not None and head.sequence == position else _read(log, position)
    if commit is None:
        return Violation(
            f"the warehouse has loaded up to commit {position}, and the log has no such commit: the landing zone "
            "was lost, emptied or exchanged, or its last commits are gone",
            hint=hint,
            **where,
        )
    if not run or commit.draft.run == run:
        return None
    while not _has_rows(commit) and commit.sequence > 1:
        commit = log.read(commit.sequence - 1)
    if commit.draft.run == run:
        return None
    return Violation(
        f"the warehouse has loaded commit {commit.sequence} of run {run}, and in the log it is of run "
        f"{commit.draft.run}: this is another landing zone than the one that was loaded",
        hint=hint,
        **where,
    )


def _has_rows(commit: Commit) -> bool:
    return commit.draft.kind == "data" and bool(commit.draft.parts)


def _read(log: Commits, sequence: int) -> Commit | None:
    try:
        return log.read(sequence)
    except KeyError:
        return None
