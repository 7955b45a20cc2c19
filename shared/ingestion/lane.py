"""A lane: one worker that takes windows of a stream, walks over their pages and fills parts.

What a lane has done is published when its part is full, when `commit_every` has passed, and at its end: the rows and
the spots after them go out together, in one Update. A lane that dies loses at most the part it was filling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from shared.common.errors import Refused
from shared.common.formats import Format
from shared.ingestion.edge import Edge
from shared.ingestion.found import Found
from shared.ingestion.progress import Position, Progress, Spot, Value, greatest
from shared.ingestion.sieve import Seen, Sieve, Sifted
from shared.ingestion.walk import Step
from shared.ingestion.window import Window
from shared.landing.commit import Part

#: The answers by which APIs say that a page cursor is no longer valid.
FORGOTTEN = frozenset({400, 404, 410, 422})


class Writer(Protocol):
    """A part that is being written."""

    @property
    def size(self) -> int:
        """Bytes before compression so far."""

    def write(self, chunk: bytes, rows: int) -> None: ...
    def close(self) -> Part: ...
    def abort(self) -> None: ...


@dataclass(slots=True)
class Update:
    """What a lane has done since it last published: parts, counts, windows finished, and where the open one stands."""

    parts: list[Part] = field(default_factory=list)
    rejected_parts: list[Part] = field(default_factory=list)
    rows: int = 0
    rejected: int = 0
    outside: int = 0
    repeated: int = 0
    pages: int = 0
    finished: list[tuple[int, Value]] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    position: Position | None = None

    def apply(self, progress: Progress) -> Progress:
        """The progress after this update."""
        for index, last in self.finished:
            progress = progress.finished(index, last=last)
        if self.position is not None:
            progress = progress.at(self.position)
        return replace(
            progress,
            held=progress.held + self.rows + self.rejected,
            outside=progress.outside + self.outside,
        )

    def __bool__(self) -> bool:
        return bool(self.parts or self.rejected_parts or self.finished or self.position is not None)


@dataclass(frozen=True, slots=True)
class Course:
    """What a lane works with: how to walk a window, the sieve, new part files, and whom to tell.

    `stop()` says that the lane must come to an end after the page at hand. `restart` gives the spot to go on at when
    the API has forgotten a cursor in mid-window, or None when that cannot be done without losing or doubling rows.

    `turn` is held while a page is sifted: the interpreter does one thing at a time anyway, and so only one page at a
    time is there in decoded form.
    """

    walk: Callable[[Window, Spot], Iterator[Step]]
    sieve: Sieve
    part: Callable[[], Writer]
    quarantine: Callable[[], Writer]
    publish: Callable[[Update], None]
    progress: Callable[[Update], None]
    stop: Callable[[], bool]
    monotonic: Callable[[], float]
    restart: Callable[[Window, Value], Spot | None]
    turn: AbstractContextManager[object]
    part_size: int
    commit_every: float


class Lane:
    """Runs windows one after another; see the module's text for what it promises."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.update = Update()
        self._part: Writer | None = None
        self._encoder: Format | None = None
        self._quarantine: Writer | None = None
        self._seen: Seen | None = None
        self._edge: Edge | None = None
        self._since = course.monotonic()

    def run(self, position: Position, window: Window) -> bool:
        """Walk one window from `position`; True when it is finished, False when the lane was told to stop."""
        course, restarts = self.course, set[Value]()
        self._seen = None
        self._edge = Edge.of(window, course.sieve.times, last=position.last, digests=position.edge)
        while True:
            try:
                for step in course.walk(window, position.spot):
                    position = self._take(step, position, window)
                    if step.after is None:
                        self.update.finished.append((position.index, position.last))
                        self.update.position = None
                        self._breathe()
                        return True
                    self.update.position = position
                    self._breathe()
                    if course.stop():
                        return False
                raise AssertionError("a walk ends with a step whose spot is None")
            except Refused as error:
                again = course.restart(window, None if position.edge is None else position.last)
                forgotten = error.status in FORGOTTEN and position.spot != Spot()
                if not forgotten or again is None or position.last in restarts:
                    raise
                restarts.add(position.last)
                position = replace(position, spot=again)
                if self._edge is not None:
                    self._edge.expect_again()

    def _take(self, step: Step, position: Position, window: Window) -> Position:
        """Write one page; the position after it."""
        sifted = Sifted(seen=self._seen_by(position))
        if step.page is not None:
            with self.course.turn:
                sifted = self.course.sieve.sift(
                    step.page,
                    window=window,
                    seen=sifted.seen,
                    included=step.included,
                    pass_over=None if self._edge is None else self._edge.pass_over,
                )
            self.update.pages += 1
            self.update.outside += sifted.outside
            self.update.repeated += sifted.repeated
        if sifted.rows and sifted.encoder is not None:
            self._open(sifted.encoder).write(sifted.chunk, sifted.rows)
            self.update.rows += sifted.rows
        self._refuse(sifted)
        if step.broken:
            self._refuse(self.course.sieve.step_over(step.broken))
        self.course.progress(self.update)
        # The next page is another parent's: its keys may be the same and mean other rows.
        self._seen = Seen() if step.after is not None and step.after.request is None else sifted.seen
        last = greatest(position.last, sifted.last)
        edge = None if self._edge is None else self._edge.digests
        return replace(position, spot=step.after or Spot(), last=last, edge=edge)

    def _refuse(self, sifted: Sifted) -> None:
        """Write down what must not land, and why."""
        if sifted.quarantined:
            if self._quarantine is None:
                self._quarantine = self.course.quarantine()
            self._quarantine.write(sifted.quarantine, sifted.quarantined)
            self.update.rejected += sifted.rejected
        if sifted.found is not None:
            self.update.found.add(sifted.found)

    def _open(self, encoder: Format) -> Writer:
        """The part at hand; a new one where the rows to come have other columns."""
        if self._part is not None and encoder != self._encoder:
            part, self._part = self._part, None
            try:
                self.update.parts.append(part.close())
            except BaseException:
                # As in `flush`: without the rows the spots after them must not be published.
                self.update = Update()
                self.abort()
                raise
        if self._part is None:
            self._part, self._encoder = self.course.part(), encoder
            self._part.write(encoder.header(), 0)
        return self._part

    def _seen_by(self, position: Position) -> Seen:
        """What the page before held: in memory, or from the commit that this window was taken up from."""
        if self._seen is None:
            self._seen = Seen(digests=frozenset(position.seen))
        return self._seen

    def _breathe(self) -> None:
        """Publish when the part is full or has been open for long."""
        full = self._part is not None and self._part.size >= self.course.part_size
        if full or self.course.monotonic() - self._since >= self.course.commit_every:
            self.flush()

    def flush(self) -> None:
        """Close what is open and publish it with the spots that belong to it."""
        # Spots and rows go together: when a part cannot be closed, the spots after it must not be published either.
        update, self.update = self.update, Update()
        try:
            if self._part is not None:
                update.parts.append(self._part.close())
            if self._quarantine is not None:
                update.rejected_parts.append(self._quarantine.close())
        except BaseException:
            self.abort()
            raise
        self._part = self._quarantine = None
        if update.position is not None and self._seen is not None:
            update.position = replace(update.position, seen=self._seen.all_digests())
        if update:
            self.course.publish(update)
        self._since = self.course.monotonic()

    def abort(self) -> None:
        """Drop what is not published; the landing zone is as if the lane had not begun it."""
        for writer in (self._part, self._quarantine):
            if writer is not None:
                writer.abort()
        self._part = self._quarantine = None
