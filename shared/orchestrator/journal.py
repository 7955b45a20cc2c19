"""The door to the journal, and the values that go through it.

What is in the journal: every event that was taken, with its way through the graph; what came of each pair of event and
process; the bookmarks of inputs; the versions of the document. What it promises:

* `write` is one durable transaction; when it returns, a crash of the program or of the machine loses nothing of it.
* An event whose key is known already is not taken again, as long as the event is kept.
* An event that is open belongs to one replica or to none. When a replica is not heard of for `LEASE` seconds, others
  may claim its events, and from then on nothing that it writes about them counts (`Fenced`).

What it does not promise: that a process is started once. It is started at least once, and hears the same key each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from shared.orchestrator.event import Event
from shared.orchestrator.graph import Route

LEASE = 30.0
"""Seconds without a heartbeat after which a replica is taken for dead."""


class Standing(IntEnum):
    """Where an event stands."""

    OPEN = 0
    DONE = 1
    """Every process on its way is done."""
    DEAD = 2
    """Some process gave up, and what comes behind it waits for somebody's decision."""

    @property
    def text(self) -> str:
        return self.name.lower()


class Phase(IntEnum):
    """Where a pair of event and process stands; a pair without a record has not been tried yet."""

    STARTED = 0
    """An attempt began; told only for events that a crash has left behind (see `supervisor`)."""
    RETRY = 1
    DONE = 2
    DEAD = 3
    DROPPED = 4
    """Somebody decided that this need not be done."""

    @property
    def text(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Accept:
    """An event to be taken. `mine`: this replica begins with it at once; else it is left to whoever has room.

    `lines` are the numbers of the lines in which it stands, one for each order by key that processes on its way keep.
    """

    key: str
    event: Event
    route: Route
    at: float
    mine: bool = True
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. Times are seconds since 1970; `due` is when a retry may begin.

    `deaths`, of an attempt that began, is how often in a row the dispatcher had ended during it before.
    """

    event: int
    process: str
    phase: Phase
    attempt: int
    at: float
    seconds: float = 0.0
    due: float = 0.0
    error: str = ""
    logs: str = ""
    deaths: int = 0


@dataclass(slots=True)
class Batch:
    """What is written together."""

    accepts: list[Accept] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    closings: list[tuple[int, Standing]] = field(default_factory=list)
    bookmarks: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.accepts or self.outcomes or self.closings or self.bookmarks)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An open event that is this replica's now; `crashes` counts the replicas that ended while they had it."""

    id: int
    key: str
    event: Event
    route: Route
    at: float
    crashes: int = 0
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """An event as it is shown: where it stands, and what came of each process on its way."""

    id: int
    key: str
    event: Event
    route: Route
    at: float
    standing: Standing
    outcomes: tuple[Outcome, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        known = {one.process: one for one in self.outcomes}
        return {
            "number": self.id,
            "key": self.key,
            "event": self.event.to_plain(),
            "at": self.at,
            "standing": self.standing.text,
            "journey": [_stop(stop.process, known.get(stop.process)) for stop in self.route],
        }


def _stop(process: str, outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"process": process, "phase": "waiting"}
    told: dict[str, Any] = {"process": process, "phase": outcome.phase.text, "attempt": outcome.attempt}
    told |= {"at": outcome.at, "seconds": outcome.seconds}
    if outcome.phase is Phase.RETRY:
        told["due"] = outcome.due
    return told | {n: v for n, v in (("error", outcome.error), ("logs", outcome.logs)) if v}


@dataclass(frozen=True, slots=True)
class Written:
    """A document as somebody wrote it, with comments: its text and the media type that this is in."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Versioned:
    """A version of the document, exactly as it was given; 0 is before the first."""

    number: int = 0
    document: Mapping[str, Any] = field(default_factory=dict)
    at: float = 0.0
    note: str = ""
    written: Written | None = None


class Journal(Protocol):
    """The part that a running dispatcher writes. All methods raise `Transient` when it cannot be reached or written.

    `write`, `claim` and `beat` raise `Fenced` when this replica was taken for dead; `open` begins anew then.
    """

    lease: float
    """Seconds in which `beat` must be called again."""
    shared: bool
    """Whether several replicas may work with it at once. An event that stands in a line is not taken as `mine` then."""
    held_up: bool
    """Whether the last `claim` left events behind whose lines another replica has."""

    def open(self) -> None:
        """Register this replica. Events that a replica before it left behind are free to be claimed."""

    def write(self, batch: Batch) -> list[int]:
        """All of the batch or nothing. For each of its accepts the number of the event, 0 for one that is known."""

    def claim(self, limit: int) -> list[Claimed]:
        """Up to `limit` open events that belong to nobody, the oldest first.

        All open events of a line that belong to somebody belong to the same replica, so that it can keep their order;
        an event that stands in a line of another replica, or behind one that does, is left where it is.
        """

    def release(self, events: Sequence[int]) -> None:
        """Give events back that this replica will not go on with."""

    def beat(self) -> None:
        """Say that this replica lives, and free the events of those that do not."""

    def trim(self, keep: int) -> int:
        """Delete finished events but the last `keep`, some at a time; returns how many went."""

    def close(self) -> None:
        """Give all events back and leave."""


class Archive(Protocol):
    """The part that people look at and decide in; safe to use from any thread, and beside a running dispatcher."""

    def bookmark(self, source: str) -> str: ...

    def counts(self) -> dict[Standing, int]: ...

    def events(self, *, limit: int = 50, standing: Standing | None = None, before: int = 0) -> list[Kept]:
        """The newest first; `before` is the number of an event, for the next page."""

    def event(self, number: int) -> Kept | None: ...

    def runs(self, process: str, *, limit: int = 20, before: int = 0) -> list[Outcome]:
        """What came last of a process, the newest event first; `before` as with `events`."""

    def dead(self, *, limit: int = 50, process: str = "", before: int = 0) -> list[Kept]:
        """Events with a dead letter, the newest first; `before` as with `events`."""

    def retry(self, number: int, *, process: str = "") -> list[str]:
        """Let the dead letters of an event be tried again from attempt 1; the processes that this is about.

        The event is free to be claimed then; a running dispatcher finds it within a second.
        """

    def drop(self, number: int, *, process: str = "") -> list[str]:
        """Decide that the dead letters of an event, and what waits behind them, need not be done."""

    def document(self, number: int = 0) -> Versioned:
        """That version of the document; the current one for 0. Raises `KeyError` for one that there is not."""

    def versions(self, *, limit: int = 50, before: int = 0) -> list[Versioned]:
        """The newest first; `before` is the number of a version, for the next page."""

    def put_document(
        self,
        document: Mapping[str, Any],
        *,
        after: int,
        at: float,
        note: str = "",
        written: Written | None = None,
    ) -> int:
        """The number of the new version; `written` is what it was read from.

        Raises `Superseded` when `after` is not the current one.
        """


class Store(Journal, Archive, Protocol):
    """A journal with both its sides."""
