"""Reconciliation: what landed, what the ledger says and what the final table holds, held against each other.

Each number comes from where it is true: rows and rejects from the commits, parts from the store, the position from the
ledger, what was applied from the load records, and rows by commit from the table itself. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.common.errors import Violation
from shared.common.ports import ObjectStore
from shared.contracts.columns import ColumnType
from shared.landing.commit import Commit
from shared.landing.reader import verify
from shared.warehouse.aside import set_aside
from shared.warehouse.gate import Gate, OpenGate
from shared.warehouse.load import Log
from shared.warehouse.ports import Disposition, Flaws, LoadRecord, TableSpec, Warehouse

_NAMED = 20


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The figures of one stream. `rows` have landed, `rejected` ones have not; `waiting` commits with `waiting_rows`
    are not loaded yet and the warehouse cannot hold `aside` rows, which is no difference; `table_rows` are in the final
    table. `differences` say what is wrong.
    """

    source: str
    stream: str
    table: str
    commits: int = 0
    rows: int = 0
    rejected: int = 0
    trimmed: int = 0
    position: int = 0
    loads: int = 0
    waiting: int = 0
    waiting_rows: int = 0
    aside: int = 0
    table_rows: int = 0
    differences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class _Books:
    """What was read, before it is compared."""

    table: TableSpec
    commits: Sequence[Commit]
    position: int
    loads: Sequence[LoadRecord]
    tally: Mapping[int, int] = field(repr=False)
    aside: Mapping[int, int] = field(default_factory=dict)
    flaws: Flaws | None = None

    @property
    def applied(self) -> list[Commit]:
        return [commit for commit in self.commits if commit.sequence <= self.position]


def reconcile(
    log: Log, store: ObjectStore, warehouse: Warehouse, table: TableSpec, *, gate: Gate | None = None
) -> Reconciled:
    """Compare the landing zone of a stream with its table. `gate` names what its checks hold back.

    Reads the whole log, and asks the store for each part's size.
    """
    found = list[str]()
    commits = _read(log, found)
    with warehouse.session(table) as session:
        books = _Books(table, commits, session.position(), session.history(), session.tally())
        books = replace(books, flaws=session.flaws())
    books = replace(books, aside=set_aside(store, table.source, table.stream, books.loads))
    found += _parts(store, commits)
    found += _ledger(books)
    found += _table(books)
    found += _held(gate or OpenGate(), books.position)
    waiting = [commit for commit in commits if commit.sequence > books.position]
    return Reconciled(
        table.source,
        table.stream,
        table.name,
        commits=len(commits),
        rows=sum(commit.draft.rows for commit in commits),
        rejected=sum(commit.draft.rejected for commit in commits),
        trimmed=sum(commit.draft.trimmed for commit in commits),
        position=books.position,
        loads=len(books.loads),
        waiting=len(waiting),
        waiting_rows=sum(commit.draft.rows for commit in waiting),
        aside=sum(books.aside.values()),
        table_rows=sum(books.tally.values()),
        differences=tuple(found),
    )


def _read(log: Log, found: list[str]) -> list[Commit]:
    """The commits as far as the log can be read."""
    commits = list[Commit]()
    try:
        commits.extend(log.since(0))
    except Violation as error:
        found.append(f"log: {error.message}")
        for sequence in range(1, 1 << 62):
            try:
                commits.append(log.read(sequence))
            except (KeyError, Violation):
                break
    return commits


def _parts(store: ObjectStore, commits: Sequence[Commit]) -> Iterator[str]:
    for commit in commits:
        draft = commit.draft
        for wrong in verify(store, commit):
            yield f"parts: {wrong.message}: {wrong.where.get('part')} of commit {commit.sequence}"
        kept = sum(part.rows for part in draft.rejected_parts)
        if kept != draft.rejected + draft.trimmed:
            counted = f"{draft.rejected} rejected and {draft.trimmed} trimmed records"
            yield f"quarantine: commit {commit.sequence} counts {counted}, and its quarantine holds {kept}"


