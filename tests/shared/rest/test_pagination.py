"""Every style visits every record exactly once, whatever the page size, and never takes doubt for the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.rest.body import IncompleteBody
from shared.rest.loop import LoopGuard
from shared.rest.message import Page, Request, Response
from shared.rest.pagination import (
    Cursor,
    LastRecordId,
    LinkHeader,
    NextLink,
    Offset,
    PageNumber,
    Pagination,
    SinglePage,
)

BASE = "https://api.test/v1/things"
Answer = tuple[Any, dict[str, str]]


@dataclass
class Api:
    """A small API in memory: `records`, pages of at most `size`, and an answer in the style under test."""

    records: list[int]
    size: int
    style: str
    empty_every: int = 0

    def answer(self, request: Request) -> Answer:
        return getattr(self, f"as_{self.style}")(request)

    def cut(self, start: int, size: int | None = None) -> list[dict[str, int]]:
        size = min(self.size, size or self.size)
        return [{"id": record} for record in self.records[start : start + size]]

    def more(self, end: int) -> bool:
        return end < len(self.records)

    def as_next_link(self, request: Request) -> Answer:
        start = int(request.param("from") or 0)
        if self.empty_every and not request.param("again") and start % self.empty_every == 0:
            return {"data": [], "has_more": True, "next": f"/v1/things?from={start}&again=1"}, {}
        end = start + self.size
        link = f"/v1/things?from={end}" if self.more(end) else None
        return {"data": self.cut(start), "has_more": self.more(end), "next": link}, {}

    def as_link_header(self, request: Request) -> Answer:
        start = int(request.param("from") or 0)
        end = start + self.size
        links = ['<https://api.test/v1/things?from=0>; rel="first"']
        if self.more(end):
            links.append(
                f"<{BASE}?from={end}>; title=\"a, b; c\"; rel='x'; foo=1; rel=next".replace("rel='x'; ", "")
            )
        return self.cut(start), {"link": ", ".join(links)}

    def as_cursor(self, request: Request) -> Answer:
        sent = request.json["page"]["after"] if request.json else request.param("after")
        start = int(str(sent or "c:0")[2:])
        end = start + self.size
        more = self.more(end)
        return {"data": self.cut(start), "meta": {"cursor": f"c:{end}" if more else None, "more": more}}, {}

    def as_last_record_id(self, request: Request) -> Answer:
        last = request.param("starting_after")
        start = 0 if last is None else self.records.index(int(last)) + 1
        return {"data": self.cut(start), "has_more": self.more(start + self.size)}, {}

    def as_offset(self, request: Request) -> Answer:
        start, size = int(request.param("offset") or 0), int(request.param("limit") or 0)
        return {"data": self.cut(start, size), "count": len(self.records)}, {}

    def as_page_number(self, request: Request) -> Answer:
        number, size = int(request.param("page") or 0), min(self.size, int(request.param("per_page") or 0))
        return {"data": self.cut((number - 1) * size, size), "pages": -(-len(self.records) // size)}, {}

    def as_single_page(self, request: Request) -> Answer:
        return {"data": [{"id": record} for record in self.records]}, {}


def walk(api: Api, style: Pagination, *, records: str = "data") -> list[int]:
    """What a reader gets; the requests go through JSON, as they do when a run stops and resumes."""
    shape, guard = style.shape(records), LoopGuard(stream="things")
    request: Request | None = style.first(Request(BASE))
    read: list[int] = []
    page = None
    while request is not None:
        request = Request.from_json(json.loads(json.dumps(request.to_json())))
        guard.see(request, page=page, token=style.token(request))
        document, headers = api.answer(request)
        page = shape.parse(request, Response(200, headers, json.dumps(document).encode(), request.full_url()))
        read += [json.loads(record)["id"] for record in page.records]
        request = style.next(page)
    return read


STYLES: dict[str, Callable[[int], Pagination]] = {
    "next_link": lambda size: NextLink(has_more="has_more"),
    "next_link without a flag": lambda size: NextLink(),
    "link_header": lambda size: LinkHeader(),
    "cursor": lambda size: Cursor(param="after", path="meta.cursor"),
    "cursor with a flag": lambda size: Cursor(param="after", path="meta.cursor", has_more="meta.more"),
    "cursor in the body": lambda size: Cursor(param="page.after", path="meta.cursor", place="json"),
    "last_record_id": lambda size: LastRecordId(),
    "offset": lambda size: Offset(limit=size),
    "offset with a total": lambda size: Offset(limit=size, total="count"),
    "offset with short pages": lambda size: Offset(limit=size, stop="short"),
    "page_number": lambda size: PageNumber(size=size),
    "page_number with a total": lambda size: PageNumber(size=size, total_pages="pages"),
    "page_number with short pages": lambda size: PageNumber(size=size, stop="short"),
    "single_page": lambda size: SinglePage(),
}


@pytest.mark.parametrize("name", STYLES)
@given(records=st.lists(st.integers(0, 10**6), unique=True, max_size=60), size=st.integers(1, 20))
def test_every_style_reads_every_record_once(name: str, records: list[int], size: int) -> None:
    style = STYLES[name](size)

    read = walk(Api(records, size, style.type), style, records="" if style.type == "link_header" else "data")

    assert records == read


@pytest.mark.parametrize(
    ("style", "params", "total"),
    [
        (Offset(total="n"), {"offset": 0}, 0),
        (Offset(total="n"), {"offset": 0}, 1),
        (Offset(total="n"), {"offset": 100}, 101),
        (PageNumber(total_pages="n"), {"page": 1}, 0),
        (PageNumber(total_pages="n"), {"page": 3}, 2),
        (PageNumber(total_pages="n", first=0), {"page": 2}, 2),
    ],
)
def test_a_count_below_what_has_arrived_is_no_end(
    style: Pagination, params: dict[str, int], total: int
) -> None:
    asked = Request(BASE, params=tuple((name, str(value)) for name, value in params.items()))
    shape = style.shape("data")

    with pytest.raises(IncompleteBody, match=r"more have arrived|has records"):
        shape.parse(asked, Response(200, body=b'{"n":%d,"data":[1,2]}' % total))
    for body in (b'{"n":%d,"data":[1,2]}' % (total + 102), b'{"n":0,"data":[]}'):
        shape.parse(asked, Response(200, body=body))


@given(asked=st.integers(1, 50), given_size=st.integers(1, 20), total=st.booleans(), count=st.integers(0, 80))
def test_an_api_that_caps_the_page_size_loses_nothing(
    asked: int, given_size: int, total: bool, count: int
) -> None:
    style = Offset(limit=asked, total="count" if total else None)

    assert list(range(count)) == walk(Api(list(range(count)), given_size, "offset"), style)


@given(size=st.integers(1, 9), count=st.integers(0, 40), empty_every=st.integers(1, 5))
def test_an_empty_page_that_promises_more_is_not_the_end(size: int, count: int, empty_every: int) -> None:
    api = Api(list(range(count)), size, "next_link", empty_every=empty_every)

    assert list(range(count)) == walk(api, NextLink(has_more="has_more"))


@pytest.mark.parametrize(
    ("style", "document"),
    [
        (NextLink(), {"data": []}),
        (NextLink(has_more="has_more"), {"data": [], "next": "/x"}),
        (NextLink(has_more="has_more"), {"data": [], "next": None, "has_more": None}),
        (NextLink(has_more="has_more"), {"data": [{"id": 1}], "has_more": True, "next": None}),
        (NextLink(has_more="has_more"), {"data": [{"id": 1}], "has_more": True}),
        (NextLink(has_more="has_more"), {"data": [{"id": 1}], "has_more": "true", "next": "/x"}),
        (NextLink(), {"data": [{"id": 1}], "next": 7}),
        (Cursor(path="after"), {"data": []}),
        (Cursor(path="after"), {"data": [], "after": True}),
        (Cursor(path="after", done="end"), {"data": [], "end": False}),
        (LastRecordId(), {"data": [{"id": 1}]}),
        (LastRecordId(), {"data": [], "has_more": True}),
        (LastRecordId(), {"data": [{"name": 1}], "has_more": True}),
        (Offset(total="count"), {"data": []}),
        (Offset(total="count"), {"data": [], "count": "many"}),
        (PageNumber(total_pages="pages"), {"data": [], "pages": -1}),
        (SinglePage(), {}),
        (SinglePage(), {"data": None}),
        (SinglePage(), {"data": {"id": 1}}),
        (SinglePage(), []),
    ],
)
def test_a_page_without_what_the_style_needs_is_incomplete(style: Pagination, document: object) -> None:
    answer = Response(200, body=json.dumps(document).encode())

    with pytest.raises(IncompleteBody, match="the answer is not a page"):
        style.shape("data").parse(Request(BASE), answer)


def test_the_end_may_leave_out_an_optional_link() -> None:
    style = Cursor(param="after", path="paging.next.after", optional=True)
    shape = style.shape("results")

    last = shape.parse(Request(BASE), Response(200, body=b'{"results":[1]}'))
    other = shape.parse(Request(BASE), Response(200, body=b'{"results":[1],"paging":{"next":{"after":"9"}}}'))

    assert style.next(last) is None
    assert Request(BASE, params=(("after", "9"),)) == style.next(other)


def test_a_flag_may_say_that_this_was_the_last_page_though_there_is_a_cursor() -> None:
    style = Cursor(param="cursor", path="after_cursor", done="end_of_stream")
    answer = b'{"tickets":[],"after_cursor":"z","end_of_stream":%s}'
    shape = style.shape("tickets")

    assert style.next(shape.parse(Request(BASE), Response(200, body=answer % b"true"))) is None
    assert style.next(shape.parse(Request(BASE), Response(200, body=answer % b"false"))) is not None


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://files.test/v2/x?cursor=1", "https://files.test/v2/x?cursor=1"),
        ("/accounts?cursor=12:34&limit=200", "https://api.test/accounts?cursor=12%3A34&limit=200"),
        ("?cursor=2", "https://api.test/v1/things?cursor=2"),
        ("things?cursor=2", "https://api.test/v1/things?cursor=2"),
        ("//other.test/x", "https://other.test/x"),
        ("/a?flag&raw=%FF#part", "https://api.test/a?flag&raw=%FF"),
        ("/a?x=1+2%203", "https://api.test/a?x=1+2+3"),
    ],
)
def test_a_link_is_resolved_against_its_page_and_brings_its_own_parameters(link: str, expected: str) -> None:
    page = Page(
        Request(BASE, params=(("limit", "20"),), headers=(("accept", "x"),)),
        Response(200),
        (),
        {"next": link},
    )

    following = NextLink().next(page)

    assert following is not None
    assert expected == following.full_url()
    assert (("accept", "x"),) == following.headers


def test_a_cursor_in_the_body_leaves_the_earlier_request_as_it_was() -> None:
    first = Request(BASE, method="POST", json={"page": {"size": 2}, "sort": ["id"]})
    page = Page(first, Response(200), (), {"after": 7})

    following = Cursor(param="page.after", path="after", place="json").next(page)

    assert following is not None
    assert {"page": {"size": 2, "after": 7}, "sort": ["id"]} == following.json
    assert {"page": {"size": 2}, "sort": ["id"]} == first.json


def test_first_keeps_an_offset_that_the_request_brings() -> None:
    request = Offset(limit=5).first(Request(BASE, params=(("offset", "40"),)))

    assert "https://api.test/v1/things?offset=40&limit=5" == request.full_url()


@pytest.mark.parametrize("value", [rb'"\ud800"', b"1e400", b'"\xff"'])
def test_the_last_record_gives_its_id_whatever_else_is_wrong_with_it(value: bytes) -> None:
    style = LastRecordId()
    shape, asked = style.shape("data"), Request(BASE)

    page = shape.parse(asked, Response(200, body=b'{"has_more":true,"data":[{"x":%s,"id":7}]}' % value))
    following = style.next(page)

    assert following is not None
    assert "7" == following.param("starting_after")
    if value != b'"\xff"':
        with pytest.raises(IncompleteBody, match='no "id" to go on from'):
            shape.parse(asked, Response(200, body=b'{"has_more":true,"data":[{"id":%s}]}' % value))


def test_offsets_and_sizes_may_travel_in_the_body() -> None:
    style = Offset(offset_param="page.offset", limit_param="page.limit", limit=2, place="json")
    first = style.first(Request(BASE, method="POST"))

    following = style.next(Page(first, Response(200), (b"1", b"2")))

    assert following is not None
    assert {"page": {"limit": 2, "offset": 2}} == following.json


def test_styles_name_their_markers() -> None:
    style = NextLink(path="links.next", has_more="more")

    assert ("more", "links.next") == style.markers()
    assert ("more",) == style.required_markers()


def test_a_document_chooses_its_style_by_type_and_unknown_keys_are_refused() -> None:
    styles: TypeAdapter[Pagination] = TypeAdapter(Pagination)

    assert PageNumber(first=0, size=50) == styles.validate_python(
        {"type": "page_number", "first": 0, "size": 50}
    )
    with pytest.raises(ValidationError, match="Extra inputs"):
        styles.validate_python({"type": "cursor", "pram": "x"})
    with pytest.raises(ValidationError, match="discriminator"):
        styles.validate_python({"path": "next"})


@given(st.text('<>;,="\\ rel=nxthtp:/[]', max_size=60))
def test_no_link_header_breaks_the_reader(text: str) -> None:
    try:
        page = LinkHeader().shape("").parse(Request(BASE), Response(200, {"link": text}, b"[]"))
    except IncompleteBody:
        return

    following = LinkHeader().next(page)

    assert following is None or following.url.startswith(("http", "x"))


def test_a_link_that_is_no_url_is_an_incomplete_answer() -> None:
    answer = Response(200, body=b'{"data":[],"next":"https://[broken"}')

    with pytest.raises(IncompleteBody, match="not a link"):
        NextLink().shape("data").parse(Request(BASE), answer)
