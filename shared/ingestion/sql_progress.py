"""How far a run of a table has come, as a value: it is the `resume` of a commit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from shared.common.errors import Misconfigured
from shared.common.instants import format_instant, parse_instant
from shared.contracts.columns import ColumnType
from shared.ingestion.plan import Ask
from shared.ingestion.progress import DAMAGES, damaged
from shared.ingestion.sql_query import asked_since, asked_until
from shared.ingestion.sql_spec import Table
from shared.ingestion.sql_table import Bound, Range, TableColumn
from shared.landing.commit import Commit

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TableProgress:
    """A run over the rows of a table, cut into ranges of its order at `cuts`.

    `open` holds, of each range that is begun, the key up to which it has landed (None: nothing yet); `next` is the
    first range that nobody has begun. `since` and `until` bound the cursor, in the database's spelling. `order` names
    the columns that the keys belong to: when they change, the keys mean nothing any more.
    """

    run: str
    attempt: int
    order: tuple[str, ...]
    snapshot: bool
    moves: bool = True
    since: str | None = None
    until: str | None = None
    cuts: tuple[Bound, ...] = ()
    next: int = 0
    open: Mapping[int, Bound | None] = field(default_factory=dict)
    empty: bool = False

    @property
    def total(self) -> int:
        return 0 if self.empty else len(self.cuts) + 1

    @property
    def complete(self) -> bool:
        return not self.open and self.next >= self.total

    def span(self, index: int) -> Range:
        """What is left of a range."""
        lower = self.cuts[index - 1] if index else None
        upper = self.cuts[index] if index < len(self.cuts) else None
        return Range(self.open.get(index) or lower, upper)

    def at(self, index: int, bound: Bound | None) -> TableProgress:
        """The same with a range landed up to `bound`."""
        begun = {i: self.open.get(i) for i in range(self.next, index)}
        return replace(self, next=max(self.next, index + 1), open={**self.open, **begun, index: bound})

    def finished(self, index: int) -> TableProgress:
        """The same with a range done."""
        moved = self.at(index, None)
        return replace(moved, open={i: b for i, b in moved.open.items() if i != index})

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "table",
            "run": self.run,
            "attempt": self.attempt,
            "order": list(self.order),
            "snapshot": self.snapshot,
            "moves": self.moves,
            "since": self.since,
            "until": self.until,
            "cuts": [list(cut) for cut in self.cuts],
            "next": self.next,
            "open": [[index, None if b is None else list(b)] for index, b in sorted(self.open.items())],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], **where: object) -> TableProgress:
        """The progress that `to_json` wrote. Raises `Violation` naming `where` (the commit) when it is damaged."""
        try:
            return cls._read(document)
        except DAMAGES as error:
            raise damaged(error, **where) from error

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> TableProgress:
        order = _texts(document["order"])
        progress = cls(
            run=_of(str, document["run"]),
            attempt=_of(int, document["attempt"]),
            order=order,
            snapshot=_of(bool, document["snapshot"]),
            moves=_of(bool, document["moves"]),
            since=_of(str, document["since"], none=True),
            until=_of(str, document["until"], none=True),
            cuts=tuple(_texts(cut, len(order)) for cut in document["cuts"]),
            next=_of(int, document["next"]),
            open={
                _of(int, index): None if bound is None else _texts(bound, len(order))
                for index, bound in document["open"]
            },
        )
        if not all(0 <= index < progress.next for index in progress.open) or progress.next > progress.total:
            raise ValueError("a range is not there")
        return progress


def _of(kind: type[_T], value: object, *, none: bool = False) -> _T:
    """A value of exactly this kind. Raises TypeError: the database would get something else than was meant."""
    if type(value) is not kind and not (none and value is None):
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value  # type: ignore[return-value]


def _texts(values: object, count: int | None = None) -> tuple[str, ...]:
    found = tuple(_of(str, value) for value in _of(list, values))
    if count is not None and len(found) != count:
        raise ValueError(f"{len(found)} values for {count} columns")
    return found


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a table that a run covers: bounds of the cursor, and whether the cursor moves to its end."""

    since: str | None = None
    until: str | None = None
    moves: bool = True
    empty: bool = False


def resumed(latest: Commit | None, order: Sequence[str], *, ask: Ask, restart: bool) -> TableProgress | None:
    """The unfinished run to go on with: none where something else is asked for, or its keys mean nothing any more.

    Raises `Violation` naming the commit when that is damaged.
    """
    resume = None if latest is None else latest.draft.resume
    if latest is None or resume is None or ask.anything or restart:
        return None
    if isinstance(resume, Mapping) and resume.get("kind", "table") != "table":
        return None
    where = {"source": latest.source, "stream": latest.stream, "commit": latest.sequence}
    progress = TableProgress.from_json(resume, **where)
    if progress.order != tuple(order):
        return None
    return replace(progress, attempt=progress.attempt + 1)


def spanned(table: Table, cursor: TableColumn, before: Any, *, newest: str | None, ask: Ask) -> Span:
    """What an incremental run covers: from the last cursor to the newest value there is, or what is asked for.

    `newest` is None for a table without values: there is nothing to do, and the cursor stays.
    """
    since = None if before is None or ask.full_refresh else str(before)
    last, moves = newest, True
    if ask.since is not None:
        asked = asked_since(cursor, ask.since)
        moves = since is None or _instant(cursor, asked) <= _instant(cursor, since)
        since = asked
    if newest is None:
        return Span(since, None, moves=False, empty=True)
    if ask.until is not None:
        end = asked_until(cursor, ask.until)
        last = end if _instant(cursor, end) < _instant(cursor, newest) else newest
    return Span(since, last, moves)


def cursor_after(progress: TableProgress, cursor: TableColumn | None, before: Any) -> Any:
    """The cursor that a commit of this progress carries: that of the run's end once all has landed; never less."""
    if cursor is None or not progress.complete or not progress.moves or progress.until is None:
        return before
    value: Any = progress.until
    if cursor.type is ColumnType.INTEGER:
        value = int(value)
        return value if not isinstance(before, int) else max(value, before)
    if before is not None and cursor.type in (ColumnType.TIMESTAMP, ColumnType.DATE):
        return value if _instant(cursor, value) >= _instant(cursor, str(before)) else before
    return value


def _instant(cursor: TableColumn, text: str) -> datetime:
    try:
        return parse_instant(text)
    except Misconfigured as error:
        raise error.at(column=cursor.name) from None


def shown(text: str | None) -> str | None:
    """A bound for the commit's `window`: an instant as RFC 3339, anything else as it is."""
    try:
        return None if text is None else format_instant(parse_instant(text))
    except Misconfigured:
        return text