def _ledger(books: _Books) -> Iterator[str]:
    last = books.commits[-1].sequence if books.commits else 0
    if books.position > last:
        yield (
            f"ledger: it stands at commit {books.position}, and the log ends at {last}: "
            "commits are gone, or the landing zone is another one"
        )
    place = 0
    for record in _since_beginning(books.loads):
        if record.before != place:
            yield f"loads: {record.load} goes on from commit {record.before}, and the one before it ended at {place}"
        place = record.after
    if books.loads and place != books.position:
        yield f"loads: the last one ended at commit {place}, and the ledger stands at {books.position}"
    if not books.loads and books.position:
        yield f"loads: there is no record of one, and the ledger stands at commit {books.position}"


def _table(books: _Books) -> Iterator[str]:
    if books.flaws is None and any(record.inserted for record in _since_replay(books.loads)):
        yield "table: it is not there: load it anew with --replay-from 0"
        return
    match books.table.disposition:
        case Disposition.APPEND:
            yield from _by_commit(books)
        case Disposition.REPLACE:
            yield from _by_snapshot(books)
        case Disposition.MERGE:
            yield from _by_key(books)
        case Disposition.SCD2:
            yield from _by_version(books)
    yield from _in_itself(books)


def _in_itself(books: _Books) -> Iterator[str]:
    flaws = books.flaws or Flaws()
    if flaws.doubled:
        rows = "current versions" if books.table.disposition is Disposition.SCD2 else "rows"
        yield f"table: {flaws.doubled} keys have several {rows}"
    if flaws.misended:
        yield f"table: {flaws.misended} versions are current and ended, or no commit ended them"


def _by_commit(books: _Books) -> Iterator[str]:
    """A table that rows are added to holds each applied commit's rows, and no others."""
    left_out = _left_out(books.loads)
    wanted = {
        commit.sequence: 0
        if commit.sequence in left_out
        else commit.draft.rows - books.aside.get(commit.sequence, 0)
        for commit in books.applied
    }
    wrong = [
        f"table: commit {sequence} published {rows} rows, and the table holds {books.tally.get(sequence, 0)} of it"
        for sequence, rows in wanted.items()
        if rows != books.tally.get(sequence, 0)
    ]
    yield from _shortened(wrong)
    yield from _strangers(books, set(wanted))


def _by_snapshot(books: _Books) -> Iterator[str]:
    """A table that is replaced holds what the last load put there."""
    last = next(
        (record for record in reversed(books.loads) if record.run and record.after > record.before), None
    )
    rows = sum(books.tally.values())
    if last is None:
        if rows:
            yield f"table: it holds {rows} rows, and no load put any there"
        return
    if rows != last.inserted:
        yield f"table: load {last.load} put {last.inserted} rows there, and it holds {rows}"
    run = {commit.sequence for commit in books.applied if commit.draft.run == last.run}
    yield from _strangers(books, run)


def _by_key(books: _Books) -> Iterator[str]:
    """A table with keys holds at most each commit's rows; together, what the loads added less what they deleted.

    After a replay its rows are new ones or old ones, so there the loads give a lower bound only. Loads that did not
    write down yet what they deleted give an upper bound.
    """
    published = {commit.sequence: commit.draft.rows for commit in books.applied}
    wrong = [
        f"table: commit {sequence} published {published[sequence]} rows, and the table holds {rows} of it"
        for sequence, rows in sorted(books.tally.items())
        if sequence in published and rows > published[sequence]
    ]
    yield from _shortened(wrong)
    yield from _strangers(books, set(published))
    since = _since_replay(books.loads)
    replays = len(since) < len(books.loads)
    added, rows = sum(record.inserted for record in since), sum(books.tally.values())
    deleted = sum(record.deleted or 0 for record in since)
    counted = books.table.deleted_field is None or all(record.deleted is not None for record in since)
    if (counted and rows < added - deleted) or (not replays and rows > added - deleted):
        less = f" and deleted {deleted}" if deleted else ""
        yield f"table: the loads added {added} rows{less}, and it holds {rows}"
    yield from _by_load(books)


