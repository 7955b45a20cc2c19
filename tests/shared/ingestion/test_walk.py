"""A walk visits every page once, and a walk from any of its spots visits exactly the rest."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.ingestion.progress import Spot
from shared.ingestion.template import fill, lookup
from shared.ingestion.walk import Family, Step, children, pages
from shared.rest.loop import PageLoop
from shared.rest.message import Page, Request, Response
from shared.rest.pagination import NextLink

STYLE = NextLink(type="next_link", has_more="has_more")
ROOT = "https://api.test"


class Api:
    """Lists by path, given out `size` records a page; remembers what was asked."""

    def __init__(
        self, lists: dict[str, list[dict[str, Any]]], size: int = 2, *, gone: frozenset[str] = frozenset()
    ) -> None:
        self.lists, self.size, self.gone = lists, size, gone
        self.asked: list[str] = []

    def fetch(self, request: Request) -> Future[Page | None]:
        future: Future[Page | None] = Future()
        path = request.url.removeprefix(ROOT)
        self.asked.append(path)
        start = int(request.param("cursor") or 0)
        if path in self.gone:
            future.set_result(None)
            return future
        rows = self.lists.get(path, [])
        more = start + self.size < len(rows)
        records = tuple(orjson.dumps(row) for row in rows[start : start + self.size])
        link = f"{path}?cursor={start + self.size}" if more else None
        future.set_result(Page(request, Response(200), records, {"has_more": more, "next": link}))
        return future


def family(**more: Any) -> Family:
    return Family(
        request=lambda parent: Request(f"{ROOT}/parents/{parent['id']}/notes"),
        key=lambda parent: str(parent["id"]),
        include={"parent_id": "id"},
        **more,
    )


def walk(api: Api, spot: Spot | None = None, **more: Any) -> Iterator[Step]:
    spot = spot or Spot()
    first = spot.parent or Request(f"{ROOT}/parents")
    parents = pages(api.fetch, STYLE, first, stream="parents")
    return children(api.fetch, STYLE, parents, family=family(**more), start=spot)


def rows(steps: list[Step]) -> list[tuple[Any, Any]]:
    return [
        (step.included.get("parent_id"), orjson.loads(record)["n"])
        for step in steps
        if step.page is not None
        for record in step.page.records
    ]


shapes = st.lists(st.integers(0, 5), max_size=6)


def lists_of(sizes: list[int]) -> dict[str, list[dict[str, Any]]]:
    lists: dict[str, list[dict[str, Any]]] = {"/parents": [{"id": f"p{i}"} for i in range(len(sizes))]}
    for i, size in enumerate(sizes):
        lists[f"/parents/p{i}/notes"] = [{"n": n} for n in range(size)]
    return lists


@given(st.integers(0, 9), st.integers(1, 4))
def test_every_page_is_visited_once_and_the_last_step_says_so(total: int, size: int) -> None:
    api = Api({"/a": [{"n": n} for n in range(total)]}, size)
    steps = list(pages(api.fetch, STYLE, Request(f"{ROOT}/a"), stream="a"))

    assert [n for _, n in rows(steps)] == list(range(total))
    assert [step.after is None for step in steps] == [False] * (len(steps) - 1) + [True]


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 8))
def test_a_walk_from_a_spot_visits_the_rest(total: int, size: int, stop: int) -> None:
    api = Api({"/a": [{"n": n} for n in range(total)]}, size)
    steps = list(pages(api.fetch, STYLE, Request(f"{ROOT}/a"), stream="a"))
    stop = min(stop, len(steps) - 1)
    after = steps[stop].after
    rest = []
    if after is not None and after.request is not None:
        spot = Spot.from_json(after.to_json())
        rest = list(pages(api.fetch, STYLE, after.request, stream="a", spot=spot))

    assert rows(steps[: stop + 1]) + rows(rest) == rows(steps)


def test_the_next_page_is_asked_for_before_this_one_is_given_out() -> None:
    api = Api({"/a": [{"n": n} for n in range(6)]})
    steps = pages(api.fetch, STYLE, Request(f"{ROOT}/a"), stream="a")
    next(steps)

    assert len(api.asked) == 2


def test_a_circle_is_refused_also_when_half_of_it_was_before_the_stop() -> None:
    def fetch(request: Request) -> Future[Page | None]:
        future: Future[Page | None] = Future()
        after = {"0": "1", "1": "2", "2": "1"}[request.param("cursor") or "0"]
        markers = {"has_more": True, "next": f"/a?cursor={after}"}
        future.set_result(Page(request, Response(200), (b'{"n":1}',), markers))
        return future

    first = next(pages(fetch, STYLE, Request(f"{ROOT}/a"), stream="a"))
    assert first.after is not None
    assert first.after.request is not None
    resumed = pages(fetch, STYLE, first.after.request, stream="a", spot=first.after)

    with pytest.raises(PageLoop, match="cursor=1"):
        list(resumed)


@given(shapes, st.integers(1, 3), st.integers(1, 3))
def test_children_come_parent_by_parent_with_the_parents_fields(
    sizes: list[int], size: int, ahead: int
) -> None:
    api = Api(lists_of(sizes), size)
    steps = list(walk(api, ahead=ahead))

    assert rows(steps) == [(f"p{i}", n) for i, total in enumerate(sizes) for n in range(total)]
    assert steps[-1].after is None


@given(shapes, st.integers(1, 3), st.integers(1, 3), st.integers(0, 30))
def test_children_from_a_spot_are_the_rest(sizes: list[int], size: int, ahead: int, stop: int) -> None:
    api = Api(lists_of(sizes), size)
    steps = list(walk(api, ahead=ahead))
    stop = min(stop, len(steps) - 1)
    after = steps[stop].after
    rest = [] if after is None else list(walk(api, Spot.from_json(after.to_json()), ahead=ahead))

    assert rows(steps[: stop + 1]) + rows(rest) == rows(steps)


def test_a_parent_that_is_gone_is_stepped_over() -> None:
    api = Api(lists_of([1, 2, 1]), gone=frozenset({"/parents/p1/notes"}))

    assert rows(list(walk(api))) == [("p0", 0), ("p2", 0)]


def test_a_parent_that_vanished_while_the_run_was_stopped_does_not_lend_its_name_to_another() -> None:
    api = Api(lists_of([4, 4, 4]))
    inside = next(step.after for step in walk(api) if step.after is not None and step.after.inside == "p0")
    api.lists["/parents"].pop(0)

    assert {parent for parent, _ in rows(list(walk(api, inside)))} == {"p1", "p2"}


def test_each_item_of_a_list_in_the_parent_is_a_parent() -> None:
    lists: dict[str, list[dict[str, Any]]] = {
        "/parents": [{"id": 1, "add_ons": [{"code": "x"}, {"code": "y"}]}, {"id": 2}],
        "/parents/1/x": [{"n": 1}],
        "/parents/1/y": [{"n": 2}],
    }
    api = Api(lists)
    each = Family(
        request=lambda parent: Request(f"{ROOT}/parents/{parent['id']}/{parent['each']['code']}"),
        key=lambda parent: f"{parent['id']}/{parent['each']['code']}",
        include={"parent_id": "each.code"},
        each="add_ons",
    )
    parents = pages(api.fetch, STYLE, Request(f"{ROOT}/parents"), stream="parents")

    assert rows(list(children(api.fetch, STYLE, parents, family=each, start=Spot()))) == [("x", 1), ("y", 2)]


def test_a_path_is_filled_with_quoted_values() -> None:
    assert (
        fill("/a/{id}/{x.y}", ("id", "x.y"), {"id": "a/b c", "x": {"y": 3}}, stream="s") == "/a/a%2Fb%20c/3"
    )


def test_a_parent_without_the_field_of_the_path_is_a_violation() -> None:
    with pytest.raises(Violation, match='no value "id"'):
        fill("/a/{id}", ("id",), {"id": None}, stream="s")


def test_a_field_is_found_by_its_dotted_path() -> None:
    assert (lookup({"a": {"b": 1}}, "a.b"), lookup({"a": 1}, "a.b"), lookup({}, "a")) == (1, None, None)
