"""The plan of a run: which tasks, how many at once, and with which share of the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.ingestion.reading import load_source
from shared.ingestion.source import Source
from src.ingest.plan import is_plan, order_in, plan

REST = """
source: shop
base_url: https://api.shop.test
streams: {customers: {path: /customers}, orders: {path: /orders}, refunds: {path: /refunds}}
reports: {exports: {type: dated_files, files_path: "/files/{date}"}}
"""
SQL = """
type: sql
source: shop
url: postgresql://db.shop.test/shop
streams: {customers: {table: customers}, orders: {table: orders}}
"""


def source_of(folder: Path, text: str) -> Source:
    (folder / "source.yml").write_text(text)
    return load_source(folder / "source.yml")


def planned(source: Source, **order: Any) -> dict[str, Any]:
    return plan(order_in({"action": "plan", "order": order}, {"SOURCE": "shop"}), source)


def test_every_stream_and_report_is_a_task(tmp_path: Path) -> None:
    found = planned(source_of(tmp_path, REST))

    assert [["customers"], ["orders"], ["refunds"], ["exports"]] == [t["streams"] for t in found["tasks"]]
    assert 250 == found["slices"]


def test_the_tables_of_a_database_are_one_task_because_they_are_read_at_one_moment(tmp_path: Path) -> None:
    found = planned(source_of(tmp_path, SQL))

    assert [{"source": "shop", "streams": ["customers", "orders"]}] == found["tasks"]


def test_tasks_say_what_the_order_said(tmp_path: Path) -> None:
    order = {
        "streams": ["orders"],
        "since": "2024-01-01T00:00:00Z",
        "time": "2024-03-01T03:15:00Z",
        "full_refresh": True,
    }
    found = planned(source_of(tmp_path, REST), **order)

    assert [{"source": "shop", **order}] == found["tasks"]


@pytest.mark.parametrize(
    ("more", "at_once"),
    [
        ("", 4),
        ("parallel_streams: 2", 2),
        ("rate_limit: {concurrency: 3}", 3),
        ("rate_limit: {requests: 2, per: 1}", 2),
        ("reserved_concurrency: 1", 1),
    ],
)
def test_as_many_at_once_as_each_can_have_a_share_of_every_limit(
    tmp_path: Path, more: str, at_once: int
) -> None:
    found = planned(source_of(tmp_path, f"{REST}{more}\n"))

    assert at_once == found["concurrency"]
    assert {at_once if at_once > 1 else None} == {task.get("share") for task in found["tasks"]}


def test_many_streams_have_fewer_calls_each_before_the_history_is_full(tmp_path: Path) -> None:
    streams = "".join(f"  s{n}: {{path: /{n}}}\n" for n in range(100))
    found = planned(
        source_of(tmp_path, f"source: shop\nbase_url: https://api.shop.test\nstreams:\n{streams}")
    )

    assert 10 == found["slices"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"action": "plan", "order": {"streams": ["nope"]}}, 'unknown stream "nope"'),
        ({"action": "plan", "streams": ["orders"]}, 'unknown field in the event "streams"'),
    ],
)
def test_says_what_is_wrong(tmp_path: Path, event: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        plan(order_in(event, {"SOURCE": "shop"}), source_of(tmp_path, REST))


def test_an_order_is_no_plan() -> None:
    events: list[Any] = [{"action": "plan"}, {"source": "shop"}, []]

    assert [True, False, False] == [is_plan(event) for event in events]
