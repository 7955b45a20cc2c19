"""The state of a stream is what its last commit says; changing it by hand is a commit too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from shared.landing.commit import Commit, Draft
from shared.landing.log import CommitLog


@dataclass(frozen=True, slots=True)
class State:
    """Where a stream stands. `complete` is False while a run has more to do, which `resume` says how."""

    source: str
    stream: str
    sequence: int = 0
    kind: str = ""
    run: str = ""
    attempt: int = 0
    committed_at: str = ""
    cursor: Any = None
    resume: Any = None
    rows: int = 0
    rejected: int = 0
    contract: str | None = None

    @property
    def complete(self) -> bool:
        return self.resume is None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.complete}


def show(log: CommitLog) -> State:
    """The state after the last commit; sequence 0 when there is none. `rows` are those of that commit."""
    layout, commit = log.layout, log.latest()
    if commit is None:
        return State(layout.source, layout.stream)
    draft = commit.draft
    return State(
        source=layout.source,
        stream=layout.stream,
        sequence=commit.sequence,
        kind=draft.kind,
        run=draft.run,
        attempt=draft.attempt,
        committed_at=commit.committed_at,
        cursor=draft.cursor,
        resume=draft.resume,
        rows=draft.rows,
        rejected=draft.rejected,
        contract=draft.contract,
    )


def rewind(log: CommitLog, to_cursor: Any, *, run: str, note: str = "") -> Commit:
    """Let the next run begin at `to_cursor`; what a stopped run had left to do is dropped.

    Rows that land a second time are merged by key in tables with the write disposition merge, doubled in append.

    Raises:
        Superseded: a run committed at the same moment; look again before repeating it.
    """
    return log.append(
        Draft(run=run, attempt=1, kind="rewind", cursor=to_cursor, note=note), after=log.latest()
    )


def reset(log: CommitLog, *, run: str, note: str = "") -> Commit:
    """Let the next run begin from nothing, as the first one did; the log and its parts stay. Raises as `rewind`."""
    return log.append(Draft(run=run, attempt=1, kind="reset", note=note), after=log.latest())
