"""A run of one stream: its windows in lanes side by side, its updates committed one after another.

Every commit is written under the next sequence number by one conditional PUT. When another run was there first, this
run stops and drops what it had not committed: the other one's cursor stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from shared.common.errors import Refused, SluiceError, Superseded, Transient, Violation
from shared.ingestion.backfill import Filled, key_of
from shared.ingestion.found import Found
from shared.ingestion.lane import FORGOTTEN, Course, Lane, Update
from shared.ingestion.plan import cursor_after
from shared.ingestion.progress import Position, Progress, Spot
from shared.ingestion.stream_report import StreamReport, last_words
from shared.ingestion.window import Window
from shared.landing.commit import Commit, Draft
from shared.landing.log import CommitLog

MOST_OTHERS = 1000
"""Commits of others that may come before ours: each is somebody's progress, so this ends."""

#: So many rows of a neighbouring window are nothing unusual, where an API's bounds are coarse.
MANY = 5


@dataclass(frozen=True, slots=True)
class Passage:
    """What a stream's run needs from outside; `run.py` puts it together."""

    log: CommitLog
    course: Callable[[StreamRun], Course]
    plan: Callable[[Commit | None], Progress | None]
    by_value: bool
    bounded: bool
    doubles: bool
    lanes: int
    monotonic: Callable[[], float]
    calls: Callable[[], tuple[int, int]]
    count: Callable[[Progress], int | None]
    afresh: Callable[[], Progress]
    limited: Callable[[], bool]
    over: Callable[[], bool]
    stopped: Callable[[], bool]
    max_rejected: float | None
    contract: str | None
    file_format: str
    code_version: str
    moved: Callable[[StreamReport], None]
    evolves: bool = False
    propose: Callable[[Mapping[str, Collection[str]]], str] = lambda evolved: ""
    backfill: str = ""


