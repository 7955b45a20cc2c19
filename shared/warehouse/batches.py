"""Which commits go into which load: pure decisions on a run of the log.

Contiguous commits share a load, because staging, one scan and one transaction cost the same for one commit as for a
hundred; the ledger then moves from n to m at once. Rows are still counted part by part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shared.common.errors import Misconfigured, Violation
from shared.landing.commit import Commit, at
from shared.warehouse.ports import Disposition

BYTES = 512 << 20
"""Bytes before compression that one load stages at most (one commit is never split): about 200,000 records of 2.4 KB.

Smaller loads cost more: below a row group (122,880 rows) DuckDB writes rows to its log first and to the file later.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """The ledger moves from `before` to `after`; the parts of `commits` are applied (none: the ledger only moves).

    `note` says why, where that is not plain.
    """

    before: int
    after: int
    commits: tuple[Commit, ...] = field(repr=False)
    note: str = ""

    @property
    def run(self) -> str:
        return self.commits[-1].draft.run if self.commits else ""

    @property
    def snapshot(self) -> bool:
        """Whether the commits hold all records that the source has."""
        return bool(self.commits) and self.commits[-1].draft.snapshot

    @property
    def at(self) -> datetime | None:
        """When the last commit was made."""
        return at(self.commits[-1]) if self.commits else None


Read = Callable[[int], Commit]


def batches(
    commits: Iterable[Commit], after: int, *, disposition: Disposition, read: Read, limit: int = BYTES
) -> Iterator[Batch]:
    """The loads for `commits`, which follow commit `after`; `read` finds an earlier commit by its number.

    Rewind and reset commits say where the next run begins; they move the ledger and apply nothing.
    Raises `Violation` when a commit is missing in between.
    """
    contiguous = _contiguous(commits, after)
    match disposition:
        case Disposition.REPLACE:
            return _snapshots(list(contiguous), after, read)
        case Disposition.SCD2:
            return _moments(contiguous, after, read)
        case _:
            return _runs(contiguous, after, limit)


def _contiguous(commits: Iterable[Commit], after: int) -> Iterator[Commit]:
    expected = after + 1
    for commit in commits:
        if commit.sequence != expected:
            raise Violation(
                f"commit {expected} is missing in the log: the next one found is {commit.sequence}",
                hint="restore the log object from a backup; nothing behind it was loaded",
                source=commit.source,
                stream=commit.stream,
            )
        yield commit
        expected += 1


def _runs(commits: Iterable[Commit], after: int, limit: int) -> Iterator[Batch]:
    before, last, size = after, after, 0
    taken: list[Commit] = []
    for commit in commits:
        weight = sum(part.raw_bytes for part in commit.draft.parts)
        if taken and size + weight > limit:
            yield Batch(before, last, tuple(taken))
            before, taken, size = last, [], 0
        last = commit.sequence
        if commit.draft.kind == "data" and commit.draft.parts:
            taken.append(commit)
            size += weight
    if last > before:
        yield Batch(before, last, tuple(taken))


def _moments(commits: Iterable[Commit], after: int, read: Read) -> Iterator[Batch]:
    """A load per commit, or per whole snapshot: what each of them shows is a moment of its own."""
    before, last = after, after
    waiting: list[Commit] = []
    for commit in commits:
        if commit.draft.kind == "data" and commit.draft.snapshot:
            waiting = [*_same_run(waiting, commit), commit]
            if commit.draft.resume is None:
                yield Batch(before, commit.sequence, (*_earlier(waiting[0], before, read), *waiting))
                waiting, before, last = [], commit.sequence, commit.sequence
        elif commit.draft.kind == "data" and commit.draft.parts:
            yield Batch(before, commit.sequence, (commit,))
            waiting, before, last = [], commit.sequence, commit.sequence
        elif not waiting:
            last = commit.sequence
    if last > before:
        yield Batch(before, last, ())


def _snapshots(commits: list[Commit], after: int, read: Read) -> Iterator[Batch]:
    """Only the newest whole snapshot matters: those before it would be replaced at once."""
    whole = [commit for commit in commits if _ends_snapshot(commit)]
    if whole:
        last = whole[-1]
        yield Batch(after, last.sequence, (*_earlier(last, after, read), *_same_run(commits, last)))
        after = last.sequence
    rest = [commit for commit in commits if commit.sequence > after]
    moved = after
    for commit in rest:
        if commit.draft.kind == "data":
            _refuse_partial(commit)
            break  # a snapshot that is not yet whole waits for its end
        moved = commit.sequence
    if moved > after:
        yield Batch(after, moved, ())


def _ends_snapshot(commit: Commit) -> bool:
    draft = commit.draft
    return draft.kind == "data" and draft.snapshot and draft.resume is None


def _same_run(commits: list[Commit], last: Commit) -> Iterator[Commit]:
    for commit in commits:
        draft = commit.draft
        if commit.sequence <= last.sequence and draft.kind == "data" and draft.run == last.draft.run:
            yield commit


def _earlier(last: Commit, after: int, read: Read) -> list[Commit]:
    """Commits of the snapshot that lie behind the ledger, as they do after a replay from the middle of a run."""
    found: list[Commit] = []
    while after:
        commit = read(after)
        if commit.draft.run != last.draft.run or commit.draft.kind != "data":
            break
        found.insert(0, commit)
        after -= 1
    return found


def _refuse_partial(commit: Commit) -> None:
    if not commit.draft.snapshot and commit.draft.rows:
        raise Misconfigured(
            f"commit {commit.sequence} holds {commit.draft.rows} rows of an incremental run, and the stream's "
            "write_disposition is replace",
            hint="run the stream with --full-refresh, or set write_disposition to merge or append",
            source=commit.source,
            stream=commit.stream,
        )
