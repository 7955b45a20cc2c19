"""The newest rows of a window, known by their text, so that the window can be asked for anew from their time on.

An API that has forgotten a page cursor is asked again for everything since the time of the last row. The rows of just
that time come a second time then; each that has landed is dropped once, also where a stream has no key to tell by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from shared.ingestion.sieve import Raws, instant
from shared.ingestion.window import TimeFormat, Window

TIES = 500
"""Rows of one time that are remembered, 8 bytes each; where there are more, a window cannot be asked for anew."""

Kept = list[tuple[int, Any]]
"""Rows of a page: their place on it, and their key and version."""


class Edge:
    """The rows at the greatest time so far, on the grid of `times`, by the digests of their text.

    `digests` is what a commit keeps; None: there are too many. Pages must come in the order of time.
    """

    def __init__(self, times: TimeFormat, last: Any, digests: Sequence[str] | None) -> None:
        self._times = times
        self._at = self._on_grid(last)
        self.digests: tuple[str, ...] | None = None if digests is None else tuple(digests)
        self._again: Counter[str] = Counter()

    @classmethod
    def of(
        cls, window: Window, times: TimeFormat | None, *, last: Any, digests: Sequence[str] | None
    ) -> Edge | None:
        """The edge of a window; None where no time bounds it, so that it cannot be asked for from a time on."""
        bounded = window.since is not None or window.until is not None
        return cls(times, last, digests) if times is not None and bounded else None

    def expect_again(self) -> None:
        """The window is asked for anew from the edge on."""
        self._again = Counter(self.digests or ())

    def pass_over(self, kept: Kept, cursors: Sequence[Any], records: Raws) -> tuple[Kept, list[Any]]:
        """The rows of a page, and their cursors, without those that come again; the edge moves on to the last rows."""
        if self._again:
            new = [place for place, (index, _) in enumerate(kept) if not self._comes_again(records[index])]
            kept, cursors = [kept[place] for place in new], [cursors[place] for place in new]
        found: list[str] = []
        for (index, _), cursor in zip(reversed(kept), reversed(cursors), strict=True):
            at = self._on_grid(cursor)
            if at is None or (self._at is not None and at < self._at):
                break
            if at != self._at:
                if found:
                    break
                self._at, self.digests = at, ()
                self._again.clear()
            found.append(_mark(records[index]))
            if self.digests is None or len(self.digests) + len(found) > TIES:
                self.digests = None
                break
        if found and self.digests is not None:
            self.digests += tuple(found)
        return kept, list(cursors)

    def _comes_again(self, record: bytes) -> bool:
        mark = _mark(record)
        known = self._again[mark] > 0
        self._again[mark] -= known
        return known

    def _on_grid(self, cursor: Any) -> datetime | None:
        at = instant(cursor, self._times)
        return None if at is None else self._times.floor(at)


def _mark(record: bytes) -> str:
    return blake2b(record, digest_size=8).hexdigest()
