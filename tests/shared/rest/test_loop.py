"""Circles are noticed, whatever their length, and walks that end are left alone."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rest.loop import MAX_SAME, REMEMBERED, LoopGuard, PageLoop
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


def test_an_api_that_ignores_the_page_parameter_is_noticed() -> None:
    same = Page(request(0), Response(200), (b'{"id":1}', b'{"id":2}'))

    with pytest.raises(PageLoop, match=f"{MAX_SAME + 1} pages with the same records"):
        show(LoopGuard(), range(100), page=same)


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
