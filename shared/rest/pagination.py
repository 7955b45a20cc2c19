"""How the pages of a list follow one another: seven styles, each a frozen document with pure behaviour.

A style names the markers that it needs in the body (`markers`, `required_markers`, `shape`), sets up the first request
(`first`) and derives the next one from a page (`next`); None is the end. Nothing is sent and nothing remembered here,
so a walk can stop after any page and go on in another process.

Rules of all styles: an empty page that promises more is not the end (`LoopGuard` bounds how many may follow one
another); a page that promises more without saying where is an incomplete answer (`check`), never the end; a short page
is the end only where the document says `stop: short`.

>>> from shared.rest.message import Response
>>> style = NextLink(has_more="has_more")
>>> first = style.first(Request("https://api.test/accounts", params=(("limit", "2"),)))
>>> page = Page(first, Response(200), (b"{}",), {"has_more": True, "next": "/accounts?cursor=7&limit=2"})
>>> style.next(page).full_url()
'https://api.test/accounts?cursor=7&limit=2'
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from shared.rest.body import Kind, Marker, PageShape
from shared.rest.document import Document
from shared.rest.links import follow, parse_links
from shared.rest.loop import LoopGuard, PageLoop
from shared.rest.message import Page, Request
from shared.rest.place import Place, get, name_of, put

__all__ = [
    "Cursor",
    "LastRecordId",
    "LinkHeader",
    "LoopGuard",
    "NextLink",
    "Offset",
    "PageLoop",
    "PageNumber",
    "Pagination",
    "SinglePage",
]


class _Style(Document):
    """What the styles share; most need no marker and leave the first request as it is."""

    def body_markers(self) -> tuple[Marker, ...]:
        """The values beside the records that this style reads."""
        return ()

    def markers(self) -> tuple[str, ...]:
        return tuple(marker.path for marker in self.body_markers())

    def required_markers(self) -> tuple[str, ...]:
        return tuple(marker.path for marker in self.body_markers() if marker.required)

    def shape(self, records: str, *, single: bool = False) -> PageShape:
        """The shape of this style's answers; `records` is the path of the list, "" when the answer itself is it."""
        return PageShape(records=records, markers=self.body_markers(), single=single, check=self.check)

    def first(self, request: Request) -> Request:
        """The request for the first page."""
        return request

    def check(self, page: Page) -> None:
        """Raises ValueError when the page contradicts itself; `PageShape.parse` turns it into `IncompleteBody`."""

    def token(self, request: Request) -> str:
        """What tells this request from the others of the walk, for messages; "" where there is no such name."""
        return ""


class NextLink(_Style):
    """The body holds a link to the next page: a URL, or a path (resolved against the page's own URL).

    Without `has_more` the link must be in every answer and is null, or empty, at the end; `optional` allows it to be
    left out at the end. With `has_more` that flag must be in every answer and alone decides.
    """

    type: Literal["next_link"] = "next_link"
    path: str = "next"
    has_more: str | None = None
    optional: bool = False

    def body_markers(self) -> tuple[Marker, ...]:
        return _pointer(self.path, self.has_more, self.optional)

    def check(self, page: Page) -> None:
        link = page.markers.get(self.path)
        if link is not None and not isinstance(link, str):
            raise ValueError(f"{self.path} is {link!r} and not a link")
        _need(page, self.path, self.has_more)
        self.next(page)

    def next(self, page: Page) -> Request | None:
        link = page.markers.get(self.path)
        if not link or (self.has_more and not page.markers[self.has_more]):
            return None
        return follow(page.request, str(link))


class LinkHeader(_Style):
    """The answer's Link header (RFC 8288) holds the next page, as at GitHub; no such link is the end."""

    type: Literal["link_header"] = "link_header"
    rel: str = "next"

    def check(self, page: Page) -> None:
        self.next(page)

    def next(self, page: Page) -> Request | None:
        for link in parse_links(page.response.headers.get("link", "")):
            if self.rel.lower() in link.rels:
                return follow(page.request, link.target)
        return None


class Cursor(_Style):
    """The body holds a token that is sent back as `param`, in the query or at a dotted path of the JSON body.

    Flags: `has_more` is true while there is more; `done` (as Zendesk's `end_of_stream`) is true on the last page.
    Without a flag, an empty or null token is the end, and `optional` allows it to be left out there.
    """

    type: Literal["cursor"] = "cursor"
    param: str = "cursor"
    path: str = "next_cursor"
    has_more: str | None = None
    done: str | None = None
    optional: bool = False
    place: Place = "query"

    def body_markers(self) -> tuple[Marker, ...]:
        done = (Marker(self.done, Kind.FLAG, required=True),) if self.done else ()
        return _pointer(self.path, self.has_more, self.optional or bool(done)) + done

    def check(self, page: Page) -> None:
        _need(page, self.path, self.has_more)
        if self.done and not page.markers[self.done] and page.markers.get(self.path) in (None, ""):
            raise ValueError(f"{self.done} is false but {self.path} is missing")

    def next(self, page: Page) -> Request | None:
        token = page.markers.get(self.path)
        if token in (None, ""):
            return None
        if (self.has_more and not page.markers[self.has_more]) or (self.done and page.markers[self.done]):
            return None
        return put(page.request, self.place, self.param, token)

    def token(self, request: Request) -> str:
        return name_of(request, self.place, self.param)


