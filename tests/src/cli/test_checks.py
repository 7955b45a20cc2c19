"""`sluice checks` and `sluice profile` on a real DuckDB file that `sluice run` has filled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from shared.landing.folder import FolderStore
from shared.warehouse.checks.verdict import Result as Found
from shared.warehouse.checks.verdict import Verdict, save

Call = Callable[..., Result]
CHECKS = """
checks:
  - expect_column_values_to_not_be_null: {column: id}
  - expect_column_values_to_be_unique: {column: id}
  - expect_column_values_to_match_regex: {column: name, regex: "^n[0-9]+$"}
  - expect_column_values_to_be_in_table: {column: name, to: shop.customers, field: name}
  - expect_table_row_count_to_equal_commit
"""


GOOD = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
ODD = {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "id"}}


@pytest.fixture
def orders(call: Call, place: Path) -> Path:
    """The file of the checks of `orders`, whose rows are loaded."""
    assert 0 == call("run", "shop").exit_code
    file = place / "src/shop/checks/orders.yml"
    file.parent.mkdir()
    file.write_text(CHECKS)
    return file


class TestRun:
    """`sluice checks run`."""

    def test_a_table_whose_checks_hold(self, call: Call, orders: Path) -> None:
        done = call("checks", "run", "shop.orders")

        assert 0 == done.exit_code, done.output
        assert "all 5 checks of shop.orders hold (120 rows)" in done.output
        assert "only a load can be compared" in done.output

    def test_a_check_that_does_not_hold_shows_keys_and_exits_with_4(
        self, call: Call, orders: Path, last_line: Callable[[str], Any]
    ) -> None:
        orders.write_text(
            "checks:\n  - expect_column_values_to_not_be_in_set: {column: id, value_set: [o7]}\n"
        )
        done, answer = call("checks", "run", "shop.orders"), call("checks", "run", "shop.orders", "--json")

        assert (4, 4) == (done.exit_code, answer.exit_code)
        assert "1 of 120 unexpected (0.833%)" in done.output
        assert "for example: id=o7" in done.output
        assert ("fail", [{"id": "o7"}]) == (
            last_line(answer.stdout)["status"],
            last_line(answer.stdout)["checks"][0]["keys"],
        )

    def test_what_is_too_long_for_the_table_is_told_below_it(self, call: Call, orders: Path) -> None:
        """All of what the warehouse said."""
        query = "SELECT * FROM {batch} WHERE CAST(name AS INTEGER) = 1"
        orders.write_text(f"checks:\n  - unexpected_rows_expectation: {{unexpected_rows_query: '{query}'}}\n")
        done = call("checks", "run", "shop.orders")

        assert 4 == done.exit_code, done.output
        assert "unexpected_rows_expectation (table): could not be checked: " in done.output
        assert "to INT32" in done.output

    def test_a_warning_exits_with_0(self, call: Call, orders: Path) -> None:
        orders.write_text("checks:\n  - expect_column_values_to_be_null: {column: id, severity: warn}\n")
        done = call("checks", "run", "shop.orders")

        assert 0 == done.exit_code
        assert "warn" in done.output

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("shop", "write SOURCE.STREAM"),
            ("shop.order", 'did you mean "orders"?'),
            ("shopp.orders", 'did you mean "shop"?'),
            ("shop.customers", "shop.customers has no checks"),
        ],
    )
    def test_what_is_not_there_is_named(self, call: Call, orders: Path, name: str, message: str) -> None:
        done = call("checks", "run", name)

        assert 2 == done.exit_code
        assert message in done.output

    def test_a_table_that_was_never_loaded(self, call: Call, place: Path) -> None:
        (place / "src/shop/checks").mkdir()
        (place / "src/shop/checks/orders.yml").write_text(CHECKS)
        done = call("checks", "run", "shop.orders")

        assert 2 == done.exit_code
        assert "there is no table shop.orders" in done.output

    def test_a_mistake_in_the_file_is_told_with_its_line(self, call: Call, orders: Path) -> None:
        orders.write_text("checks:\n  - expect_column_values_to_be_null: {column: idd}\n")
        done = call("checks", "run", "shop.orders")

        assert 2 == done.exit_code
        assert "orders.yml:2" in done.output


class TestVersions:
    """A table that keeps versions shows the columns of the record, not those that say which version is which."""

    @pytest.fixture
    def versions(self, place: Path, orders: Path) -> Path:
        file = place / "src/shop/source.yml"
        more = "  versions: {path: /orders, write_disposition: scd2, columns: {id: string, updated_at: timestamp}}\n"
        file.write_text(file.read_text() + more)
        return orders.with_name("versions.yml")

    def test_checks_do_not_see_them(self, call: Call, versions: Path) -> None:
        versions.write_text(
            "checks:\n"
            "  - expect_table_columns_to_match_ordered_list: {column_list: [id, updated_at]}\n"
            "  - expect_table_columns_to_match_set: {column_set: [updated_at, id]}\n"
        )
        loaded, done = call("run", "shop", "--streams", "versions"), call("checks", "run", "shop.versions")

        assert 0 == loaded.exit_code, loaded.output
        assert 0 == done.exit_code, done.output

    def test_a_field_of_the_same_name_is_found_under_the_name_that_it_has_there(
        self, call: Call, place: Path, versions: Path
    ) -> None:
        file = place / "src/shop/source.yml"
        field = "valid_from: {type: string, nullable: true}"
        plain = "columns: {id: string, updated_at: timestamp}}"
        file.write_text(file.read_text().replace(plain, plain.replace("}}", f", {field}}}}}")))
        versions.write_text("checks:\n  - expect_column_values_to_be_null: {column: valid_from}\n")
        loaded, done = call("run", "shop", "--streams", "versions"), call("checks", "run", "shop.versions")

        assert (0, 0) == (loaded.exit_code, done.exit_code), loaded.output + done.output

    def test_profiles_do_not_show_them(
        self, call: Call, versions: Path, last_line: Callable[[str], Any]
    ) -> None:
        assert 0 == call("run", "shop", "--streams", "versions").exit_code
        done = call("profile", "shop.versions", "--json")

        assert ["id", "updated_at"] == [one["name"] for one in last_line(done.stdout)["columns"]]


class TestShow:
    """`sluice checks show`."""

    @pytest.fixture
    def kept(self, call: Call, place: Path) -> None:
        call("run", "shop", "--no-load")
        store = FolderStore(place / ".sluice/landing")
        bad = Found(
            "expect_a",
            {"column": "id"},
            "fail",
            False,
            considered=9,
            unexpected=3,
            share=1 / 3,
            keys=({"id": 5},),
        )
        failed = Verdict(
            "shop",
            "orders",
            "shop.orders",
            run="r1",
            load="L1",
            sequence=1,
            checked_at="2026-11-20T10:00:00Z",
            rows=9,
            results=(bad,),
        )
        save(store, failed)
        save(store, failed.release("the vendor is right"))

    @pytest.mark.usefixtures("kept")
    @pytest.mark.parametrize("name", ["r1", "L1"])
    def test_a_run_or_a_load(self, call: Call, name: str) -> None:
        done = call("checks", "show", name)

        assert 0 == done.exit_code, done.output
        assert "3 of 9 unexpected (33.3%)" in done.output
        assert "for example: id=5" in done.output
        assert 1 == done.output.count("3 of 9 unexpected")
        assert "--release L1" not in done.output
        assert "released: the vendor is right" in done.output

    @pytest.mark.usefixtures("kept")
    def test_without_a_run_the_last_ones_are_listed(
        self, call: Call, last_line: Callable[[str], Any]
    ) -> None:
        done, answer = call("checks", "show"), call("checks", "show", "--json")

        assert "fail (1 of 1), released" in done.output
        assert ["", "the vendor is right"] == [
            one["released"] for one in last_line(answer.stdout)["verdicts"]
        ]

    def test_a_run_that_is_not_known(self, call: Call) -> None:
        assert 2 == call("checks", "show", "r9").exit_code
        assert "nothing has been checked yet" in call("checks", "show").output


class TestImport:
    """`sluice checks import`."""

    def test_a_suite_becomes_a_file(self, call: Call, place: Path) -> None:
        (place / "suite.json").write_text(json.dumps({"name": "s", "expectations": [GOOD]}))
        done = call("checks", "import", "suite.json", "--output", "src/shop/checks/orders.yml")

        assert 0 == done.exit_code, done.output
        assert "expect_column_values_to_not_be_null" in (place / "src/shop/checks/orders.yml").read_text()
        assert 2 == call("checks", "import", "suite.json", "--output", "src/shop/checks/orders.yml").exit_code

    def test_what_is_not_supported_is_refused_by_name(self, call: Call, place: Path) -> None:
        (place / "suite.json").write_text(json.dumps({"name": "s", "expectations": [GOOD, ODD]}))
        refused, partial = (
            call("checks", "import", "suite.json"),
            call("checks", "import", "suite.json", "--partial"),
        )

        assert 2 == refused.exit_code
        assert "number 2, expect_column_kl_divergence_to_be_less_than: not supported" in refused.output
        assert 0 == partial.exit_code
        assert "# Left out, number 2: expect_column_kl_divergence" in partial.output


class TestProfile:
    """`sluice profile`."""

    def test_text_page_and_comparison(
        self, call: Call, orders: Path, place: Path, last_line: Callable[[str], Any]
    ) -> None:
        first = call("profile", "shop.orders", "--save", "a.json", "--html", "a.html")
        second = call("profile", "shop.orders", "--against", "a.json", "--json")

        assert (0, 0) == (first.exit_code, second.exit_code), first.output
        assert "shop.orders: 120 rows, 3 columns" in first.output
        assert "rows by updated_at, 2024-03-01" in first.output
        assert "_sluice" not in first.output
        assert (place / "a.html").read_text().startswith("<!doctype html>")
        assert (120, []) == (last_line(second.stdout)["rows"], last_line(second.stdout)["changes"])
        assert "nothing that is worth telling has changed" in second.stderr

    def test_a_folder_that_is_missing_is_made(self, call: Call, orders: Path, place: Path) -> None:
        (place / "file").write_text("")
        made = call("profile", "shop.orders", "--save", "new/a.json", "--html", "new/er/a.html")
        cannot = call("profile", "shop.orders", "--html", "file/a.html")

        assert (0, 2) == (made.exit_code, cannot.exit_code), made.output + cannot.output
        assert (place / "new/a.json").is_file()
        assert (place / "new/er/a.html").is_file()
        assert "file/a.html cannot be written" in cannot.output

    @pytest.mark.parametrize("text", ["", "5", "{}", '{"version": 1, "id": 3}'])
    def test_a_file_that_is_no_profile(self, call: Call, orders: Path, place: Path, text: str) -> None:
        (place / "a.json").write_text(text)
        done = call("profile", "shop.orders", "--against", "a.json")

        assert 2 == done.exit_code
        assert "a.json" in done.output

    def test_a_column_without_times(self, call: Call, orders: Path) -> None:
        done = call("profile", "shop.orders", "--by", "name")

        assert 2 == done.exit_code
        assert "known: updated_at" in done.output
