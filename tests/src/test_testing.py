"""The standard suite itself: it passes for a source that is right, and fails for each way of being wrong."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.rest.message import Request
from src.testing import SourceSuite
from src.worlds import World, chosen, owner

RIGHT = """
source: shop
base_url: https://api.shop.test/v1
auth: {type: basic, username: SHOP_KEY}
defaults:
  primary_key: id
  pagination: {type: next_link, path: next}
streams:
  customers:
    path: /customers
    params: {state: all}
    cursor_field: at
    incremental: {since: since, start: 2024-01-01}
    columns: {id: string, at: timestamp}
  notes:
    path: /customers/{id}/notes
    parent: {stream: customers, include: {customer_id: id}}
"""
ANSWERS: dict[str, Any] = {
    "/customers": {
        "data": [{"id": "c1", "at": "2024-03-01T10:00:00Z"}],
        "next": "/v1/customers?state=all&page=2",
    },
    "/customers?page=2": {"data": [{"id": "c2", "at": "2024-03-02T10:00:00Z"}], "next": None},
    "/customers/c1/notes": {"data": [{"id": "n1"}, {"id": "n2"}], "next": None},
    "/customers/c2/notes": {"data": [{"id": "n3"}], "next": None},
}
Suite = Callable[..., type[SourceSuite]]


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A suite for a source with some text replaced, and some answers changed (None: not recorded)."""

    def make(*changes: tuple[str, str], **answers: Any) -> type[SourceSuite]:
        text = RIGHT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / "source.yml"
        file.write_text(text)
        merged = {**ANSWERS, **{key.replace("__", "/"): value for key, value in answers.items()}}
        recorded = {key: value for key, value in merged.items() if value is not None}
        return type(
            "TestShop", (SourceSuite,), {"source": file, "recorded": recorded, "__module__": __name__}
        )

    return make


def world_of(made: type[SourceSuite]) -> Callable[[], World]:
    return lambda: made()._world(None)


@pytest.mark.parametrize(
    "test",
    [
        "test_every_recorded_row_lands",
        "test_two_runs_of_the_same_answers_land_identical_bytes",
        "test_the_cursor_moves",
        "test_a_run_that_stops_after_every_page_lands_the_same_bytes",
        "test_every_path_that_is_asked_for_belongs_to_a_stream",
    ],
)
def test_a_source_that_is_right_passes(suite: Suite, test: str) -> None:
    """With two pages, a parent and its children."""
    made = suite()
    getattr(made(), test)(world_of(made))


def test_the_rows_of_the_right_source_are_really_there(suite: Suite) -> None:
    """The checks would pass for nothing, too."""
    here = world_of(suite())()
    here.run()

    assert (2, 3) == (here.count("customers"), here.count("notes"))
    assert b'"customer_id":"c2"' in here.rows("notes")


def test_a_record_that_breaks_its_contract_does_not_land(suite: Suite) -> None:
    """The failure quotes the quarantine."""
    made = suite(("at: timestamp}", "at: timestamp, name: string}\n    max_rejected: 100%"))
    with pytest.raises(AssertionError, match="0 of 2 rows landed; quarantine"):
        made().test_every_recorded_row_lands(world_of(made))


def test_a_record_outside_of_the_window_does_not_land(suite: Suite) -> None:
    """A start that is too late loses history."""
    made = suite(("start: 2024-01-01", "start: 2024-03-02"))
    with pytest.raises(AssertionError, match="1 of 2 rows landed"):
        made().test_every_recorded_row_lands(world_of(made))


def test_a_key_that_is_none_loses_rows(suite: Suite) -> None:
    """Two rows with one key on a page are one."""
    same = {"data": [{"id": "n1", "kind": 1}, {"id": "n2", "kind": 1}], "next": None}
    made = suite(("    parent:", "    primary_key: kind\n    parent:"), __customers__c1__notes=same)
    with pytest.raises(AssertionError, match=r"notes: \d of 3 rows landed"):
        made().test_every_recorded_row_lands(world_of(made))


def test_an_answer_that_is_not_recorded_fails_with_its_path(suite: Suite) -> None:
    """So that one knows what to record."""
    made = suite(__customers__c2__notes=None)
    with pytest.raises(AssertionError, match=r"nothing is recorded for GET \S+/customers/c2/notes"):
        made().test_every_recorded_row_lands(world_of(made))


def test_an_answer_that_nobody_asks_for_fails(suite: Suite) -> None:
    """A path in the source is wrong, or the answer is of no use."""
    made = suite(__orders={"data": []})
    with pytest.raises(AssertionError, match="/orders"):
        made().test_every_recorded_answer_is_used(world_of(made), None)


def test_a_link_that_leads_elsewhere_is_seen(suite: Suite) -> None:
    """It is followed, as links are, but belongs to no stream."""
    stray = {"data": [{"id": "c1", "at": "2024-03-01T10:00:00Z"}], "next": "/v1/admin?page=2"}
    made = suite(__customers=stray, __admin={"data": [], "next": None})
    with pytest.raises(AssertionError, match="/admin"):
        made().test_every_path_that_is_asked_for_belongs_to_a_stream(world_of(made))