class StreamRun:
    """Runs one stream once. Not for use by several callers; its lanes are threads of its own."""

    def __init__(self, name: str, passage: Passage) -> None:
        self.passage = passage
        self.report = StreamReport(name)
        self.head: Commit | None = None
        self.progress: Progress
        self.windows: list[Window] = []
        self.stopping = threading.Event()
        self._committing = threading.Lock()
        self._pending: list[Update] = []
        self._inbox = threading.Lock()
        self._afoot: dict[int, tuple[int, int]] = {}
        self._warned: dict[str, int] = {}
        self._found = Found()
        self._next = 0
        self._known: Any = None
        self._began = passage.monotonic()

    def run(self) -> StreamReport:
        """Run to the end, or to where the deadline, a signal or an error stops it; errors end up in the report."""
        report = self.report
        try:
            self.head = self.passage.log.latest()
            if self.head is not None and self.passage.doubles:
                report.warnings.append(
                    "rows that had landed before land a second time: this stream is appended to"
                )
            progress = self.passage.plan(self.head)
            if progress is None:
                report.status = "skipped"
            else:
                self._walk_all(progress)
        except Superseded as error:
            report.status, report.error = "superseded", error
        except SluiceError as error:
            self._failed(error.at(stream=report.stream))
        except Exception as error:  # noqa: BLE001  (a fault of ours must not take the other streams with it)
            report.status, report.error = "failed", last_words(error)
        report.cursor = None if self.head is None else self.head.draft.cursor
        self._tell_drift()
        self._tell_outside()
        report.warnings += [f"{what} ({times} times)" for what, times in self._warned.items()]
        report.seconds = self.passage.monotonic() - self._began
        report.api_calls, report.retries = self.passage.calls()
        return report

    def _walk_all(self, progress: Progress) -> None:
        """Everything from `progress` on; a snapshot whose page the API has forgotten is begun anew."""
        self._begin(progress)
        try:
            self._work()
        except Refused as error:
            if not self._forgotten(error):
                raise
            self.report.warnings.append(
                f"the unfinished run could not go on and was begun anew: {error.message}"
            )
            self.stopping.clear()
            self._begin(self.passage.afresh())
            self._work()
        self._conclude()

    def _failed(self, error: SluiceError) -> None:
        """That the time of this run is over, or a wait goes beyond it, is no failure: somebody calls again."""
        report, passage = self.report, self.passage
        wait = error.retry_after if isinstance(error, Transient) else None
        # A run that had its time and got no page is a failure: else a dead API would be asked for ever, untold.
        over = (
            passage.stopped()
            or (passage.over() and report.pages > 0)
            or (wait is not None and passage.limited())
        )
        if isinstance(error, Transient) and over:
            report.status, report.retry_after = "unfinished", wait or None
            report.warnings.append(error.message)
        else:
            report.status, report.error, report.retry_after = "failed", error, wait

    def _tell_drift(self) -> None:
        """What drifted, in the report; and a contract that would have held, where the stream's evolves."""
        report, found = self.report, self._found
        report.reasons, report.undeclared = found.counted(), list(found.named())
        report.evolved = {name: sorted(kinds) for name, kinds in sorted(found.evolved.items())}
        if report.rejected or report.trimmed:
            reasons = ", ".join(f"{what} ({times:,})" for what, times in list(report.reasons.items())[:5])
            some = f", {report.trimmed:,} landed without some values" if report.trimmed else ""
            report.warnings.append(f"{report.rejected:,} records rejected{some}: {reasons}")
        if report.undeclared:
            report.warnings.append(
                f"fields that the contract does not declare landed and are not loaded: {', '.join(report.undeclared)}"
            )
        if report.evolved and report.commits:
            try:
                report.contract_version = self.passage.propose(found.evolved)
            except SluiceError as error:  # the data is safe; only the note for its authors is missing
                report.warnings.append(f"the evolved contract could not be put down: {error.message}")

    def _tell_outside(self) -> None:
        """Warn when all rows lie outside of what was asked for: then `format` or `cursor_field` may be wrong."""
        report = self.report
        if report.outside > MANY and not report.rows and not report.rejected and self.passage.bounded:
            report.warnings.append(
                f"all {report.outside:,} rows that came lie outside of the window that was asked for, and were dropped:"
                " compare `incremental` (format, bounds) and `cursor_field` with what the API sends"
            )

    def _forgotten(self, error: Refused) -> bool:
        """Whether a snapshot that an earlier run began cannot go on, because the API no longer knows its page."""
        resumed = self.progress.attempt > 1 and self.progress.snapshot
        return resumed and error.status in FORGOTTEN and not self.report.commits

    def _begin(self, progress: Progress) -> None:
        self.progress = progress
        self.windows = progress.windows()
        self._next = progress.next
        self._known = self._place_of(self.head)

    def _work(self) -> None:
        """Run the lanes; the first error stops the others after their page, and what is whole is still committed."""
        count = max(1, min(self.passage.lanes, len(self.windows)))
        opened = [self.progress.open[i] for i in sorted(self.progress.open)]
        waiting = iter([*opened, *(Position(i, Spot()) for i in range(self._next, len(self.windows)))])
        taking = threading.Lock()

        def take() -> Position | None:
            with taking:
                return None if self.stopping.is_set() else next(waiting, None)

        if count == 1:
            self._lane(take)
            return
        with ThreadPoolExecutor(count, thread_name_prefix=f"lane-{self.report.stream}") as pool:
            lanes: list[Future[None]] = [pool.submit(self._lane, take) for _ in range(count)]
            wait(lanes)
        errors = [error for lane in lanes if (error := lane.exception()) is not None]
        if errors:
            # The cause before its echoes: a lane that was superseded or failed first tells more than the others.
            raise min(errors, key=lambda error: not isinstance(error, Superseded))

    def _lane(self, take: Callable[[], Position | None]) -> None:
        lane = Lane(self.passage.course(self))
        try:
            try:
                while (position := take()) is not None:
                    if not lane.run(position, self.windows[position.index]) or lane.course.stop():
                        break
            except Superseded:
                raise
            except BaseException as error:
                self.stopping.set()
                self._save(lane, error)
                raise
            lane.flush()
        except BaseException:
            self.stopping.set()
            lane.abort()
            raise

    def _save(self, lane: Lane, error: BaseException) -> None:
        """Commit what is whole of a lane that met an error; should that fail too, the first error is told."""
        try:
            lane.flush()
        except Superseded:
            raise
        except Exception as second:
            raise error from second

    def warn(self, what: str) -> None:
        """Note something that is no error, once per kind, with how often it happened."""
        with self._inbox:
            self._warned[what] = self._warned.get(what, 0) + 1

    def live(self, update: Update) -> None:
        """Tell the watcher of rows that are not committed yet."""
        with self._inbox:
            self._afoot[id(update)] = (update.rows, update.pages)
            self._sum_up()
        self.passage.moved(self.report)

    def _sum_up(self) -> None:
        afoot = self._afoot.values()
        self.report.live_rows = self.report.rows + sum(rows for rows, _ in afoot)
        self.report.live_pages = self.report.pages + sum(pages for _, pages in afoot)

    def publish(self, update: Update) -> None:
        """Commit an update; updates that arrive while a commit is on its way share the next one."""
        with self._inbox:
            self._pending.append(update)
        with self._committing:
            with self._inbox:
                updates, self._pending = self._pending, []
            if not updates:
                return
            try:
                self._commit(updates)
            except BaseException:
                # None of it is committed, also not what other lanes have handed in: it must go first next time.
                with self._inbox:
                    self._pending = updates + self._pending
                raise

    def _commit(self, updates: list[Update]) -> None:
        progress = self.progress
        for update in updates:
            progress = update.apply(progress)
        report, passage = self.report, self.passage
        complete = progress.complete(len(self.windows))
        if complete:
            report.expected = self._reconcile(progress)
        found = self._found_by(updates)
        draft = self._append(updates, progress, found, resume=None if complete else progress.to_json())
        self.progress = progress
        self._found.add(found)
        report.rows += draft.rows
        report.rejected += draft.rejected
        report.trimmed += draft.trimmed
        report.parts += len(draft.parts)
        report.bytes += sum(part.bytes for part in draft.parts)
        report.pages += sum(update.pages for update in updates)
        report.outside += sum(update.outside for update in updates)
        report.repeated += sum(update.repeated for update in updates)
        report.commits += 1
        report.cursor = draft.cursor
        with self._inbox:
            for update in updates:
                self._afoot.pop(id(update), None)
            self._sum_up()
        passage.moved(report)

    def _append(
        self, updates: list[Update], progress: Progress, found: Found, *, resume: dict[str, Any] | None
    ) -> Draft:
        """Write the commit behind the last one; behind commits that leave us our place, too."""
        passage, broken = self.passage, found.broken
        calls, retries = passage.calls()
        for _ in range(MOST_OTHERS):
            draft = Draft(
                run=progress.run,
                attempt=progress.attempt,
                parts=tuple(part for update in updates for part in update.parts),
                rejected=sum(update.rejected for update in updates),
                rejected_parts=tuple(part for update in updates for part in update.rejected_parts),
                window=progress.whole.to_json(),
                snapshot=progress.snapshot,
                format=passage.file_format,
                contract=passage.contract,
                expected_rows=self.report.expected,
                seconds=round(passage.monotonic() - self._began, 3),
                api_calls=calls,
                retries=retries,
                code_version=passage.code_version,
                trimmed=found.trimmed,
                reasons=found.counted(),
                undeclared=found.named(),
                evolved={name: tuple(sorted(kinds)) for name, kinds in sorted(found.evolved.items())},
                **self._state(progress, resume),
            )
            self._within_bounds(draft, broken)
            try:
                self.head = passage.log.append(draft, after=self.head)
            except Superseded as error:
                self._fall_in(error)
                found = self._found_by(updates)
                continue
            self._known = self._place_of(self.head)
            return draft
        raise Superseded(
            "others were always faster", hint="try again: nothing was committed", run=progress.run
        )

    def _state(self, progress: Progress, resume: dict[str, Any] | None) -> dict[str, Any]:
        """Where the stream stands after a commit. A window of a back-fill leaves that as it is and has its own."""
        before = None if self.head is None else self.head.draft
        name = self.passage.backfill
        cursor = None if before is None else before.cursor
        if not name:
            by_value = self.passage.by_value
            cursor = cursor_after(progress, self.windows, before=cursor, by_value=by_value)
            return {"cursor": cursor, "resume": resume}
        filled = Filled.of(self.head, name)
        filled = filled.at(progress.whole, progress) if resume else filled.finished(progress.whole)
        beside = {} if before is None else before.beside
        return {
            "cursor": cursor,
            "resume": None if before is None else before.resume,
            "backfill": name,
            "beside": {**beside, name: filled.to_json()},
        }

    def _fall_in(self, error: Superseded) -> None:
        """Take the place behind others' commits; raises `error` when they changed what this run goes by.

        That is the stream's state for its own runs, and for a window of a back-fill only what is known of this window.
        """
        latest = self.passage.log.latest()
        if self.passage.backfill:
            free = self._place_of(latest) == self._known
        else:
            known = 0 if self.head is None else self.head.sequence
            free = all(commit.draft.backfill for commit in self.passage.log.since(known))
        if not free:
            raise error
        self.head = latest

    def _place_of(self, commit: Commit | None) -> Any:
        """What a commit says of the window that this run fills: its progress, or that it is done."""
        name = self.passage.backfill
        if not name:
            return None
        filled = Filled.of(commit, name)
        return filled.open.get(key_of(self.progress.whole), filled.holds(self.progress.whole))

    def _found_by(self, updates: list[Update]) -> Found:
        """What the updates found beside rows; fields that evolve are named in every commit from then on."""
        found = Found()
        for update in updates:
            found.add(update.found)
        before = self.head.draft.evolved if self.head is not None and self.passage.evolves else {}
        found.add(Found(evolved={name: set(kinds) for name, kinds in before.items()}))
        return found

    def _within_bounds(self, draft: Draft, broken: int) -> None:
        """Records count that did not land because of their contract, or landed without the values that break it."""
        limit, report = self.passage.max_rejected, self.report
        out = report.rejected + draft.rejected
        rejected, total = out + self._found.broken + broken, out + report.rows + draft.rows
        if limit is not None and rejected > limit * total:
            reasons = ", ".join(f"{what} ({times})" for what, times in list(draft.reasons.items())[:5])
            raise Violation(
                f"{rejected} of {total} records break the contract ({reasons}); max_rejected allows {limit:.2%}",
                hint=f"see {', '.join(part.key for part in draft.rejected_parts)}; nothing of this part was committed",
                run=draft.run,
            )

    def _conclude(self) -> None:
        """Say that the run is complete, when no commit did yet; compare its rows with the API's own count."""
        report = self.report
        if not self.progress.complete(len(self.windows)):
            report.status = "unfinished"
            return
        if not report.commits:
            self._commit([])

    def _reconcile(self, progress: Progress) -> int | None:
        """The API's own count of the run's rows; warns when others arrived.

        Rows at the very end of the window may count or not.
        """
        expected = self.passage.count(progress)
        if expected is None:
            return None
        held, outside = progress.held, progress.outside
        if not held <= expected <= held + outside:
            self.report.warnings.append(f"the API counts {expected} rows, {held} arrived")
        return expected
