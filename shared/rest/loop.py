"""Notices that pagination runs in a circle, however long the circle is, with a memory that does not grow.

Two nets: the digests of the last requests show a short circle at once; Brent's algorithm (one request is kept, and
replaced after 1, 2, 4, 8 … steps) shows every other circle after at most about three times its length.
Source: R. P. Brent, "An improved Monte Carlo factorization algorithm", BIT 20 (1980), section 2.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from shared.common.errors import Violation
from shared.common.redaction import Redactor
from shared.rest.message import Page, Request

REMEMBERED = 32
MAX_EMPTY = 1000

MAX_SAME = 2
"""Times that a page of records may come again. Once happens to a list that is ordered by the newest first, when exactly
a page of new records arrives between two requests; twice in a row, to the byte, under three cursors, does not."""

MAX_UNIFORM = 10
"""The same for a page whose records are all alike, as a list of plain values or of records without a key may have."""


class PageLoop(Violation):
    """The API sends a reader in a circle, or through empty pages without end."""


class LoopGuard:
    """Is shown every request of one walk over a list, the first one too, and refuses one that was there before.

    `max_empty` bounds how many empty pages may follow one another, and `MAX_SAME` how many pages with the same records
    (an API that does not know the page parameter answers with its first page for ever). `same` is how often the last
    page shown has come again, 0 for a new one. `state()` and `restored()` carry the guard through a commit's `resume`,
    so that a circle is noticed across invocations as well.
    """

    def __init__(self, *, stream: str = "", max_empty: int = MAX_EMPTY, recent: Iterable[bytes] = ()) -> None:
        self._stream = stream
        self._max_empty = max_empty
        self._recent: deque[bytes] = deque(recent, maxlen=REMEMBERED)
        self._kept = b""
        self._power = 1
        self._steps = 0
        self._empty = 0
        self._mark = b""
        self._twin = b""
        self.same = 0
        self.seen = 0

    def see(self, request: Request, *, page: Page | None = None, token: str = "") -> None:
        """Note the next request. `page` is the page that led to it; `token` names the request in the error.

        Raises `PageLoop` naming the repeated token and the stream.
        """
        digest = _digest(request)
        if digest == self._kept or digest in self._recent:
            raise PageLoop(
                f'pagination runs in a circle: "{token or _name(request)}" came a second time',
                hint=f"{self.seen} requests were different; the API repeats a cursor, or `pagination` does not fit it",
                stream=self._stream,
                url=Redactor().url(request.full_url()),
            )
        if page is not None:
            self._watch(page, request)
        self._recent.append(digest)
        if self._steps == self._power or not self._kept:
            self._kept, self._power, self._steps = digest, self._power * 2, 0
        self._steps += 1
        self.seen += 1

    def _watch(self, page: Page, request: Request) -> None:
        mark = _mark(page)
        self._compare(page, mark)
        self._empty = 0 if mark else self._empty + 1
        if self._empty > self._max_empty:
            problem = f"{self._empty} empty pages followed one another, and each promised more"
        elif self.same >= MAX_UNIFORM or (self.same >= MAX_SAME and not _uniform(page)):
            problem = f"{self.same + 1} pages with the same {len(page.records)} records followed one another"
        else:
            return
        raise PageLoop(
            problem,
            hint="the API's has-more flag or link does not end, or `pagination` does not fit it",
            stream=self._stream,
            url=Redactor().url(request.full_url()),
        )

    def _compare(self, page: Page, mark: bytes) -> None:
        """Count how often the page has come again: the first time by its mark, then to the last byte."""
        if not mark or mark != self._mark:
            self._mark, self._twin, self.same = mark, b"", 0
            return
        twin = _whole(page)
        self.same = 1 if self._twin and twin != self._twin else self.same + 1
        self._twin = twin

    def state(self) -> dict[str, Any]:
        """A small JSON document from which `restored` makes an equal guard (but for the oldest recent requests)."""
        return {
            "kept": self._kept.hex(),
            "power": self._power,
            "steps": self._steps,
            "empty": self._empty,
            "seen": self.seen,
            "same": self.same,
            "mark": self._mark.hex(),
            "twin": self._twin.hex(),
            "recent": [digest.hex() for digest in list(self._recent)[-4:]],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], *, stream: str = "", max_empty: int = MAX_EMPTY) -> LoopGuard:
        """The guard that `state()` described.

        The request that the resumed walk begins with was seen before it stopped: do not show it again.
        """
        recent = (bytes.fromhex(text) for text in state["recent"])
        guard = cls(stream=stream, max_empty=max_empty, recent=recent)
        guard._kept = bytes.fromhex(state["kept"])
        guard._power, guard._steps = state["power"], state["steps"]
        guard._empty, guard.seen = state["empty"], state["seen"]
        guard.same = state.get("same", 0)
        guard._mark, guard._twin = (bytes.fromhex(state.get(name, "")) for name in ("mark", "twin"))
        return guard


def _digest(request: Request) -> bytes:
    body = msgspec.json.encode([request.json, request.form], order="sorted")
    return blake2b(f"{request.method} {request.full_url()}\n".encode() + body, digest_size=12).digest()


def _mark(page: Page) -> bytes:
    """What a page looks like: number and size of its records, the first and the last; empty for an empty page."""
    if not page.records:
        return b""
    mark = blake2b(page.records[0], digest_size=12)
    mark.update(page.records[-1] + b"%d %d" % (len(page.records), sum(map(len, page.records))))
    return mark.digest()


def _whole(page: Page) -> bytes:
    return blake2b(b"\n".join(page.records), digest_size=12).digest()


def _uniform(page: Page) -> bool:
    return page.records.count(page.records[0]) == len(page.records)


def _name(request: Request) -> str:
    place = Redactor().url(request.full_url()).split("://", 1)[-1]
    path = "/" + place.partition("/")[2]
    return path if request.json is None else f"{path} {str(request.json)[:200]}"