def _by_load(books: _Books) -> Iterator[str]:
    """Of the commits of a load a merged table holds at most the rows that it put there; of the newest, all of them."""
    newest = True
    seen = books.position
    for record in reversed(_since_replay(books.loads)):
        held = sum(books.tally.get(sequence, 0) for sequence in range(record.before + 1, record.after + 1))
        put = record.inserted + record.updated
        if record.after == seen and (held > put or (newest and held < put)):
            yield f"table: load {record.load} put {put} rows there, and it holds {held} of its commits"
        newest, seen = newest and not put, record.before


def _by_version(books: _Books) -> Iterator[str]:
    """A table of versions holds all that loads put there; timed ones took the place of those of the same moment."""
    yield from _strangers(books, {commit.sequence for commit in books.applied})
    since = _since_replay(books.loads)
    least = sum(record.inserted for record in since)
    most = sum(record.inserted + record.updated for record in since)
    timed = _timed(books)
    least, most = (least, least) if timed else (most, most) if timed is False else (least, most)
    if not least <= (rows := sum(books.tally.values())) <= most:
        between = f"{least}" if least == most else f"{least} to {most}"
        yield f"table: the loads left {between} versions, and it holds {rows}"


def _timed(books: _Books) -> bool | None:
    """Whether versions began when their cursor says (see `dml.Dml.timed`); None where that cannot be told."""
    whole = {commit.draft.snapshot for commit in books.applied if commit.draft.kind == "data"}
    if books.table.cursor_field is None or whole == {True}:
        return False
    kinds = {column.type for column in books.table.columns or () if column.name == books.table.cursor_field}
    if not kinds or len(whole) > 1:
        return None
    return bool(kinds & {ColumnType.DATE, ColumnType.TIMESTAMP})


def _since_replay(loads: Sequence[LoadRecord]) -> Sequence[LoadRecord]:
    """The loads behind the last one that moved the ledger back."""
    replays = [place for place, record in enumerate(loads) if record.after < record.before]
    return loads[replays[-1] + 1 :] if replays else loads


def _since_beginning(loads: Sequence[LoadRecord]) -> Sequence[LoadRecord]:
    """The loads behind the last replay of everything: whatever was wrong with the ledger before it is of no account."""
    begins = [place for place, record in enumerate(loads) if record.after == 0 < record.before]
    return loads[begins[-1] + 1 :] if begins else loads


def _strangers(books: _Books, known: set[int]) -> Iterator[str]:
    """Rows of commits that should have none in the table."""
    others = {sequence: rows for sequence, rows in books.tally.items() if rows and sequence not in known}
    unnamed = others.pop(0, 0)
    if unnamed:
        yield f"table: {unnamed} rows come from no commit"
    yield from _shortened(
        [
            f"table: {rows} rows come from commit {sequence}, which should have none there"
            for sequence, rows in sorted(others.items())
        ]
    )


def _left_out(loads: Sequence[LoadRecord]) -> set[int]:
    """Commits whose rows a person had landed anew: they were passed over."""
    found = set[int]()
    for record in loads:
        if record.after < record.before:
            found = {sequence for sequence in found if sequence <= record.after}
        elif "left out" in record.note:
            found |= set(range(record.before + 1, record.after + 1))
    return found


def _held(gate: Gate, position: int) -> Iterator[str]:
    for sequence in sorted(gate.held(position)):
        if not gate.released(sequence):
            yield f"checks: the rows up to commit {sequence} are held back"


def _shortened(wrong: list[str]) -> Iterator[str]:
    yield from wrong[:_NAMED]
    if len(wrong) > _NAMED:
        yield f"… and {len(wrong) - _NAMED} more of this kind"