def test_a_folder_that_has_another_name_is_seen(tmp_path: Path) -> None:
    """It would not be found by its name."""
    made = type("TestShop", (SourceSuite,), {"source": "recurly"})
    made().test_the_file_is_valid_and_named_after_its_folder()


def test_a_cursor_that_stands_still_is_seen(suite: Suite) -> None:
    """Everything would be asked for again each time."""
    made = suite()

    def stuck() -> World:
        here = world_of(made)()
        here.clock.advance = lambda seconds: None  # type: ignore[method-assign]
        return here

    with pytest.raises(AssertionError, match="customers"):
        made().test_the_cursor_moves(stuck)


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_a_right_source_tells_no_secret(suite: Suite, caplog: pytest.LogCaptureFixture, status: int) -> None:
    """Also when the API repeats the whole request."""
    made = suite()
    made().test_no_secret_is_landed_logged_or_told(world_of(made), status, caplog)


def test_a_secret_in_a_log_is_seen(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    """In any spelling; here as base64 of basic auth."""
    made = suite()

    def chatty() -> World:
        here = world_of(made)()
        send = here.transport.send

        def told(request: Request, **more: Any) -> Any:
            logging.getLogger("chatty").warning("%s", request.headers)
            return send(request, **more)

        here.transport.send = told  # type: ignore[method-assign]
        return here

    with pytest.raises(AssertionError, match="the log"):
        made().test_no_secret_is_landed_logged_or_told(chatty, 200, caplog)


def test_the_recorded_key_with_the_most_parameters_answers(suite: Suite) -> None:
    """Order and other parameters do not matter."""
    spec = world_of(suite())().source.spec
    request = Request("https://api.shop.test/v1/customers", params=(("limit", "5"), ("page", "2")))

    assert "/customers?page=2" == chosen(ANSWERS, request, spec)
    assert "/customers" == chosen(ANSWERS, request.with_params(page="3"), spec)
    assert chosen(ANSWERS, Request("https://api.shop.test/v1/else"), spec) is None


SEARCH = """
source: shop
base_url: https://api.shop.test/v1
defaults:
  path: /search
  method: POST
  primary_key: id
  pagination: {type: cursor, param: page.after, path: next, place: json}
streams:
  customers: {json: {type: customer, page: {size: 2}}}
  orders: {json: {type: order}}
"""


@pytest.mark.parametrize("name", [n for n in dir(SourceSuite) if n.startswith("test_")])
def test_pages_that_are_asked_for_in_a_json_body_are_told_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A cursor in the body, and two streams that differ in nothing else."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "source.yml").write_text(SEARCH)
    recorded = {
        "/search?type=customer": {"data": [{"id": "c1"}, {"id": "c2"}], "next": 7},
        "/search?type=customer&page.after=7": {"data": [{"id": "c3"}], "next": None},
        "/search?type=order": {"data": [{"id": "o1"}], "next": None},
    }
    made: Any = type(
        "TestShop",
        (SourceSuite,),
        {"source": tmp_path / "shop/source.yml", "recorded": recorded, "__module__": __name__},
    )
    here = world_of(made)()
    here.run()
    test = getattr(made(), name)
    wanted = {"world": world_of(made), "status": 401, "caplog": caplog, "server": None}
    test(**{key: wanted[key] for key in inspect.signature(test).parameters})

    assert (3, 1) == (here.count("customers"), here.count("orders"))


def test_a_request_belongs_to_the_stream_whose_path_and_parameters_fit(suite: Suite) -> None:
    """Placeholders stand for one segment."""
    spec = world_of(suite())().source.spec

    assert "notes" == owner(spec, Request("https://api.shop.test/v1/customers/c%2F1/notes"))
    assert "customers" == owner(
        spec, Request("https://api.shop.test/v1/customers", params=(("state", "all"),))
    )
    assert owner(spec, Request("https://api.shop.test/v1/customers")) is None
    assert owner(spec, Request("https://api.shop.test/v1/customers/c1/x/notes")) is None


def test_recorded_answers_may_be_files(tmp_path: Path) -> None:
    """Their names are paths; behind @ come the parameters."""
    (tmp_path / "customers" / "c1").mkdir(parents=True)
    (tmp_path / "customers.json").write_text("{}")
    (tmp_path / "customers@page=2.json").write_text("{}")
    (tmp_path / "customers" / "c1" / "notes.json").write_text("{}")
    made = type("TestShop", (SourceSuite,), {"source": "shop", "recorded": tmp_path, "__module__": __name__})

    assert {"/customers", "/customers?page=2", "/customers/c1/notes"} == made()._recorded().keys()


def test_a_folder_without_answers_is_an_error(tmp_path: Path) -> None:
    """A suite without answers tests nothing."""
    made = type("TestShop", (SourceSuite,), {"source": "shop", "recorded": tmp_path, "__module__": __name__})
    with pytest.raises(Misconfigured, match="no recorded answers"):
        made()._recorded()
