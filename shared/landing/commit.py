"""What the log says: a commit publishes parts and moves the cursor in one object.

See docs/architecture.md, "The landing zone is a log". Commits are immutable; the sequence starts at 1 and has no gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

Kind = Literal["data", "rewind", "reset"]

_DRIFT = frozenset({"trimmed", "reasons", "undeclared", "evolved", "backfill", "beside"})
"""What a commit says only where there is something to say."""


@dataclass(frozen=True, slots=True)
class Part:
    """An immutable file of records: key, records, bytes as stored and before compression, sha256 of it (hex), etag."""

    key: str
    rows: int
    bytes: int
    raw_bytes: int
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class Draft:
    """All of a commit but its place in the log. Times are RFC 3339 text, UTC.

    `cursor` is where the stream stands after this commit; `resume` is what the run needs to go on (None: the run is
    complete); `snapshot` says that the run's parts together replace the table (write disposition `replace`).

    What the records had that their contract did not promise (docs/drift.md): `trimmed` counts records that landed
    without some of their values; `rejected_parts` holds them as they came, beside the `rejected` ones. `reasons` counts
    both by keyword and place. `undeclared` names fields that landed and are not loaded, `evolved` those that become
    columns or widen one, with the kinds of values seen.

    `backfill` names the back-fill whose window this commit belongs to; its cursor and `resume` are then those of the
    commit before. `beside` says how far each back-fill of the stream is, and is carried from commit to commit.
    """

    run: str
    attempt: int
    kind: Kind = "data"
    parts: tuple[Part, ...] = ()
    rejected: int = 0
    rejected_parts: tuple[Part, ...] = ()
    cursor: Any = None
    resume: Any = None
    window: Mapping[str, Any] | None = None
    snapshot: bool = False
    format: str = "jsonl.gz"
    contract: str | None = None
    expected_rows: int | None = None
    seconds: float = 0.0
    api_calls: int = 0
    retries: int = 0
    code_version: str = ""
    note: str = ""
    trimmed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    undeclared: tuple[str, ...] = ()
    evolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    backfill: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True, slots=True)
class Commit:
    """A draft with its place in the log of one stream."""

    source: str
    stream: str
    sequence: int
    committed_at: str
    draft: Draft = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        draft = document.pop("draft")
        said = {name: value for name, value in draft.items() if value or name not in _DRIFT}
        return {"version": 1, **document, "rows": self.draft.rows, **said}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Commit:
        """Read a commit; keys that a later version added are left alone."""
        known = {f.name for f in fields(Draft)}
        values = {name: value for name, value in document.items() if name in known}
        for name in ("parts", "rejected_parts"):
            values[name] = tuple(Part(**part) for part in values.get(name, ()))
        values["undeclared"] = tuple(values.get("undeclared", ()))
        values["evolved"] = {name: tuple(kinds) for name, kinds in values.get("evolved", {}).items()}
        place = {name: document[name] for name in ("source", "stream", "sequence", "committed_at")}
        return cls(**place, draft=Draft(**values))


def sequence_key(sequence: int) -> str:
    """The file name of a commit: 20 digits, so that text order is number order."""
    return f"{sequence:020d}.json"


def at(commit: Commit) -> datetime:
    """When the commit was made."""
    return datetime.fromisoformat(commit.committed_at)
