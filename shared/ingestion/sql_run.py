"""A run of one table: ranges of its keys in readers side by side, what they have read committed one after another.

A commit says of every range how far it has landed. A process that is killed has lost the part that each of its readers
was filling; the next run goes on behind the last commit, in a snapshot of its own. Rows without any order (no key, no
cursor) cannot be taken up: their parts are committed together, at the end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from shared.common.errors import SluiceError, Superseded, Transient, Violation
from shared.ingestion.sql_lines import Lines
from shared.ingestion.sql_progress import TableProgress, cursor_after, shown
from shared.ingestion.sql_query import Query, Reader
from shared.ingestion.sql_spec import Table
from shared.ingestion.sql_table import Bound, Range
from shared.ingestion.stream_report import StreamReport, last_words
from shared.landing.commit import Commit, Draft, Part
from shared.landing.writer import Landing, PartWriter


class Reading(Protocol):
    """What the run of a table needs of the run of its source (see `sql_session`)."""

    @property
    def code_version(self) -> str: ...
    def stop(self) -> bool: ...
    def monotonic(self) -> float: ...
    def moved(self, report: StreamReport) -> None: ...


@dataclass(slots=True)
class Update:
    """What a reader has done since it last published, and where its range stands; `over`: the range is done."""

    index: int
    bound: Bound | None = None
    over: bool = False
    parts: list[Part] = field(default_factory=list)
    rejected_parts: list[Part] = field(default_factory=list)
    rejected: int = 0
    nulled: int = 0

    def apply(self, progress: TableProgress) -> TableProgress:
        return progress.finished(self.index) if self.over else progress.at(self.index, self.bound)


@dataclass(slots=True)
class TableRun:
    """Runs one table once. `lines()` makes the treatment of lines for one reader."""

    reading: Reading
    table: Table
    query: Query
    landing: Landing
    progress: TableProgress
    head: Commit | None
    contract: str
    lines: Callable[[], Lines]
    readers: int
    report: StreamReport
    began: float
    stopping: threading.Event = field(default_factory=threading.Event)
    numbers: count[int] = field(default_factory=count)
    nulled: int = 0
    _committing: threading.Lock = field(default_factory=threading.Lock)
    _taking: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 0

    def run(self, readers: Callable[[], Reader], first: Reader) -> None:
        """Read all ranges and commit. The first error stops the other readers after their piece, and is raised."""
        self._next = self.progress.next
        waiting = sorted(self.progress.open)

        def take() -> int | None:
            with self._taking:
                if self.stopping.is_set() or self.reading.stop():
                    return None
                if waiting:
                    return waiting.pop(0)
                self._next += 1
                return self._next - 1 if self._next <= self.progress.total else None

        lanes = min(self.readers, len(waiting) + self.progress.total - self._next)
        if lanes <= 1:
            self._lane(first, take)
        else:
            with ThreadPoolExecutor(lanes, thread_name_prefix=f"read-{self.report.stream}") as pool:
                jobs = [pool.submit(lambda: self._lane(readers(), take)) for _ in range(lanes)]
                wait(jobs)
            errors = [error for job in jobs if (error := job.exception()) is not None]
            if errors:
                raise min(errors, key=lambda error: not isinstance(error, Superseded))
        self._conclude()

    def _lane(self, reader: Reader, take: Callable[[], int | None]) -> None:
        try:
            while (index := take()) is not None:
                self._range(reader, index)
        except BaseException:
            self.stopping.set()
            raise

    def _range(self, reader: Reader, index: int) -> None:
        """Read a range, piece by piece."""
        filling = Filling(self, index, self.lines())
        span = self.progress.span(index)
        try:
            while True:
                ahead = (
                    reader.rows(self.query.boundary(span, self.table.chunk_size)) if self.query.order else []
                )
                upper: Bound | None = ahead[0] if ahead else None
                try:
                    filling.read(reader, Range(span.lower, upper or span.upper))
                except BaseException:
                    # The piece is torn: what was written of it must not be committed with what came before.
                    filling.abort()
                    raise
                filling.update.bound, filling.update.over = upper, upper is None
                filling.settle(whole=upper is None)
                if upper is None:
                    return
                span = Range(upper, span.upper)
                if self.stopping.is_set() or self.reading.stop():
                    filling.flush()
                    return
        finally:
            filling.abort()

    def publish(self, update: Update) -> None:
        """Commit what a reader has done."""
        with self._committing:
            self._commit([update])

    def _commit(self, updates: list[Update]) -> None:
        progress, report = self.progress, self.report
        for update in updates:
            progress = update.apply(progress)
        before = None if self.head is None else self.head.draft.cursor
        draft = Draft(
            run=progress.run,
            attempt=progress.attempt,
            parts=tuple(part for update in updates for part in update.parts),
            rejected=sum(update.rejected for update in updates),
            rejected_parts=tuple(part for update in updates for part in update.rejected_parts),
            cursor=cursor_after(progress, self.query.cursor, before),
            resume=None if progress.complete else progress.to_json(),
            window={"since": shown(progress.since), "until": shown(progress.until)},
            snapshot=progress.snapshot,
            format=self.table.file_format,
            contract=self.contract,
            seconds=round(self.reading.monotonic() - self.began, 3),
            code_version=self.reading.code_version,
        )
        self._within_bounds(draft)
        self.head = self.landing.log.append(draft, after=self.head)
        self.progress = progress
        report.rows += draft.rows
        report.rejected += draft.rejected
        report.parts += len(draft.parts)
        report.bytes += sum(part.bytes for part in draft.parts)
        report.commits += 1
        report.cursor = draft.cursor
        report.live_rows = report.rows
        self.nulled += sum(update.nulled for update in updates)
        self.reading.moved(report)

    def _within_bounds(self, draft: Draft) -> None:
        limit = self.table.max_rejected
        rejected, rows = self.report.rejected + draft.rejected, self.report.rows + draft.rows
        if limit is not None and rejected > limit * (rejected + rows):
            raise Violation(
                f"{rejected} of {rejected + rows} records break the contract; max_rejected allows {limit:.2%}",
                hint=f"see {', '.join(part.key for part in draft.rejected_parts)}; "
                "nothing of this part was committed",
                run=draft.run,
            )

    def _conclude(self) -> None:
        if not self.progress.complete:
            self.report.status = "unfinished"
        elif not self.report.commits:
            self._commit([])
        if self.nulled:
            self.report.warnings.append(
                f"{self.nulled} values that are neither numbers nor dates (NaN, infinity, a day in no calendar) "
                "landed as null; `not_finite: quarantine` keeps their rows out"
            )


class Filling:
    """The parts that one reader fills with a range."""

    def __init__(self, run: TableRun, index: int, lines: Lines) -> None:
        self.update = Update(index)
        self._run = run
        self._lines = lines
        self._lane = next(run.numbers)
        self._parts, self._rejects = count(), count()
        self._part: PartWriter | None = None
        self._quarantine: PartWriter | None = None
        self._since = run.reading.monotonic()

    def read(self, reader: Reader, span: Range) -> None:
        """Write the rows of a piece. Where there is no order to go on by, full parts are put away on the way."""
        run = self._run
        for block, found in reader.blocks(run.query.lines(span), run.query.table):
            treated = self._lines.treat(block, found)
            if treated.rows:
                self._writer().write(treated.chunk, treated.rows)
            if treated.rejected:
                self._rejector().write(treated.quarantine, treated.rejected)
                self.update.rejected += treated.rejected
            self.update.nulled += treated.nulled
            run.report.live_rows += treated.rows
            run.reading.moved(run.report)
            if not run.query.order:
                if self._part is not None and self._part.size >= run.table.part_size:
                    self._close()
                if run.reading.stop():
                    raise Transient(
                        "stopped in a table that has no key to go on by",
                        hint="nothing of it was committed; the next run reads it from its beginning",
                    )

    def settle(self, *, whole: bool) -> None:
        """Publish when the part is full, has been open for long, or the range is done."""
        run = self._run
        full = self._part is not None and self._part.size >= run.table.part_size
        late = run.reading.monotonic() - self._since >= run.table.commit_every.total_seconds()
        if whole or full or late:
            self.flush()

    def flush(self) -> None:
        """Close what is open and publish it with the place it belongs to."""
        self._close()
        update, self.update = self.update, Update(self.update.index, self.update.bound)
        self._run.publish(update)
        self._since = self._run.reading.monotonic()

    def abort(self) -> None:
        """Drop what is open."""
        for writer in (self._part, self._quarantine):
            if writer is not None:
                writer.abort()
        self._part = self._quarantine = None

    def _close(self) -> None:
        try:
            if self._part is not None:
                self.update.parts.append(self._part.close())
                self._part = None
            if self._quarantine is not None:
                self.update.rejected_parts.append(self._quarantine.close())
                self._quarantine = None
        except BaseException:
            self.abort()
            raise

    def _writer(self) -> PartWriter:
        if self._part is None:
            progress, landing = self._run.progress, self._run.landing
            self._part = landing.part(
                progress.run, progress.attempt, self._lane, next(self._parts), self._run.table.file_format
            )
        return self._part

    def _rejector(self) -> PartWriter:
        if self._quarantine is None:
            progress, landing = self._run.progress, self._run.landing
            self._quarantine = landing.reject(progress.run, progress.attempt, self._lane, next(self._rejects))
        return self._quarantine


def ended(report: StreamReport, error: BaseException, *, over: bool) -> None:
    """Put an error into the report: that the time is over is no failure, and neither is another run that was faster."""
    match error:
        case Superseded():
            report.status, report.error = "superseded", error
        case Transient() if over:
            report.status = "unfinished"
            report.warnings.append(error.message)
        case SluiceError():
            report.status, report.error = "failed", error.at(stream=report.stream)
        case _:
            report.status, report.error = "failed", last_words(error)
