"""Walks: the chain of requests of one window, page after page, fetched one page ahead.

A walk knows nothing of rows or commits. It yields steps; each step says where a later walk would go on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.ingestion.progress import Spot
from shared.ingestion.template import Record, lookup
from shared.rest.message import Page, Request
from shared.rest.pagination import LoopGuard, Pagination

Fetch = Callable[[Request], "Future[Page | None]"]


@dataclass(frozen=True, slots=True)
class Step:
    """One page (None: nothing there, and the stream says that is no error) and the spot after it (None: the end).

    `included` are the parent's fields that every record of the page receives. `broken` are records of parents whose
    lists nobody can ask for; they come once, with the step that ends their page.
    """

    page: Page | None
    after: Spot | None
    included: Mapping[str, Any] = field(default_factory=dict)
    broken: tuple[bytes, ...] = ()


def pages(
    fetch: Fetch, pagination: Pagination, first: Request, *, stream: str, spot: Spot | None = None
) -> Iterator[Step]:
    """The pages from `first` on; the next one is on its way while the consumer works on this one.

    `spot` is where an earlier walk stopped: its request is the first one, and circles are noticed across both.
    """
    if spot is None or spot.request is None or spot.loop is None:
        guard = LoopGuard(stream=stream)
        guard.see(first, token=pagination.token(first))
    else:
        guard = LoopGuard.restored(spot.loop, stream=stream)
    return _follow(fetch, pagination, fetch(first), guard)


def _follow(
    fetch: Fetch, pagination: Pagination, future: Future[Page | None], guard: LoopGuard
) -> Iterator[Step]:
    while True:
        page = future.result()
        following = None if page is None else pagination.next(page)
        if page is None or following is None:
            yield Step(page, None)
            return
        guard.see(following, page=page, token=pagination.token(following))
        future = fetch(following)
        yield Step(page, Spot(request=following, loop=guard.state()))


@dataclass(slots=True)
class Parents:
    """The parents on a page with their keys, and the records that name none."""

    whole: list[tuple[str, Record]] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Family:
    """How the parents on a page become requests: `request` gives the child's first one for a parent's fields.

    `key` tells parents apart, `keep` leaves some out, `include` maps new field names of the child to paths in the
    parent, and with `each` every item of that list of the parent counts as a parent of its own, as its field `each`.
    """

    request: Callable[[Record], Request]
    key: Callable[[Record], str]
    include: Mapping[str, str]
    each: str | None = None
    keep: Callable[[Record], bool] = lambda _: True
    stream: str = ""
    ahead: int = 1

    def parents(self, page: Page) -> Parents:
        found = Parents()
        for record in page.records:
            try:
                parent = orjson.loads(record)
            except orjson.JSONDecodeError:
                # A text of it ends in the middle of a character, which need not be one that matters here.
                try:
                    found.whole += self._checked(self._members(json.loads(record)))
                except ValueError:
                    found.broken.append(record)
            else:
                found.whole += self._members(parent)
        return found

    def _checked(self, members: list[tuple[str, Record]]) -> list[tuple[str, Record]]:
        """Raises ValueError when what is needed of them is no text."""
        for key, parent in members:
            needed = [key, *(lookup(parent, path) for path in self.include.values())]
            json.dumps(needed, ensure_ascii=False).encode()
        return members

    def _members(self, parent: Record) -> list[tuple[str, Record]]:
        """What a record stands for: itself, or each item of a list of it; nothing where it is left out."""
        if not self.keep(parent):
            return []
        listed = (
            [parent]
            if self.each is None
            else [{**parent, "each": one} for one in parent.get(self.each) or ()]
        )
        return [(self.key(one), one) for one in listed]


def children(
    fetch: Fetch, pagination: Pagination, parents: Iterator[Step], *, family: Family, start: Spot
) -> Iterator[Step]:
    """The pages of every parent's list, in the parents' order; the first pages of `ahead` lists are on their way.

    `start` is the spot of an earlier walk, inside the first page that `parents` yields.
    """
    for parent_step in parents:
        page, found = parent_step.page, Parents()
        if page is not None:
            found = family.parents(page)
            yield from _of_page(fetch, pagination, page, found.whole, family=family, start=start)
        start = Spot()
        following = None if parent_step.after is None else parent_step.after.request
        after = None if following is None else Spot(parent=following)
        yield Step(None, after, broken=tuple(found.broken))


def _of_page(
    fetch: Fetch,
    pagination: Pagination,
    page: Page,
    parents: list[tuple[str, Record]],
    *,
    family: Family,
    start: Spot,
) -> Iterator[Step]:
    finished = start.after
    if finished is not None:
        keys = [key for key, _ in parents]
        parents = parents[keys.index(finished) + 1 :] if finished in keys else parents
    waiting = deque(parents)
    queue: deque[tuple[str, Record, Iterator[Step]]] = deque()
    while waiting or queue:
        while waiting and len(queue) < max(1, family.ahead):
            key, parent = waiting.popleft()
            resumed = start.request if start.inside == key else None
            first = resumed or family.request(parent)
            guard = LoopGuard(stream=family.stream)
            guard.see(first, token=pagination.token(first))
            queue.append((key, parent, _follow(fetch, pagination, fetch(first), guard)))
        key, parent, steps = queue.popleft()
        included = {name: lookup(parent, path) for name, path in family.include.items()}
        for step in steps:
            if step.after is None:
                finished = key
                spot = Spot(parent=page.request, after=key)
            else:
                spot = Spot(request=step.after.request, parent=page.request, after=finished, inside=key)
            yield Step(step.page, spot, included)
