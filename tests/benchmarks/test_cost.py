"""The cost model is arithmetic: what is measured grows with the records, and less memory makes busy time longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cost import VCPU, Counting, Prices, Use, bill
from shared.common.fakes import MemoryStore

USE = Use(
    records=500_000, busy=10.0, waiting=5.0, invocations=2, puts=10, gets=4, transitions=20, bytes=10**9
)


def test_a_whole_processor_bills_the_time_that_was_measured() -> None:
    assert pytest.approx(15.0 * VCPU / 1024) == USE.gb_seconds(VCPU)


def test_less_memory_makes_busy_time_longer_and_waiting_cheaper() -> None:
    """Busy GB-seconds stay as they are; those in which nothing happens shrink with the memory."""
    small, large = USE.gb_seconds(VCPU // 4), USE.gb_seconds(VCPU)

    assert pytest.approx(large - small, rel=0.01) == 5.0 * VCPU * 0.75 / 1024


def test_a_million_records_use_and_cost_twice_what_half_a_million_do() -> None:
    one, two = bill(USE, 512), bill(USE.per_million(), 512)

    assert pytest.approx({name: 2 * dollars for name, dollars in one.items()}) == two


def test_the_bill_is_use_times_price() -> None:
    found = bill(USE, 1024, Prices(s3_put=1.0, states_transition=2.0))

    assert (10.0, 40.0) == (found["S3, PUT and LIST"], found["Step Functions"])


def test_requests_are_counted_by_what_s3_bills() -> None:
    store = Counting(MemoryStore())
    store.put_new("a", b"x")
    store.get("a")
    store.head("a")
    list(store.list(""))

    assert {"put": 2, "get": 2} == store.counts


def test_the_page_names_every_price_and_its_assumption() -> None:
    """docs/cost.md is what people compare with their bill."""
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    names = [name for name in Prices.__dataclass_fields__ if f"`{name}`" not in page]

    assert [] == names
    assert "20 November 2026" in page
