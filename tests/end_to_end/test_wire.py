"""What goes wrong on the wire ends with every row exactly once, or with an error that says where; never in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.fakes import DictSecrets, FixedDeadline
from shared.common.instants import format_instant
from shared.ingestion.reading import load_source
from shared.ingestion.run import ingest
from shared.ingestion.session import Tools
from shared.rest.address import Guard
from shared.rest.message import Request, Response
from shared.rest.transport import HttpTransport, Timeout
from tests.end_to_end.house import SOURCE, Ended, House
from tests.end_to_end.shop import TOKEN, Open, shop

NOTES = "/products/8/notes"
GOOD = None


@pytest.fixture(scope="module")
def steady() -> Iterator[Open]:
    """A shop whose rows no test changes."""
    with shop() as opened:
        yield opened


@pytest.fixture
def house(tmp_path: Path, steady: Open) -> Iterator[House]:
    yield House(tmp_path, steady)
    steady.obey({})


@pytest.fixture
def lively(tmp_path: Path) -> Iterator[House]:
    """A house whose shop is its own, so that its rows may change."""
    with shop() as opened:
        yield House(tmp_path, opened)


def status(code: int, **headers: str) -> dict[str, Any]:
    return {"kind": "status", "status": code, "headers": headers, "body": {"error": {"type": "busy"}}}


def in_a_second() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def outcome(ended: Ended, stream: str) -> dict[str, Any]:
    found: dict[str, Any] = ended.answer["streams"][stream]
    return found


PASSING: dict[str, Any] = {
    "429 with seconds": lambda: [status(429, **{"Retry-After": "1"})],
    "429 with a date": lambda: [status(429, **{"Retry-After": format_datetime(in_a_second(), usegmt=True)})],
    "429 with a reset": lambda: [
        status(
            429, **{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(in_a_second().timestamp()))}
        )
    ],
    "a burst of 5xx": lambda: [status(500), status(502), status(503, **{"Retry-After": "0"})],
    "a reset in mid-body": lambda: [{"kind": "reset"}, {"kind": "reset", "after": 0}],
    "a reset before any answer": lambda: [{"kind": "refuse"}],
    "an end in mid-body": lambda: [{"kind": "close"}, {"kind": "cut_chunks"}],
    "JSON cut with a length that fits": lambda: [{"kind": "cut_json"}],
    "a length that is too great": lambda: [{"kind": "long_length"}],
    "gzip that is cut": lambda: [{"kind": "gzip", "cut": 9}],
    "HTML with status 200": lambda: [{"kind": "html"}],
    "an empty page that promises more": lambda: [{"kind": "empty"}],
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_costs_nothing(house: House, fault: str) -> None:
    """On first pages, on later ones and on the list of a child."""
    made = PASSING[fault]()
    routes = {"/orders": [GOOD, *made, GOOD, *made], "/events": [*made, GOOD, GOOD, *made], NOTES: made}
    house.shop.obey({"routes": routes})
    ended = house.run()
    met = [entry for entry in house.shop.log() if entry["fault"]]

    assert ended.code == 0, ended.err
    assert len(met) == 5 * len(made)
    house.prove()


def test_a_page_that_comes_twice_lands_once(house: House) -> None:
    """The API sends a page a second time under another cursor; the rows are known by their keys."""
    # Far apart, so that they do not hit one page twice in a row: a page that comes three times is a circle.
    duplicate = {"kind": "duplicate"}
    house.shop.obey({"routes": {"/orders": [GOOD, duplicate, *[GOOD] * 12, duplicate]}})
    ended = house.run()

    assert ended.code == 0, ended.err
    house.prove()


@pytest.mark.parametrize("stream", ["orders", "events"])
def test_a_cursor_that_expires_in_mid_run_is_left_and_the_window_goes_on(house: House, stream: str) -> None:
    """Neither a stream that is merged nor one that is appended gets a row twice or loses one."""
    house.shop.obey(
        {"routes": {f"/{stream}": [GOOD, GOOD, {"kind": "expired"}, GOOD, GOOD, {"kind": "expired"}]}}
    )
    ended = house.run()

    assert ended.code == 0, ended.err
    assert sum(entry["fault"] == "expired" for entry in house.shop.log()) >= 2
    house.prove()


def test_a_snapshot_whose_cursor_expires_is_begun_anew_by_the_next_run(house: House) -> None:
    words = "--streams", "products"
    house.shop.obey({"routes": {"/products": [{"kind": "expired"}]}})
    first = house.run(*words)
    house.whole()
    house.shop.obey({"routes": {"/products": [{"kind": "expired"}]}})
    again = house.run(*words)

    assert first.code == 3
    assert "status 410" in first.err
    assert f"{house.shop.url}/products" in first.err
    assert again.code == 0, again.err
    assert "begun anew" in again.err
    house.prove(only=("products",))


def test_a_cursor_that_repeats_is_told_with_its_name_and_the_next_run_goes_on(house: House) -> None:
    house.shop.obey({"routes": {"/events": [GOOD, GOOD, {"kind": "repeat"}]}})
    ended = house.run()
    house.whole()
    house.shop.obey({})
    again = house.run()

    assert ended.code == 4
    assert "circle" in ended.err
    assert "cursor=" in ended.err
    assert outcome(ended, "orders")["status"] == "done"
    assert again.code == 0, again.err
    house.prove()


def test_rows_that_change_while_they_are_paged_are_in_the_table_as_they_are_now(lively: House) -> None:
    """One that was read already and one that was not move to the end of the list; a third one is new."""
    orders = lively.shop.rows()["orders"]
    at = format_instant(lively.shop.end + timedelta(minutes=10))
    moved = [{**row, "updated_at": at, "state": "paid"} for row in (orders[1], orders[-1])]
    new = [{**orders[0], "id": 10_000, "updated_at": at}]
    lively.shop.obey(
        {"routes": {"/orders": [GOOD, GOOD, {"kind": "change", "upsert": {"orders": [*moved, *new]}}]}}
    )
    ended = lively.run()
    again = lively.run()

    assert (ended.code, again.code) == (0, 0), ended.err
    lively.prove_tables()
    assert outcome(ended, "orders")["rows"] in (len(orders) + 1, len(orders) + 2)


def test_a_row_that_slips_onto_the_next_page_lands_once(tmp_path: Path) -> None:
    """A row is put in front of a list whose pages are counted, so that the last one of a page comes again."""
    with shop() as api:
        keyed = "path: /products\n    primary_key: id\n    write_disposition: replace"
        house = House(tmp_path, api, SOURCE.replace("path: /products\n", f"{keyed}\n", 1))
        before = api.rows()
        front = [{**before["products"][0], "id": -1}]
        api.obey({"routes": {"/products": [GOOD, {"kind": "change", "upsert": {"products": front}}]}})
        ended = house.run("--streams", "products")

        assert ended.code == 0, ended.err
        house.prove({"products": before["products"]})
        assert house.run().code == 0
        house.prove()


def test_children_of_a_parent_that_is_deleted_meanwhile_are_nothing(lively: House) -> None:
    """The stream says that 404 means nothing there: a warning, and the others land."""
    gone = [row["id"] for row in lively.shop.rows()["notes"] if row["product_id"] == 8]
    change = {"kind": "change", "delete": {"products": [8], "notes": gone}}
    lively.shop.obey({"routes": {"/products/0/notes": [change]}})
    ended = lively.run()
    again = lively.run()

    assert gone
    assert ended.code == 0, ended.err
    assert "nothing there: not_found (1 times)" in ended.err
    assert again.code == 0, again.err
    lively.prove()


def test_a_404_that_nobody_expects_is_told_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with shop() as api:
        house = House(tmp_path, api, SOURCE.replace("ignore: [{{ status: 404 }}]", "ignore: []"))
        gone = [row["id"] for row in api.rows()["notes"] if row["product_id"] == 8]
        change = {"kind": "change", "delete": {"products": [8], "notes": gone}}
        api.obey({"routes": {"/products/0/notes": [change]}})
        ended = house.run()
        house.whole()
        again = house.run()

        assert ended.code == 1
        assert f"{api.url}{NOTES}" in ended.err
        assert "404" in ended.err
        assert again.code == 0, again.err
        house.prove()


def test_a_record_of_ten_megabytes_lands_and_loads(house: House) -> None:
    house.shop.obey({"routes": {"/events": [GOOD, {"kind": "huge", "megabytes": 10}]}})
    ended = house.run()
    found = {row["id"]: row["note"] for row in house.table("events")}
    huge = {number: len(note) for number, note in found.items() if len(note) > 1000}

    assert ended.code == 0, ended.err
    assert huge == {20: 10 * 1024 * 1024}
    assert len(found) == len(house.shop.rows()["events"])


def test_a_server_that_hangs_is_asked_again(house: House) -> None:
    """With a read timeout that a test can wait for."""
    routes = {"/orders": [GOOD, {"kind": "hang", "seconds": 3}], NOTES: [{"kind": "hang", "seconds": 3}]}
    house.shop.obey({"routes": routes})
    clock = SystemClock()
    tools = Tools(
        store=house.store,
        clock=clock,
        deadline=FixedDeadline(),
        secrets=DictSecrets({"SHOP_TOKEN": TOKEN}),
        token=lambda: "0badcafe",
        transport=Hasty(Guard(house.shop.url), clock),
    )
    report = ingest(load_source(house.file), tools)

    assert report.failed == {}
    assert [one.retries for one in report.streams.values()] == [1, 0, 0, 1]
    assert house.load().code == 0
    house.prove()


class Hasty(HttpTransport):
    """The real transport, which waits for a second at most."""

    def send(self, request: Request, *, timeout: Timeout) -> Response:
        return super().send(request, timeout=Timeout(connect=1.0, read=1.0, total=5.0))


BROKEN: dict[str, Any] = {
    "a server that is down": (status(503), 1, "status 503"),
    "HTML with status 200": ({"kind": "html"}, 1, "Down for maintenance"),
    "JSON that is always cut": ({"kind": "cut_json"}, 1, "not whole JSON"),
    "a body that always breaks off": ({"kind": "reset"}, 1, "broke off"),
    "a page that is forbidden": (status(403), 1, "403"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_does_not_pass_is_told_with_its_place_and_the_next_run_completes(
    house: House, fault: str
) -> None:
    """One stream fails in the middle; the other one is committed and loaded, and what it had is not fetched again."""
    kind, code, said = BROKEN[fault]
    house.shop.obey({"routes": {"/events": [*[GOOD] * 8, *[kind] * 100]}})
    words = "--streams", "events,products"
    ended = house.run(*words)
    before = outcome(ended, "events")["rows"]
    house.whole()
    house.shop.obey({})
    again = house.run(*words)

    assert ended.code == code
    assert said in ended.err
    assert f"{house.shop.url}/events" in ended.err
    assert "Traceback" not in ended.err
    assert outcome(ended, "products")["status"] == "done"
    assert ended.answer["loads"]["products"]["status"] == "loaded"
    assert again.code == 0, again.err
    assert before > 0
    assert outcome(again, "events")["rows"] == len(house.shop.rows()["events"]) - before
    house.prove(only=("events", "products"))


def test_a_wrong_key_is_refused_and_nothing_lands(tmp_path: Path, steady: Open) -> None:
    house = House(tmp_path, steady, settings={"SHOP_TOKEN": "a-wrong-key-77"})
    ended = house.run_from_a_shell()

    assert ended.code == 3
    assert "401" in ended.err
    assert f"{steady.url}/orders" in ended.err
    assert "a-wrong-key-77" not in ended.out + ended.err
    assert list(house.store.list("")) == []


def test_a_stream_that_nobody_knows_is_a_fault_of_the_command(house: House) -> None:
    ended = house.run("--streams", "order")

    assert ended.code == 2
    assert "known: events, notes, orders, products" in ended.err


def test_rows_that_break_their_contract_stop_the_part_and_not_the_table(lively: House) -> None:
    """More of them than `max_rejected` allows: the last good commit stands, and the next run lands what is mended."""
    good = lively.shop.rows()["orders"]
    lively.shop.change(upsert={"orders": [{**row, "total": "a lot"} for row in good[210:230]]})
    words = "--set", "streams.orders.max_rejected=0"
    ended = lively.run(*words)
    lively.whole()
    lively.shop.change(upsert={"orders": good})
    again = lively.run(*words)

    assert ended.code == 4
    assert "max_rejected allows 0.00%" in ended.err
    assert again.code == 0, again.err
    lively.prove()
