"""Circles are noticed, whatever their length, and walks that end are left alone."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rest.loop import MAX_SAME, MAX_UNIFORM, REMEMBERED, LoopGuard, PageLoop
from shared.rest.message import Page, Request, Response

BASE = "https://api.test/things"


def request(number: object) -> Request:
    return Request(BASE, params=(("cursor", str(number)),))


def show(guard: LoopGuard, numbers: Iterable[int], page: Page | None = None) -> None:
    for number in numbers:
        guard.see(request(number), page=page)


def test_a_repeated_cursor_is_named_with_its_stream() -> None:
    guard = LoopGuard(stream="accounts")
    guard.see(request("a:1"))
    guard.see(request("b:2"))

    with pytest.raises(PageLoop, match=r'"cursor=a:1" came a second time \[stream accounts') as caught:
        guard.see(request("a:1"), token="cursor=a:1")

    assert "2 requests were different" in str(caught.value)


@given(before=st.integers(0, 300), length=st.integers(1, 400))
def test_every_circle_is_noticed_soon(before: int, length: int) -> None:
    numbers = [
        step if step < before else before + (step - before) % length
        for step in range(4 * (before + length) + 8)
    ]

    with pytest.raises(PageLoop, match="circle") as caught:
        show(LoopGuard(), numbers)

    assert length > REMEMBERED or f"{before + length} requests were different" in str(caught.value)


@given(st.integers(1, 400))
def test_a_walk_without_a_circle_is_left_alone(count: int) -> None:
    guard = LoopGuard()
    for number in range(count):
        guard.see(request(number))

    assert count == guard.seen


@given(before=st.integers(1, 100), length=st.integers(1, 200), stop=st.integers(1, 300))
def test_a_circle_is_noticed_across_a_resume(before: int, length: int, stop: int) -> None:
    steps = range(6 * (before + length + stop))
    numbers = [step if step < before else before + (step - before) % length for step in steps]
    guard = LoopGuard()

    with pytest.raises(PageLoop, match="circle"):  # noqa: PT012 - the circle may close before the stop or after it
        show(guard, numbers[:stop])
        show(LoopGuard.restored(json.loads(json.dumps(guard.state()))), numbers[stop:])


def test_memory_stays_bounded() -> None:
    guard = LoopGuard()
    for number in range(10_000):
        guard.see(request(number))

    assert len(json.dumps(guard.state())) < 400


def test_empty_pages_without_end_are_refused() -> None:
    guard = LoopGuard(stream="plans", max_empty=3)
    for number in range(4):
        guard.see(request(number), page=Page(request(number), Response(200), ()) if number else None)

    with pytest.raises(PageLoop, match="4 empty pages"):
        guard.see(request(4), page=Page(request(3), Response(200), ()))


def answered(number: int, *records: bytes) -> Page:
    return Page(request(number), Response(200), records)


def shown(guard: LoopGuard, pages: Iterable[Page]) -> int:
    """How many pages it took until the guard refused."""
    for count, page in enumerate(pages, 1):
        try:
            guard.see(request(f"after {guard.seen}"), page=page)
        except PageLoop:
            return count
    return 0


def test_an_api_that_ignores_the_page_parameter_is_noticed() -> None:
    same = answered(0, b'{"id":1}', b'{"id":2}')

    with pytest.raises(PageLoop, match=f"{MAX_SAME + 1} pages with the same 2 records"):
        show(LoopGuard(), range(100), page=same)


def test_how_often_a_page_came_again_is_told() -> None:
    guard = LoopGuard()
    told = []
    for number, first in enumerate((b"1", b"1", b"2", b"3", b"3")):
        guard.see(request(number), page=answered(number, first, b"x"))
        told.append(guard.same)

    assert [0, 1, 0, 0, 1] == told


@given(stop=st.integers(1, MAX_SAME), records=st.sampled_from([(b"1", b"2"), (b"1", b"1")]))
def test_equal_pages_are_counted_across_a_resume(stop: int, records: tuple[bytes, ...]) -> None:
    """Else every run would land some copies more."""
    whole = shown(LoopGuard(), (answered(number, *records) for number in range(50)))
    guard = LoopGuard()
    assert shown(guard, (answered(number, *records) for number in range(stop))) == 0
    resumed = LoopGuard.restored(json.loads(json.dumps(guard.state())))

    assert stop + shown(resumed, (answered(number, *records) for number in range(50))) == whole


def test_a_state_of_an_earlier_version_is_read() -> None:
    guard = LoopGuard()
    guard.see(request(0))
    state = {name: value for name, value in guard.state().items() if name not in ("same", "mark", "twin")}

    assert LoopGuard.restored(state).seen == 1


def test_pages_that_differ_in_the_middle_only_are_not_the_same() -> None:
    pages = (answered(number, b"0", b"%04d" % number, b"0") for number in range(50))

    assert shown(LoopGuard(), pages) == 0


@given(st.lists(st.sampled_from([b"0", b"1"]), min_size=1, max_size=5))
def test_a_list_of_nothing_but_equal_records_may_be_a_few_pages_long(records: list[bytes]) -> None:
    """A list of plain values has no keys, and its pages may well be alike; three full pages of them are no chance."""
    uniform = len(set(records)) == 1
    limit = MAX_UNIFORM if uniform else MAX_SAME

    assert limit + 1 == shown(LoopGuard(), (answered(number, *records) for number in range(100)))


def test_a_page_that_comes_twice_is_no_circle() -> None:
    guard = LoopGuard()
    for number in range(50):
        page = Page(request(number), Response(200), (b'{"id":%d}' % (number // 2),))
        guard.see(request(number), page=page)

    assert guard.seen == 50


def test_requests_that_differ_only_in_their_body_are_different() -> None:
    guard = LoopGuard()
    guard.see(Request(BASE, method="POST", json={"after": 1}))
    guard.see(Request(BASE, method="POST", json={"after": 2}))

    with pytest.raises(PageLoop, match="'after': 2"):
        guard.see(Request(BASE, method="POST", json={"after": 2}))


def test_the_error_shows_no_secret() -> None:
    guard = LoopGuard()
    guard.see(Request(BASE, params=(("api_key", "hunter22"),)))

    with pytest.raises(PageLoop, match="circle") as caught:
        guard.see(Request(BASE, params=(("api_key", "hunter22"),)))

    assert "hunter22" not in str(caught.value)
