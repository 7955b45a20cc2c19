"""Back-fills: what they have landed of a stream and where their windows are, as a value that every commit carries on.

A back-fill lands windows of the past beside the cursor: its commits leave the cursor, and what an unfinished run needs
to go on, as they are. So its windows can be worked on side by side, by processes or Lambdas that know nothing of each
other, while the stream's own runs go on (docs/decisions/0006). Pure: no clock, no requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.common.errors import Misconfigured, Violation
from shared.common.instants import format_instant
from shared.ingestion.plan import Ask
from shared.ingestion.progress import Progress
from shared.ingestion.spec import Stream
from shared.ingestion.window import Window, split
from shared.landing.commit import Commit

NAME = "backfill"
"""The back-fill that windows belong to when nobody says another name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True)
class Filled:
    """How far one back-fill of one stream is: the ranges that are done, in order and merged, and its open windows.

    `open` has the progress of each window that has begun, by the window's bounds.
    """

    done: tuple[Window, ...] = ()
    open: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, commit: Commit | None, name: str) -> Filled:
        """The state of the back-fill `name` after a commit. Raises `Violation` when the commit is damaged."""
        said = {} if commit is None else commit.draft.beside.get(name, {})
        try:
            done = tuple(_window(f"{since}/{until}") for since, until in said.get("done", ()))
            begun = {key_of(_window(key)): dict(progress) for key, progress in said.get("open", {}).items()}
            return cls(done, begun)
        except (KeyError, TypeError, ValueError, AttributeError, Misconfigured) as error:
            raise Violation(
                f"the commit does not say how far its back-fill is: {type(error).__name__} in `beside.{name}`",
                hint="`sluice backfill --name` begins another one",
                commit=commit.sequence if commit else 0,
            ) from error

    def to_json(self) -> dict[str, Any]:
        return {"done": [key_of(w).split("/") for w in self.done], "open": dict(sorted(self.open.items()))}

    def holds(self, window: Window) -> bool:
        """Whether all of `window` is done."""
        return not _without([window], self.done)

    def at(self, window: Window, progress: Progress) -> Filled:
        """The same with the progress of a window that has begun."""
        return replace(self, open={**self.open, key_of(window): progress.to_json()})

    def finished(self, window: Window) -> Filled:
        """The same with a window done."""
        rest = {key: value for key, value in self.open.items() if key != key_of(window)}
        return Filled(_merged([*self.done, window]), rest)

    def left(self, whole: Window, step: timedelta) -> list[Window]:
        """The windows of `whole` that are not done, oldest first: those that have begun as they are, the rest cut anew.

        A window that has begun and reaches beyond `whole` is left to whoever asks for all of it.
        """
        begun = [_window(key) for key in self.open]
        mine = [w for w in begun if not _without([w], [whole])]
        fresh = _without([whole], [*self.done, *begun])
        pieces = [piece for gap in fresh for piece in split(gap, step)]
        return sorted([*mine, *pieces], key=_bounds)


def key_of(window: Window) -> str:
    """The bounds of a closed window as text."""
    assert window.since is not None
    assert window.until is not None
    return f"{format_instant(window.since)}/{format_instant(window.until)}"


def fillable(stream: Stream) -> str:
    """Why a stream cannot be filled by windows of time; empty when it can."""
    if stream.incremental is None:
        return "it is read whole every time (no `incremental`)"
    if stream.incremental.by != "time":
        return "its cursor is no time (`incremental.by: value`)"
    if stream.disposition == "replace":
        return "each run replaces its table (`write_disposition: replace`)"
    return ""


def named(name: str) -> str:
    """`name` itself. Raises `Misconfigured` when no back-fill can be called so."""
    if not _NAME.fullmatch(name):
        raise Misconfigured(
            f'"{name}" cannot be the name of a back-fill',
            hint="use at most 80 letters, digits, _ and -, and begin with a letter or a digit",
        )
    return name


def plan_window(
    stream: Stream, latest: Commit | None, *, ask: Ask, now: datetime, run: str
) -> Progress | None:
    """The progress of the window that is asked for, taken up where it stopped; None when it is done.

    Raises `Misconfigured`: the stream has no windows of time, or this one is not over yet.
    """
    why_not = fillable(stream)
    if why_not or stream.incremental is None:
        raise Misconfigured(
            f"this stream cannot be back-filled: {why_not}", hint="use `sluice run --full-refresh`"
        )
    window = Window(ask.since, ask.until)
    newest = stream.incremental.format.floor(now - stream.incremental.lag)
    if ask.until is None or ask.until > newest:
        raise Misconfigured(
            f"the window {key_of(window) if ask.until else ''} is not over: rows are final until"
            f" {format_instant(newest)}",
            hint="the stream's own runs land what is newer; end the back-fill before it",
        )
    filled = Filled.of(latest, ask.backfill)
    begun = filled.open.get(key_of(window))
    if begun is not None:
        resumed = Progress.from_json(begun, backfill=ask.backfill)
        return replace(resumed, attempt=resumed.attempt + 1)
    if filled.holds(window):
        return None
    return Progress(run, 1, window, stream.incremental.window, moves=False)


def _window(key: str) -> Window:
    since, until = key.split("/")
    return Window.from_json({"since": since, "until": until})


def _merged(windows: list[Window]) -> tuple[Window, ...]:
    """Closed windows in order, those that touch or overlap joined."""
    found: list[tuple[datetime, datetime]] = []
    for since, until in sorted(_bounds(window) for window in windows):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return tuple(Window(since, until) for since, until in found)


def _without(windows: list[Window], taken: list[Window] | tuple[Window, ...]) -> list[Window]:
    """What remains of closed windows when others are taken out of them."""
    left = [_bounds(window) for window in windows]
    for begin, end in map(_bounds, taken):
        pieces = [
            piece for since, until in left for piece in ((since, min(until, begin)), (max(since, end), until))
        ]
        left = sorted({(since, until) for since, until in pieces if since < until})
    return [Window(since, until) for since, until in left]


def _bounds(window: Window) -> tuple[datetime, datetime]:
    assert window.since is not None
    assert window.until is not None
    return window.since, window.until
