"""How far a run of one stream has come: a value that goes into every commit as `resume` and comes back from it.

A run walks over windows. Each window is not started, open at a spot, or finished; the cursor is the end of the last
window before which all are finished. Nothing else is remembered, so its size does not depend on the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias

from shared.common.errors import Violation
from shared.common.instants import format_instant
from shared.ingestion.window import Window, split
from shared.rest.loop import LoopGuard
from shared.rest.message import Request

Value: TypeAlias = str | int | float | None


DAMAGES = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What comes of reading a `resume` that is not what a run has written."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a walk goes on: the next request.

    For a child stream also the request of the parents' page, the key of the last finished parent on it (`after`), and
    the key of the parent that `request` belongs to (`inside`). `loop` is what the loop guard remembers.
    """

    request: Request | None = None
    parent: Request | None = None
    after: str | None = None
    inside: str | None = None
    loop: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {}
        if self.request is not None:
            document["request"] = self.request.to_json()
        if self.parent is not None:
            document["parent"] = self.parent.to_json()
        for name in ("after", "inside", "loop"):
            if (value := getattr(self, name)) is not None:
                document[name] = value
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Spot:
        request, parent = document.get("request"), document.get("parent")
        return cls(
            Request.from_json(request) if request else None,
            Request.from_json(parent) if parent else None,
            document.get("after"),
            document.get("inside"),
            document.get("loop"),
        )


@dataclass(frozen=True, slots=True)
class Position:
    """An open window: its number, the spot to go on at, and what its last page held.

    `seen` are digests of the keys and versions of the last page, so that a row that slips onto the next page is not
    landed twice; `last` is the greatest cursor value so far, as the API wrote it, and `edge` are digests of the rows
    that have landed at that time, to know them when the window has to be asked for anew from there (None: too many).
    """

    index: int
    spot: Spot
    seen: tuple[str, ...] = ()
    last: Value = None
    edge: tuple[str, ...] | None = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "spot": self.spot.to_json(),
            "seen": list(self.seen),
            "last": self.last,
            "edge": None if self.edge is None else list(self.edge),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Position:
        edge = document.get("edge")
        return cls(
            document["index"],
            Spot.from_json(document["spot"]),
            tuple(document["seen"]),
            document["last"],
            None if edge is None else tuple(edge),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """A run over `whole`, cut by `step`: the open windows, and the number of the first that is not started.

    `value` is the cursor of a stream that goes by values instead of times: the greatest value that has landed. `held`
    counts the rows that belonged to their window, `outside` those that came along and were dropped.
    """

    run: str
    attempt: int
    whole: Window
    step: timedelta | None = None
    snapshot: bool = False
    moves: bool = True
    value: Value = None
    held: int = 0
    outside: int = 0
    next: int = 0
    open: Mapping[int, Position] = field(default_factory=dict)

    def windows(self) -> list[Window]:
        """All windows of the run, in order; none when the range is empty."""
        since, until = self.whole.since, self.whole.until
        if since is not None and until is not None and since >= until:
            return []
        return list(split(self.whole, self.step))

    def started(self, index: int) -> Progress:
        """The same with the window `index`, and all before it that nobody has opened yet, open at their beginning."""
        opened = {i: Position(i, Spot()) for i in range(self.next, index + 1)}
        return replace(self, next=max(self.next, index + 1), open={**self.open, **opened})

    def at(self, position: Position) -> Progress:
        """The same with a window moved on to `position`."""
        begun = self.started(position.index)
        return replace(begun, open={**begun.open, position.index: position})

    def finished(self, index: int, *, last: Value = None) -> Progress:
        """The same with a window done; `last` is the greatest cursor value in it."""
        begun = self.started(index)
        rest = {i: p for i, p in begun.open.items() if i != index}
        return replace(begun, open=rest, value=greatest(self.value, last))

    def complete(self, total: int) -> bool:
        """Whether all of `total` windows are done."""
        return not self.open and self.next >= total

    def watermark(self, windows: list[Window]) -> str | None:
        """The time before which everything has landed: the beginning of the first unfinished window, or the end."""
        first = min(self.open, default=self.next)
        if first >= len(windows):
            until = self.whole.until
            return None if until is None else format_instant(until)
        since = windows[first].since
        return None if since is None else format_instant(since)

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "attempt": self.attempt,
            "whole": self.whole.to_json(),
            "step": None if self.step is None else self.step.total_seconds(),
            "snapshot": self.snapshot,
            "moves": self.moves,
            "value": self.value,
            "held": self.held,
            "outside": self.outside,
            "next": self.next,
            "open": [position.to_json() for _, position in sorted(self.open.items())],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], **where: object) -> Progress:
        """The progress that `to_json` wrote. Raises `Violation` naming `where` (the commit) when it is damaged."""
        try:
            return cls._read(document)
        except DAMAGES as error:
            raise damaged(error, **where) from error

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Progress:
        step = document["step"]
        positions = [Position.from_json(p) for p in document["open"]]
        progress = cls(
            run=document["run"],
            attempt=document["attempt"],
            whole=Window.from_json(document["whole"]),
            step=None if step is None else timedelta(seconds=step),
            snapshot=document["snapshot"],
            moves=document["moves"],
            value=document["value"],
            held=document["held"],
            outside=document["outside"],
            next=document["next"],
            open={p.index: p for p in positions},
        )
        numbers = (progress.attempt, progress.held, progress.outside, progress.next, *progress.open)
        kinds: set[type] = {type(number) for number in numbers}
        if kinds != {int} or type(progress.run) is not str:
            raise TypeError("a number or name is of another type")
        for position in positions:
            _check(position.spot)
        return progress


def damaged(error: Exception, **where: object) -> Violation:
    """What is said of a commit whose `resume` is none; `where` names the commit."""
    return Violation(
        f"the commit does not say how its unfinished run goes on: {type(error).__name__} in `resume`",
        hint="`sluice state rewind` or `sluice state reset` puts a new beginning behind it, and"
        " `sluice run --full-refresh` reads everything anew",
        **where,
    )


def _check(spot: Spot) -> None:
    """What is only looked at later, when it is too late to say where it came from."""
    if spot.loop is not None:
        LoopGuard.restored(spot.loop)
    for request in (spot.request, spot.parent):
        if request is not None and not isinstance(request.url, str):
            raise TypeError("a URL is no text")


def greatest(one: Value, other: Value) -> Value:
    """The greater of two cursor values of one kind; None is less than anything."""
    if one is None:
        return other
    if other is None:
        return one
    if isinstance(one, str) != isinstance(other, str):
        one, other = str(one), str(other)
    if isinstance(one, str) and isinstance(other, str) and one.isdecimal() and other.isdecimal():
        return max(one, other, key=int)  # "10" comes after "9"
    return max(one, other)
