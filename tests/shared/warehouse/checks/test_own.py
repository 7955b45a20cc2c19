"""Columns, types, freshness, commits, foreign keys, queries of one's own, and comparison with earlier loads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
ROW = "SELECT 1::BIGINT AS id, 'x' AS Name, 1.5::DECIMAL(10,2) AS total"


@pytest.mark.parametrize(
    ("check", "success"),
    [
        ("expect_column_to_exist: {column: name}", True),
        ("expect_column_to_exist: {column: '\"name\"'}", False),
        ("expect_column_to_exist: {column: id, column_index: 0}", True),
        ("expect_column_to_exist: {column: id, column_index: 1}", False),
        ("expect_column_to_exist: {column: total, column_index: -1}", True),
        ("expect_table_columns_to_match_set: {column_set: [TOTAL, id, name]}", True),
        ("expect_table_columns_to_match_set: {column_set: [id, name]}", False),
        ("expect_table_columns_to_match_set: {column_set: [id, name], exact_match: false}", True),
        ("expect_table_columns_to_match_set: {column_set: [id, nope], exact_match: false}", False),
        ("expect_table_columns_to_match_ordered_list: {column_list: [id, name, total]}", True),
        ("expect_table_columns_to_match_ordered_list: {column_list: [name, id, total]}", False),
        ("expect_column_values_to_be_of_type: {column: id, type_: BIGINT}", True),
        ("expect_column_values_to_be_of_type: {column: id, type_: int8}", True),
        ("expect_column_values_to_be_of_type: {column: id, type_: integer}", True),
        ("expect_column_values_to_be_of_type: {column: id, type_: INTEGER}", False),
        ("expect_column_values_to_be_of_type: {column: total, type_: decimal}", True),
        ("expect_column_values_to_be_of_type: {column: total, type_: 'DECIMAL(10, 2)'}", True),
        ("expect_column_values_to_be_of_type: {column: total, type_: 'DECIMAL(12,2)'}", False),
    ],
)
def test_columns_and_types(one: Ask, check: str, success: bool) -> None:
    result = one(ROW, check)

    assert ("", success) == (result.error, result.success)


@pytest.mark.parametrize(
    ("value", "success"),
    [
        ("TIMESTAMPTZ '{}'", True),
        ("DATE '{}'::TIMESTAMP", True),
        ("'{}'", True),
        ("DATE '2001-01-01'", False),
        ("NULL::DATE", False),
    ],
)
def test_freshness_is_the_age_of_the_newest_value(table: Any, value: str, success: bool) -> None:
    now = table.clock.now().date().isoformat()
    verdict = table.of(f"SELECT {value.format(now)} AS at").check(
        "expect_table_to_be_fresh: {column: at, max_age: 25h}"
    )

    assert [success] == [result.success for result in verdict.results]


def test_rows_are_compared_with_the_commits(one: Ask) -> None:
    assert one(ROW, "expect_table_row_count_to_equal_commit", committed_rows=1).success is True
    assert one(ROW, "expect_table_row_count_to_equal_commit", committed_rows=2).success is False
    assert one(ROW, "expect_table_row_count_to_equal_commit").success is None


def test_a_foreign_key_finds_the_rows_without_a_partner(table: Any, one: Ask) -> None:
    table.connection.execute("CREATE TABLE other AS SELECT unnest([1, 2, NULL]) AS k")
    select = "SELECT * FROM (VALUES (1, 1), (2, 5), (3, NULL), (4, 2)) v(id, a)"
    check = "expect_column_values_to_be_in_table: {column: a, to: shop.other, field: k}"
    result = one(select, check, key=("id",), tables=lambda source, stream: f"{stream}")

    assert ("", False, 3, 1) == (result.error, result.success, result.considered, result.unexpected)
    assert ({"id": 2},) == result.keys


def test_a_foreign_key_without_its_table_says_so(one: Ask) -> None:
    check = "expect_column_values_to_be_in_table: {column: id, to: shop.nope, field: k}"
    result = one(ROW, check, tables=lambda source, stream: stream)

    assert result.success is False
    assert "nope" in result.error


def test_a_query_of_ones_own_finds_rows(one: Ask) -> None:
    query = "WITH big AS (SELECT * FROM {batch} WHERE total > 1) SELECT id FROM big -- those"
    result = one(ROW, f"unexpected_rows_expectation: {{unexpected_rows_query: '{query}'}}")

    assert (False, 1, ([1],)) == (result.success, result.unexpected, result.keys)


class TestUsual:
    """Comparison with the loads before."""

    rows = "SELECT 'a' AS kind FROM range({a}) UNION ALL SELECT 'b' FROM range({b})"

    @pytest.mark.parametrize(
        ("count", "success"), [(100, True), (81, True), (79, False), (122, False), (0, False)]
    )
    def test_rows(self, one: Ask, count: int, success: bool) -> None:
        history = [{"rows": rows} for rows in (100, 102, 98, 101, 5000)]
        result = one(self.rows.format(a=count, b=0), "expect_table_row_count_to_be_usual", history=history)

        assert (success, count) == (result.success, result.observed)

    def test_says_nothing_before_there_are_enough_loads(self, one: Ask) -> None:
        result = one(
            self.rows.format(a=1, b=0), "expect_table_row_count_to_be_usual", history=[{"rows": 100}] * 4
        )

        assert result.success is None
        assert "4 earlier loads to compare with, and it needs 5" == result.note

    def test_shares(self, one: Ask) -> None:
        check = "expect_column_category_shares_to_be_usual: {column: kind, max_change: 10%}"
        history = [{"rows": 10, "shares": {"kind": {"a": 0.5, "b": 0.5}}}] * 5
        near = one(self.rows.format(a=55, b=45), check, history=history)
        far = one(self.rows.format(a=90, b=10), check, history=history)
        gone = one(self.rows.format(a=0, b=0), check, history=history)

        assert (True, False, True) == (near.success, far.success, gone.success)
        assert {"a": {"share": 0.9, "usual": 0.5}, "b": {"share": 0.1, "usual": 0.5}} == far.observed["moved"]
        assert {"a": 0.55, "b": 0.45} == near.observed["shares"]

    def test_a_column_of_many_values_is_no_category(self, one: Ask) -> None:
        result = one(
            "SELECT i AS kind FROM range(1001) r(i)",
            "expect_column_category_shares_to_be_usual: {column: kind}",
        )

        assert "it is no category" in result.error
