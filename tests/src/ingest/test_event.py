"""Events: what is asked for, and which field is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.ingestion.plan import Ask
from shared.ingestion.reading import load_source
from shared.ingestion.spec import SourceSpec
from src.ingest.event import Order
from src.ingest.plan import is_plan, order_in

ROOT = Path(__file__).parents[3]
SPEC = read_yaml(
    """
source: shop
base_url: https://api.shop.test
streams:
  customers: {path: /customers}
  orders: {path: /orders}
reports:
  exports: {type: dated_files, files_path: "/files/{date}"}
""",
    file="source.yml",
).parse(SourceSpec)
FILLED = read_yaml(
    """
source: shop
base_url: https://api.shop.test
streams:
  customers: {path: /customers}
  orders: {path: /orders, cursor_field: at, incremental: {since: from}}
""",
    file="source.yml",
).parse(SourceSpec)
SCHEDULED = {
    "version": "0",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "time": "2024-03-01T01:23:45.25Z",
    "detail": {},
}
TIME = datetime(2024, 3, 1, 1, 23, 45, 250000, tzinfo=UTC)
JAN, FEB = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)


def test_a_scheduled_event_takes_its_source_from_the_environment() -> None:
    """Its own `source` says aws.events."""
    assert Order("shop", time=TIME) == Order.of(SCHEDULED, {"SOURCE": "shop"})


def test_the_detail_of_a_scheduled_event_goes_before_the_environment() -> None:
    """One function may serve several rules."""
    event = {**SCHEDULED, "detail": {"source": "shop", "streams": ["orders"]}}

    assert Order("shop", ("orders",), time=TIME) == Order.of(event, {"SOURCE": "other"})


def test_the_time_of_a_schedule_is_the_day_of_dated_files_only() -> None:
    """Streams go on from their cursor, whenever the event comes."""
    groups = Order.of(SCHEDULED, {"SOURCE": "shop"}).groups(SPEC)

    assert [(["customers", "orders"], Ask()), (["exports"], Ask(until=TIME))] == groups


def test_an_order_says_streams_and_range() -> None:
    """What a person sends by hand."""
    event = {"source": "shop", "streams": ["orders", "orders"], "since": "2024-01-01", "until": "2024-02-01"}

    assert [(["orders"], Ask(JAN, FEB))] == Order.of(event, {}).groups(SPEC)


def test_a_continuation_leaves_alone_what_is_over_and_lets_go_on_what_has_begun() -> None:
    """The range of the first event counts for streams that nobody came to."""
    event = {
        "done": False,
        "source": "shop",
        "run": "r1",
        "retry_after": None,
        "since": "2024-01-01T00:00:00Z",
        "streams": {
            "customers": {"status": "unfinished", "rows": 10, "rejected": 0, "commits": 1, "cursor": None},
            "orders": {"status": "unfinished", "rows": 0, "rejected": 0, "commits": 0, "cursor": None},
            "exports": {"status": "done", "rows": 5, "rejected": 0, "commits": 1, "cursor": None},
            "export_plans": {"status": "done", "rows": 5, "rejected": 0, "commits": 1, "cursor": None},
        },
    }

    assert [(["customers"], Ask()), (["orders"], Ask(JAN))] == Order.of(event, {}).groups(SPEC)


def test_an_answer_that_is_done_asks_for_nothing() -> None:
    """A loop that calls once too often does no harm."""
    event = {
        "done": True,
        "source": "shop",
        "run": "r1",
        "streams": {"orders": {"status": "done", "commits": 1}},
    }

    assert [] == Order.of(event, {}).groups(SPEC)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ([], "no object"),
        ({}, "field source"),
        ({"source": 7}, "field source"),
        ({"source": "shop", "strems": []}, 'did you mean "streams"'),
        ({"source": "shop", "streams": []}, "field streams"),
        ({"source": "shop", "streams": "orders"}, "field streams"),
        ({"source": "shop", "streams": [7]}, "field streams"),
        ({"source": "shop", "streams": {"orders": 7}}, "field streams.orders"),
        ({"source": "shop", "since": "soon"}, "field since"),
        ({"source": "shop", "until": 7}, "field until"),
        ({"source": "shop", "full_refresh": "yes"}, "field full_refresh"),
        ({**SCHEDULED, "detail": {"source": "shop"}, "time": "noon"}, "field time"),
        ({**SCHEDULED, "detail": "x"}, "field detail"),
        ({"detail-type": "Scheduled Event", "detail": {"source": "shop"}}, "field time"),
    ],
)
def test_the_error_names_the_field(event: Any, field: str) -> None:
    """Whoever wrote the event looks there."""
    with pytest.raises(Misconfigured, match=field):
        Order.of(event, {})


def test_an_unknown_stream_is_refused_before_anything_runs() -> None:
    """And the known ones are listed."""
    with pytest.raises(Misconfigured, match="known: customers, exports, orders"):
        Order.of({"source": "shop", "streams": ["ordrs"]}, {}).groups(SPEC)


def test_an_empty_range_is_refused() -> None:
    """It would say done without having done anything."""
    with pytest.raises(Misconfigured, match="since must lie before until"):
        Order.of({"source": "shop", "since": "2024-02-01", "until": "2024-01-01"}, {}).groups(SPEC)


@pytest.mark.parametrize("file", sorted((ROOT / "events").glob("ingest*.json")), ids=lambda file: file.stem)
def test_every_sample_event_is_understood(file: Path) -> None:
    """They are what people copy."""
    source = load_source(ROOT / "src" / "recurly" / "source.yml")
    event = json.loads(file.read_bytes())
    order = (order_in if is_plan(event) else Order.of)(event, {"SOURCE": "recurly"})

    assert "recurly" == order.source
    assert order.groups(source.spec)


def test_a_window_of_a_back_fill_keeps_its_range_in_every_continuation() -> None:
    """It finds by its range where it was; a stream that cannot be filled is left out."""
    event = {"source": "shop", "since": "2024-01-01", "until": "2024-02-01", "backfill": "b", "share": 4}
    first = Order.of(event, {})
    answer = {"streams": {"orders": {"status": "unfinished", "commits": 2}}}

    asked = Ask(JAN, FEB, backfill="b")
    assert [] == first.groups(SPEC)
    assert [(["orders"], asked)] == Order.of({**event, "streams": ["orders"]}, {}).groups(SPEC)
    assert [(["orders"], asked)] == Order.of({**event, **answer}, {}).groups(FILLED)
    assert ("b", 4) == tuple(first.answer([], [])[name] for name in ("backfill", "share"))


def test_a_window_that_somebody_else_works_on_is_looked_at_until_it_is_done() -> None:
    """The other one may be a function that Lambda has given up, and die with it."""
    answer = {"streams": {"orders": {"status": "superseded", "rows": 0, "rejected": 0, "commits": 0}}}
    window = {"source": "shop", "since": "2024-01-01", "until": "2024-02-01", "backfill": "b", **answer}

    assert [["orders"]] == [names for names, _ in Order.of(window, {}).groups(FILLED)]
    assert [] == Order.of({"source": "shop", **answer}, {}).groups(FILLED)
    assert not Order.of(window, {}).answer([], [])["done"]


@pytest.mark.parametrize(
    "wrong", [{"backfill": "b"}, {"backfill": 1}, {"share": 0}, {"share": True}, {"backfill": "a b"}]
)
def test_a_window_without_ends_or_a_share_of_nothing_is_refused(wrong: dict[str, object]) -> None:
    both = {"since": "2024-01-01", "until": "2024-02-01"} if wrong == {"backfill": "a b"} else {}
    with pytest.raises(Misconfigured):
        Order.of({"source": "shop", **both, **wrong}, {})
