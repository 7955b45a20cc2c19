"""Every body is accounted for: a whole page, or an error that shows what came instead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Transient
from shared.common.redaction import Redactor
from shared.rest.body import IncompleteBody, Kind, Marker, PageShape
from shared.rest.message import Request, Response

ASKED = Request("https://api.test/things")
RECURLY = PageShape("data", markers=(Marker("has_more", Kind.FLAG, required=True), Marker("next")))


def answer(body: bytes, **changes: Any) -> Response:
    return Response(**{"status": 200, "url": ASKED.url, "body": body, **changes})


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(records=st.lists(json_values, max_size=6), indent=st.none() | st.integers(0, 2), rest=json_values)
def test_records_are_slices_of_the_body(records: list[Any], indent: int | None, rest: Any) -> None:
    body = json.dumps(
        {"other": rest, "has_more": False, "data": records, "next": None}, indent=indent
    ).encode()

    page = RECURLY.parse(ASKED, answer(body))

    assert records == [json.loads(record) for record in page.records]
    assert all(record in body for record in page.records)


@given(st.data())
def test_no_beginning_of_a_body_counts_as_a_page(data: st.DataObject) -> None:
    records = data.draw(st.lists(json_values, min_size=1, max_size=3))
    whole = json.dumps({"has_more": False, "next": None, "data": records}).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(IncompleteBody, match="not whole JSON"):
        RECURLY.parse(ASKED, answer(whole[:cut]))


def test_the_answer_itself_may_be_the_list() -> None:
    assert (b"1", b'{"a":2}') == PageShape("$").parse(ASKED, answer(b'[1, {"a":2}]')).records


def test_one_object_may_be_the_only_record() -> None:
    assert (b'{"id":1}',) == PageShape("", single=True).parse(ASKED, answer(b'{"id":1}')).records
    assert (b'{"id":1}',) == PageShape("a.b", single=True).parse(
        ASKED, answer(b'{"a":{"b":{"id":1}}}')
    ).records
    with pytest.raises(IncompleteBody, match="not an object"):
        PageShape("", single=True).parse(ASKED, answer(b"[]"))


def test_paths_go_into_nested_objects_with_any_names() -> None:
    shape = PageShape(
        "result.the items", markers=("result.page-info.end", "x"), required=("result.page-info.end",)
    )

    page = shape.parse(ASKED, answer(b'{"result":{"page-info":{"end":"z","n":1},"the items":[1]},"y":0}'))

    assert (b"1",) == page.records
    assert {"result.page-info.end": "z", "x": None} == page.markers


LONE = [
    rb"\ud800",
    rb"\uDBFF",
    rb"\udc00x",
    rb"\ud83d\u0041",
    rb"\uD83D\uD83D\uDE00",
    rb"\\\udfff",
    rb"\uE800\ud801",
]
WHOLE = [rb"\ud83d\ude00", rb"\\ud800", rb"\ue800", rb"\n", b"plain"]


@given(
    texts=st.lists(st.sampled_from(LONE + WHOLE), min_size=1, max_size=5),
    beside=st.sampled_from(LONE + WHOLE),
)
def test_half_a_character_is_the_records_fault_and_not_the_pages(texts: list[bytes], beside: bytes) -> None:
    """The record comes out as it was sent, so that the contract can refuse it alone."""
    records = [b'{"id": %d, "%s": "%s"}' % (number, text, text) for number, text in enumerate(texts)]
    body = b'{"x": "%s", "data": [%s], "has_more": true, "next": "\\ud83d\\ude00"}' % (
        beside,
        b", ".join(records),
    )

    page = RECURLY.parse(ASKED, answer(body))

    assert tuple(records) == page.records
    assert {"has_more": True, "next": "\U0001f600"} == page.markers


def test_one_record_with_half_a_character_comes_out_as_it_was_sent() -> None:
    record = rb'{"a":"\ud800"}'

    assert (record,) == PageShape("$", single=True).parse(ASKED, answer(record)).records
    assert (record,) == PageShape("$").parse(ASKED, answer(b"[" + record + b"]")).records


@pytest.mark.parametrize(
    "body",
    [
        rb'{"data":[],"has_more":true,"next":"/b?cursor=\ud800"}',
        rb'{"data":["\ud800"],"has_more":true',
        rb'{"data":["\ud800" 1],"has_more":true}',
        rb'{"data":["\ud8"],"has_more":true}',
        rb'{"data":["\ud800","\ub800","\uc800","\ue800","\uf800","\ua800"],"has_more":true}',
    ],
)
def test_half_a_character_saves_no_page_that_is_none(body: bytes) -> None:
    with pytest.raises(IncompleteBody, match="not whole JSON"):
        RECURLY.parse(ASKED, answer(body))


@given(st.lists(st.sampled_from(["\\ud83d", "\\uDC00", "\\uE8cD", "\\\\", "ud800", "\\n"])).map("".join))
def test_stand_ins_are_taken_back(text: str) -> None:
    value = json.loads(f'"{text}"')

    (record,) = PageShape("$").parse(ASKED, answer(f'["{text}"]'.encode())).records

    assert (value, f'"{text}"'.encode()) == (json.loads(record), record)


def test_a_byte_order_mark_is_left_out() -> None:
    assert (b"1",) == PageShape("$").parse(ASKED, answer(b"\xef\xbb\xbf[1]")).records


def test_a_marker_keeps_big_numbers() -> None:
    body = b'{"data":[],"has_more":false,"next":123456789012345678901234567890}'

    assert 123456789012345678901234567890 == RECURLY.parse(ASKED, answer(body)).markers["next"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Service unavailable</html>",
        b'{"data":[1],"has_more":true}}',
        b'{"data":[1],"has_more":true',
        b'{"data":[NaN],"has_more":true}',
        b'{"data":[01],"has_more":true}',
        b'{"data":[' + b"[" * 100_000,
        b'{"data":[],"has_more":false,"next":"\xff"}',
        b"null",
        b"[]",
        b"{}",
        b'{"data":null,"has_more":false}',
        b'{"data":{},"has_more":false}',
        b'{"data":[]}',
        b'{"data":[],"has_more":0}',
        b'{"data":[],"has_more":false,"next":[]}',
    ],
)
def test_everything_else_is_an_incomplete_body(body: bytes) -> None:
    with pytest.raises(IncompleteBody, match="the answer is not") as caught:
        RECURLY.parse(ASKED, answer(body))

    assert isinstance(caught.value, Transient)


def test_a_part_of_an_answer_is_no_page() -> None:
    """Nobody asked for a range, so nobody knows what is missing, however whole the JSON looks."""
    with pytest.raises(IncompleteBody, match=r"only a part of the answer.*status 206"):
        RECURLY.parse(ASKED, answer(b'{"data":[1],"has_more":false}', status=206))


def test_the_error_shows_url_status_and_head_without_secrets() -> None:
    body = b"<html>key=hunter22 " + b"x" * 500
    response = answer(
        body, url="https://api.test/a?api_key=abc&cursor=7", headers={"content-type": "text/html"}
    )

    with pytest.raises(IncompleteBody, match="not whole JSON") as caught:
        RECURLY.parse(ASKED, response, redactor=Redactor(["hunter22"]))

    text = str(caught.value)
    assert "url https://api.test/a?api_key=***&cursor=7, status 200, type text/html, bytes 519" in text
    assert "the answer begins with: '<html>key=*** xxx" in text
    assert "hunter22" not in text
    assert len(text) < 500


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        (PageShape("", markers=("next",)), "cannot be read when the answer itself is the list"),
        (PageShape("data", markers=("data.count",)), "lies inside of another path"),
        (PageShape("a.data", markers=("a",)), "used twice"),
        (PageShape("a..b"), "is not a path"),
        (PageShape("data", markers=("next",), single=True), "one record has no page marker"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(shape: PageShape, match: str) -> None:
    with pytest.raises(Misconfigured, match=match):
        shape.parse(ASKED, answer(b"{}"))
