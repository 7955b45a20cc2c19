"""What a run of one stream has to do: go on with an unfinished run, or cover the range from the cursor to now.

Pure: the last commit, what was asked for, and the time go in; a Progress comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.common.errors import Misconfigured, Violation
from shared.common.instants import format_instant, parse_instant
from shared.ingestion.progress import Progress, Value
from shared.ingestion.spec import Stream
from shared.ingestion.window import Window
from shared.landing.commit import Commit

MOST_WINDOWS = 100_000
"""Windows of one run: thirty years by the hour are a quarter of a million, by the day eleven thousand."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What the caller of a run wants: nothing (what is new), a range of its own, or everything again.

    With `backfill`, the name of one, the range is a window of it: landed once, beside the cursor (`backfill.py`).
    """

    since: datetime | None = None
    until: datetime | None = None
    full_refresh: bool = False
    backfill: str = ""

    def __post_init__(self) -> None:
        if self.backfill and (self.since is None or self.until is None):
            raise Misconfigured("a window of a back-fill needs both ends", hint="give since and until")
        if self.since and self.until and self.since >= self.until:
            raise Misconfigured(
                f"the range is empty: since {format_instant(self.since)}, until {format_instant(self.until)}",
                hint="since must lie before until",
            )

    @property
    def anything(self) -> bool:
        return bool(self.since or self.until or self.full_refresh)


def plan(stream: Stream, latest: Commit | None, *, ask: Ask, now: datetime, run: str) -> Progress:
    """The progress to start from. A run that stopped before its end goes on, unless something else is asked for."""
    if latest is not None and latest.draft.resume is not None and not ask.anything:
        resumed = Progress.from_json(latest.draft.resume, **_place(latest))
        return replace(resumed, attempt=resumed.attempt + 1)
    incremental = stream.incremental
    if incremental is None or stream.disposition == "replace":
        # Versions of a list that is read whole: what is no longer in it is gone.
        snapshot = stream.disposition in ("replace", "scd2")
        return Progress(run, 1, Window(), snapshot=snapshot, moves=False)
    cursor = None if latest is None else latest.draft.cursor
    if incremental.by == "value":
        value = None if ask.full_refresh else cursor
        return Progress(run, 1, Window(), value=value)
    at = None if latest is None or cursor is None else _landed_until(latest)
    since = ask.since
    if since is None:
        since = incremental.start if at is None or ask.full_refresh else at - incremental.look_back
    # Beyond the lag nothing is stable yet; a cursor in the future would skip all that is still to come.
    newest = incremental.format.floor(now - incremental.lag)
    until = newest if ask.until is None else min(ask.until, newest)
    whole = Window(since, until)
    _bounded(whole, incremental.window)
    return Progress(run, 1, whole, incremental.window, moves=_contiguous(since, at, incremental.start))


def _landed_until(latest: Commit) -> datetime:
    try:
        return parse_instant(latest.draft.cursor)
    except Misconfigured as error:
        raise Violation(
            f"the cursor {str(latest.draft.cursor)[:60]!r} is no time",
            hint="`sluice state rewind` or `sluice state reset` puts another one behind it",
            **_place(latest),
        ) from error


def _place(commit: Commit) -> dict[str, object]:
    return {"source": commit.source, "stream": commit.stream, "commit": commit.sequence}


def _contiguous(since: datetime | None, cursor: datetime | None, start: datetime | None) -> bool:
    """Whether nothing lies between what has landed and `since`: only then may the cursor move over it."""
    landed = cursor or start
    return since is None or (landed is not None and since <= landed)


def _bounded(whole: Window, step: timedelta | None) -> None:
    """Refuse more windows than a run can keep in mind."""
    if step is None or whole.since is None or whole.until is None:
        return
    count = (whole.until - whole.since) / step
    if count > MOST_WINDOWS:
        raise Misconfigured(
            f"the range from {format_instant(whole.since)} to {format_instant(whole.until)} has {count:,.0f} windows"
            f" of {step}",
            hint=f"choose a longer incremental.window, so that there are at most {MOST_WINDOWS:,}",
        )


def cursor_after(progress: Progress, windows: list[Window], *, before: Value, by_value: bool) -> Value:
    """The cursor that a commit of this progress carries. It never goes back: only `state rewind` does that."""
    if not progress.moves:
        return before
    if by_value:
        return progress.value
    mark = progress.watermark(windows)
    if mark is None or (before is not None and parse_instant(str(before)) >= parse_instant(mark)):
        return before
    return mark
