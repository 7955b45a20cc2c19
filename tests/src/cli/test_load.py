"""`sluice load`, `reconcile` and `status` where records drift, checks fail, and somebody wants it all once more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result

Call = Callable[..., Result]

CHECKED = """\
      - expect_column_values_to_not_match_regex: {column: name, regex: "^n7$"}
"""


def table(place: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(place / ".sluice/warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def count(place: Path, name: str) -> int:
    return int(table(place, f"SELECT count(*) FROM shop.{name}")[0][0])


@pytest.fixture
def checked(place: Path) -> Path:
    """Customers have a check that one of them fails."""
    folder = place / "src/shop/checks"
    folder.mkdir()
    (folder / "customers.yml").write_text("checks:\n" + CHECKED.replace("      -", "  -"))
    return place


def test_rows_that_fail_a_check_stay_out_until_they_are_released(
    call: Call, checked: Path, last_line: Callable[[str], Any]
) -> None:
    """Exit code 4, and the other table is loaded."""
    first = call("run", "shop", "--json")
    again = call("load", "shop")
    run = last_line(first.stdout)["run"]
    no_reason = call("load", "shop", "--release", run)
    released = call("load", "--release", run, "--reason", "a joke of the owner", "--json")

    assert (4, 4, 2, 0) == (first.exit_code, again.exit_code, no_reason.exit_code, released.exit_code)
    assert "1 of 1 checks of shop.customers does not hold (120 rows)" in first.stderr
    assert "1 of 120 unexpected" in again.stderr
    assert "needs a reason" in no_reason.stderr
    assert "released: a joke of the owner" in released.stderr
    assert (120, 120) == (count(checked, "customers"), count(checked, "orders"))
    notes = "SELECT note FROM _sluice.loads WHERE stream = 'customers'"
    assert [("released: a joke of the owner",)] == table(checked, notes)
    assert 0 == call("load", "shop").exit_code


def test_what_is_released_must_have_been_held(call: Call, checked: Path) -> None:
    call("run", "shop")
    done = call("load", "shop", "--release", "nothing", "--reason", "so")

    assert 2 == done.exit_code
    assert 'unknown load or run that was held back "nothing"' in done.stderr
    assert 2 == call("load").exit_code


def test_a_replay_asks_first_and_brings_every_row_back(call: Call, place: Path) -> None:
    call("run", "shop")
    refused = call("load", "shop", "--replay-from", "0", answer="n\n")
    before = table(place, "SELECT id, name FROM shop.orders ORDER BY id")
    done = call("load", "shop", "--replay-from", "0", "--yes")

    assert 1 == refused.exit_code
    assert 0 == done.exit_code
    assert "shop.orders: commits 1 to 1 are loaded again" in done.output
    assert before == table(place, "SELECT id, name FROM shop.orders ORDER BY id")
    assert "no table is beyond commit 9" in call("load", "shop", "--replay-from", "9").output


@pytest.mark.parametrize("command", ["load", "reconcile"])
def test_where_nothing_has_landed_it_says_where_and_what_to_do(call: Call, place: Path, command: str) -> None:
    done = call(command, "shop")

    assert 0 == done.exit_code
    assert f"shop: nothing has landed in file://{place}" in done.output
    assert "sluice run shop" in done.output
    assert "LANDING_URL" in done.output


@pytest.mark.parametrize("command", ["load", "reconcile"])
def test_a_landing_zone_that_is_gone_is_no_empty_one(call: Call, place: Path, command: str) -> None:
    call("run", "shop")
    shutil.rmtree(place / ".sluice/landing")
    done = call(command, "shop")

    assert 4 == done.exit_code
    assert "orders" in done.stderr
    assert "commits are gone" in done.stderr or "was lost" in done.stderr


def test_reconcile_says_that_all_fits_or_what_does_not(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    call("run", "shop")
    well = call("reconcile", "shop", "--json")
    with duckdb.connect(str(place / ".sluice/warehouse.duckdb")) as connection:
        connection.execute("DELETE FROM shop.orders WHERE id = 'o3'")
    wrong = call("reconcile", "shop")

    assert (0, 4) == (well.exit_code, wrong.exit_code)
    assert [120, 120] == [one["table_rows"] for one in last_line(well.stdout)["streams"]]
    assert "shop.orders: table: the loads added 120 rows, and it holds 119" in wrong.stderr
    assert "customers" not in wrong.stderr


def test_status_and_the_run_say_what_drifted(
    call: Call, place: Path, last_line: Callable[[str], Any]
) -> None:
    """By reason, and which fields; a field is not loaded unless the stream's contract evolves."""
    file = place / "src/shop/source.yml"
    text = (
        file.read_text()
        .replace("name: string", "name: integer")
        .replace(", max_rejected: 0", ", max_rejected: 1")
    )
    file.write_text(
        text.replace("  customers: {", "  customers: {contract_mode: discard_value, max_rejected: 1, ")
    )
    ran = call("run", "shop")
    status = call("status", "shop", "--json")
    one = {stream["stream"]: stream for stream in last_line(status.stdout)["streams"]}

    assert (120, 0) == (one["customers"]["trimmed"], one["customers"]["rejected"])
    assert (0, 120) == (one["orders"]["trimmed"], one["orders"]["rejected"])
    assert {"type /name": 120} == one["orders"]["reasons"]
    assert "shop.customers: 0 rejected, 120 landed without some values: type /name (120)" in status.stderr
    assert "warning: orders: 120 records rejected: type /name (120)" in ran.stderr


def test_a_stream_that_evolves_has_the_new_column_at_once(call: Call, place: Path) -> None:
    file = place / "src/shop/source.yml"
    text = file.read_text().replace("id: string, name: string,", "id: string,")
    file.write_text(text.replace("  orders: {", "  orders: {contract_mode: evolve, "))
    done = call("run", "shop")
    status = call("status")

    assert 0 == done.exit_code
    assert [("n0",)] == table(place, "SELECT name FROM shop.orders WHERE id = 'o0'")
    columns = [name for name, *_ in table(place, "DESCRIBE shop.customers")]
    assert "name" not in columns
    assert "shop.customers: landed and not loaded: name" in status.output
    assert "shop.orders: beyond the contract, and loaded: name" in status.output


def test_with_nothing_new_the_warehouse_is_asked_once(call: Call, place: Path) -> None:
    """Not once a table; and without anything landed it is not even made."""
    assert 0 == call("load", "shop").exit_code
    assert not (place / ".sluice/warehouse.duckdb").exists()
    call("run", "shop")
    done = call("load", "shop")

    assert 0 == done.exit_code
    assert 2 == done.output.count("nothing")


@pytest.mark.parametrize("harm", ["gone", "no commit"])
def test_status_tells_a_damaged_log_beside_the_others(
    call: Call, place: Path, last_line: Callable[[str], Any], harm: str
) -> None:
    """All streams are shown, and the exit code says that data is broken."""
    for _ in range(3):
        call("run", "shop", "--full-refresh")
    log = sorted((place / ".sluice/landing/landing/shop/orders/log").iterdir())
    if harm == "gone":
        log[-2].unlink()
    else:
        log[-1].write_text("{}")
    told = call("status")
    answer = last_line(call("status", "--json").stdout)

    assert 4 == told.exit_code, told.output
    assert "damaged log" in told.stdout
    assert [("customers", False), ("orders", True)] == sorted(
        (one["stream"], bool(one["damaged"])) for one in answer["streams"]
    )
    assert 1 == len(answer["errors"])
    assert "stream orders" in told.stderr
