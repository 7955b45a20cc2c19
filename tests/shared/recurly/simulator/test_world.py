"""The records of the simulated site: the same for the same seed, true to each other, changing day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.recurly.simulator.pricing import cents_of
from shared.recurly.simulator.world import World


def docs(world: World, table: str) -> Iterator[dict[str, Any]]:
    return (row.doc for row in world.tables[table].rows.values())


def snapshot(world: World) -> dict[str, dict[str, bytes | None]]:
    for table in world.tables.values():
        table.render(nulls=True)
    return {name: {key: row.wire for key, row in table.rows.items()} for name, table in world.tables.items()}


def total(records: Any, name: str) -> int:
    return sum(cents_of(record[name]) for record in records)


def test_the_same_seed_gives_the_same_records() -> None:
    assert snapshot(World(seed=3, scale=0.03)) == snapshot(World(seed=3, scale=0.03))
    assert snapshot(World(seed=3, scale=0.03)) != snapshot(World(seed=4, scale=0.03))


def test_days_pass_the_same_way_at_once_or_one_by_one() -> None:
    at_once, one_by_one = World(seed=3, scale=0.03), World(seed=3, scale=0.03)
    at_once.advance(5)
    for _ in range(5):
        snapshot(one_by_one)  # what was rendered before must not keep a record from changing
        one_by_one.advance(1)

    assert snapshot(at_once) == snapshot(one_by_one)
    assert at_once.exports == one_by_one.exports


def test_every_stream_has_records_and_scale_one_has_about_twenty_thousand() -> None:
    world = World()

    assert 18_000 <= world.records <= 22_000
    assert [] == [name for name, table in world.tables.items() if not table.rows]
    assert any(doc["has_more_line_items"] for doc in docs(world, "invoices"))
    assert {"active", "canceled", "expired"} <= {doc["state"] for doc in docs(world, "subscriptions")}
    assert {"paid", "failed", "past_due", "pending"} <= {doc["state"] for doc in docs(world, "invoices")}
    assert any(doc["deleted_at"] for doc in docs(world, "accounts"))
    assert any(not doc["first_name"].isascii() for doc in docs(world, "accounts"))


def test_an_invoice_is_the_sum_of_its_lines_and_of_what_was_paid(world: World) -> None:
    for invoice in docs(world, "invoices"):
        lines = world.tables["line_items"].owned_by(invoice["id"])
        sums = {name: total(lines, name) for name in ("subtotal", "discount", "tax")}

        assert sums == {name: cents_of(invoice[name]) for name in sums}
        assert cents_of(invoice["total"]) == sums["subtotal"] - sums["discount"] + sums["tax"]
        assert cents_of(invoice["total"]) == total(lines, "amount")
        assert invoice["line_items"] == lines[:20]
        if invoice["type"] == "charge":
            used = [p for p in invoice["credit_payments"] if p["action"] == "payment"]
            paid = total([t for t in invoice["transactions"] if t["success"]], "amount")
            assert cents_of(invoice["paid"]) == paid
            assert cents_of(invoice["total"]) == paid + total(used, "amount") + cents_of(invoice["balance"])
            assert (invoice["state"] == "paid") == (invoice["balance"] == 0)


def test_references_lead_to_records(world: World) -> None:
    tables = world.tables
    for table, field, target in [
        ("subscriptions", "account", "accounts"),
        ("subscriptions", "plan", "plans"),
        ("invoices", "account", "accounts"),
        ("transactions", "invoice", "invoices"),
        ("credit_payments", "original_invoice", "invoices"),
        ("coupon_redemptions", "coupon", "coupons"),
        ("external_invoices", "external_subscription", "external_subscriptions"),
    ]:
        assert [] == [d["id"] for d in docs(world, table) if d[field]["id"] not in tables[target].rows]
    for table, field, target in [
        ("line_items", "invoice_id", "invoices"),
        ("billing_infos", "account_id", "accounts"),
        ("shipping_addresses", "account_id", "accounts"),
        ("add_ons", "plan_id", "plans"),
        ("unique_coupon_codes", "bulk_coupon_id", "coupons"),
        ("usage", "measured_unit_id", "measured_units"),
    ]:
        assert [] == [d["id"] for d in docs(world, table) if d[field] not in tables[target].rows]


def test_no_record_is_of_the_future_and_no_change_precedes_its_creation(world: World) -> None:
    now = f"{world.day}T00:00:00Z"
    for table in world.tables.values():
        for row in table.rows.values():
            created: str = row.doc["created_at"]
            assert created <= row.doc.get("updated_at", created) < now


@pytest.mark.parametrize("days", [1, 45])
def test_whatever_changes_moves_its_updated_at(days: int) -> None:
    """Records without that field are lists that are read whole, and usage is asked for by its recording."""
    world = World(seed=9, scale=0.2)
    before, then = snapshot(world), f"{world.day}T00:00:00Z"
    world.advance(days)
    after = snapshot(world)
    changed = [
        world.tables[name].rows[key].doc
        for name, records in after.items()
        for key, text in records.items()
        if before[name].get(key) != text
    ]

    times = [str(doc.get("updated_at", doc["created_at"])) for doc in changed]

    assert times
    assert min(times) >= then


def test_over_time_accounts_are_closed_and_records_vanish() -> None:
    world = World(seed=9, scale=0.2)
    closed = sum(doc["deleted_at"] is not None for doc in docs(world, "accounts"))
    addresses = set(world.tables["shipping_addresses"].rows)
    world.advance(240)

    assert sum(doc["deleted_at"] is not None for doc in docs(world, "accounts")) > closed
    assert addresses - set(world.tables["shipping_addresses"].rows)


def test_exports_are_kept_for_a_week_and_do_not_change_afterwards() -> None:
    world = World(seed=3, scale=0.03)
    kept = dict(world.exports)
    world.advance(2)

    assert len(kept) == len(world.exports) == 7
    common = set(kept) & set(world.exports)
    assert len(common) == 5
    assert {day: kept[day] for day in common} == {day: world.exports[day] for day in common}


def test_a_live_site_changes_at_the_time_of_its_clock() -> None:
    """So that a program that reads what changed until now meets the changes."""
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    world = World(seed=9, scale=0.1, today=now.date(), clock=lambda: now)
    before = snapshot(world)
    world.advance(2)
    after = snapshot(world)
    times = {
        world.tables[name].rows[key].doc.get("updated_at")
        for name, records in after.items()
        for key, text in records.items()
        if before[name].get(key) != text
    }

    assert times - {None} == {"2026-03-04T05:06:07Z"}
    assert (
        max(doc["updated_at"] for doc in docs(World(seed=9, scale=0.1, today=now.date()), "invoices"))
        < "2026-03-04"
    )