class LastRecordId(_Style):
    """The next page begins behind the last record of this one, as at Stripe: `param` is that record's `field`.

    `has_more` is true while there is more; with null, reading goes on until a page is empty. An empty page that
    promises more cannot be continued and counts as incomplete.
    """

    type: Literal["last_record_id"] = "last_record_id"
    param: str = "starting_after"
    field: str = "id"
    has_more: str | None = "has_more"
    place: Place = "query"

    def body_markers(self) -> tuple[Marker, ...]:
        return (Marker(self.has_more, Kind.FLAG, required=True),) if self.has_more else ()

    def check(self, page: Page) -> None:
        if self.has_more and page.markers[self.has_more] and not page.records:
            raise ValueError(f"{self.has_more} is true but there is no record to go on from")
        if page.records:
            self._last(page)

    def next(self, page: Page) -> Request | None:
        if not page.records or (self.has_more and not page.markers[self.has_more]):
            return None
        return put(page.request, self.place, self.param, self._last(page))

    def token(self, request: Request) -> str:
        return name_of(request, self.place, self.param)

    def _last(self, page: Page) -> str | int:
        value: Any = _lenient(page.records[-1])
        for part in self.field.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        broken = isinstance(value, str) and not _whole(value)
        if value in (None, "") or broken or isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f'the last record has no "{self.field}" to go on from')
        return value


class Offset(_Style):
    """Records are counted: the next page begins at the number of those read so far.

    The offset moves by what arrived, not by what was asked for, so an API that caps `limit` loses nothing. The end is
    an empty page, with `stop: short` a page of fewer than `limit`, or with `total` the API's count (an empty page
    before it is stepped over; a count below what has arrived contradicts itself, and the answer is asked for anew).
    """

    type: Literal["offset"] = "offset"
    offset_param: str = "offset"
    limit_param: str = "limit"
    limit: int = Field(default=100, ge=1)
    total: str | None = None
    stop: Literal["empty", "short"] = "empty"
    place: Place = "query"

    def body_markers(self) -> tuple[Marker, ...]:
        return (Marker(self.total, Kind.COUNT, required=True),) if self.total else ()

    def first(self, request: Request) -> Request:
        """With the limit, and an offset unless the request has one."""
        request = put(request, self.place, self.limit_param, self.limit)
        offset = get(request, self.place, self.offset_param)
        return put(request, self.place, self.offset_param, 0 if offset is None else int(offset))

    def check(self, page: Page) -> None:
        total, arrived = _count(page, self.total), len(page.records)
        if self.total and arrived and self._offset(page) + arrived > total:
            raise ValueError(
                f"{self.total} is {total}, but {self._offset(page) + arrived} or more have arrived"
            )

    def next(self, page: Page) -> Request | None:
        arrived = len(page.records)
        offset = self._offset(page) + (arrived or self.limit)
        if self.total:
            if offset >= _count(page, self.total):
                return None
        elif not arrived or (self.stop == "short" and arrived < self.limit):
            return None
        return put(page.request, self.place, self.offset_param, offset)

    def token(self, request: Request) -> str:
        return name_of(request, self.place, self.offset_param)

    def _offset(self, page: Page) -> int:
        return int(get(page.request, self.place, self.offset_param) or 0)


class PageNumber(_Style):
    """Pages are numbered from `first_page`. The end is an empty page, with `stop: short` a page of fewer than `size`
    records, or with `total_pages` the API's count of pages.
    """

    type: Literal["page_number"] = "page_number"
    page_param: str = "page"
    size_param: str | None = "per_page"
    size: int = Field(default=100, ge=1)
    first_page: int = Field(default=1, alias="first")
    total_pages: str | None = None
    stop: Literal["empty", "short"] = "empty"
    place: Place = "query"

    def body_markers(self) -> tuple[Marker, ...]:
        return (Marker(self.total_pages, Kind.COUNT, required=True),) if self.total_pages else ()

    def first(self, request: Request) -> Request:
        """With the page size, and a page number unless the request has one."""
        if self.size_param:
            request = put(request, self.place, self.size_param, self.size)
        number = get(request, self.place, self.page_param)
        return put(request, self.place, self.page_param, self.first_page if number is None else int(number))

    def check(self, page: Page) -> None:
        total = _count(page, self.total_pages)
        if self.total_pages and page.records and self._number(page) >= self.first_page + total:
            raise ValueError(f"{self.total_pages} is {total}, but page {self._number(page)} has records")

    def next(self, page: Page) -> Request | None:
        number = self._number(page) + 1
        arrived = len(page.records)
        if self.total_pages:
            if number >= self.first_page + _count(page, self.total_pages):
                return None
        elif not arrived or (self.stop == "short" and arrived < self.size):
            return None
        return put(page.request, self.place, self.page_param, number)

    def token(self, request: Request) -> str:
        return name_of(request, self.place, self.page_param)

    def _number(self, page: Page) -> int:
        given = get(page.request, self.place, self.page_param)
        return self.first_page if given is None else int(given)


class SinglePage(_Style):
    """The answer is all there is."""

    type: Literal["single_page"] = "single_page"

    def next(self, page: Page) -> Request | None:
        return None


Pagination = Annotated[
    NextLink | LinkHeader | Cursor | LastRecordId | Offset | PageNumber | SinglePage,
    Field(discriminator="type"),
]


def _lenient(record: bytes) -> Any:
    """A record that only its contract may refuse: also one with half a character, or a number beyond a double."""
    try:
        return msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(record.decode("utf-8", "replace"))


def _whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _pointer(path: str, has_more: str | None, optional: bool) -> tuple[Marker, ...]:
    if has_more:
        return Marker(has_more, Kind.FLAG, required=True), Marker(path)
    return (Marker(path, required=not optional),)


def _need(page: Page, path: str, has_more: str | None) -> None:
    if has_more and page.markers[has_more] and page.markers.get(path) in (None, ""):
        raise ValueError(f"{has_more} is true but {path} is missing")


def _count(page: Page, path: str | None) -> int:
    if path is None:
        return 0
    value = str(page.markers[path])
    if not value.isdecimal():
        raise ValueError(f"{path} is {value!r} and not a count")
    return int(value)
