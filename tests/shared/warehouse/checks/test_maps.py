"""The rules for nulls, `mostly` and strictness that people trip over; the oracle has the rest (tests/oracle)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("values", "check", "success", "considered", "unexpected"),
    [
        ("1, NULL", "expect_column_values_to_not_be_null: {column: a}", False, 2, 1),
        ("1, NULL", "expect_column_values_to_not_be_null: {column: a, mostly: 50%}", True, 2, 1),
        ("1, NULL", "expect_column_values_to_be_null: {column: a}", False, 2, 1),
        ("1, NULL, NULL", "expect_column_values_to_be_unique: {column: a}", True, 1, 0),
        ("1, 1, 1, 2", "expect_column_values_to_be_unique: {column: a}", False, 4, 3),
        ("1, 1, 1, 2", "expect_column_values_to_be_unique: {column: a, mostly: 0.25}", True, 4, 3),
        ("1, 1, 2", "expect_column_values_to_be_unique: {column: a, row_condition: a > 1}", True, 1, 0),
        (
            "1, 2, NULL",
            "expect_column_values_to_be_between: {column: a, min_value: 1, strict_min: true}",
            False,
            2,
            1,
        ),
        (
            "1, 2, NULL",
            "expect_column_values_to_be_between: {column: a, max_value: 2, strict_max: true}",
            False,
            2,
            1,
        ),
        ("1, 2, NULL", "expect_column_values_to_be_in_set: {column: a, value_set: [1]}", False, 2, 1),
        ("NULL, NULL", "expect_column_values_to_be_in_set: {column: a, value_set: ['1']}", True, 0, 0),
        ("3, NULL, 4, 4", "expect_column_values_to_be_increasing: {column: a}", True, 3, 0),
        ("3, NULL, 4, 4", "expect_column_values_to_be_increasing: {column: a, strictly: true}", False, 3, 1),
        ("3, 2, 1", "expect_column_values_to_be_increasing: {column: a, order_by: a}", True, 3, 0),
        (
            "'a', '名前', '😀x'",
            "expect_column_value_lengths_to_be_between: {column: a, max_value: 2}",
            True,
            3,
            0,
        ),
        ("123", "expect_column_value_lengths_to_equal: {column: a, value: 3}", True, 1, 0),
        (
            "'a_b', 'axb'",
            r"expect_column_values_to_match_like_pattern: {column: a, like_pattern: 'a\_b'}",
            False,
            2,
            1,
        ),
        ("'xay'", "expect_column_values_to_match_regex: {column: a, regex: a}", True, 1, 0),
        ("12", "expect_column_values_to_match_regex: {column: a, regex: '^[0-9]+$'}", True, 1, 0),
    ],
)
def test_of_values(
    one: Ask, values: str, check: str, success: bool, considered: int, unexpected: int
) -> None:
    result = one(f"SELECT unnest([{values}]) AS a", check)

    assert ("", success, considered, unexpected) == (
        result.error,
        result.success,
        result.considered,
        result.unexpected,
    )


NULLS = "SELECT * FROM (VALUES (1, 1), (NULL, 2), (3, NULL), (NULL, NULL)) v(a, b)"


@pytest.mark.parametrize(
    ("check", "considered", "unexpected"),
    [
        ("expect_column_pair_values_to_be_equal: {column_A: a, column_B: b}", 3, 2),
        (
            "expect_column_pair_values_to_be_equal: {column_A: a, column_B: b, ignore_row_if: either_value_is_missing}",
            1,
            0,
        ),
        ("expect_column_pair_values_to_be_equal: {column_A: a, column_B: b, ignore_row_if: neither}", 4, 3),
        ("expect_column_pair_values_a_to_be_greater_than_b: {column_A: a, column_B: b}", 3, 1),
        (
            "expect_column_pair_values_a_to_be_greater_than_b: {column_A: a, column_B: b, or_equal: true}",
            3,
            0,
        ),
        ("expect_compound_columns_to_be_unique: {column_list: [a, b]}", 3, 0),
        ("expect_select_column_values_to_be_unique_within_record: {column_list: [a, b]}", 3, 1),
        (
            "expect_select_column_values_to_be_unique_within_record: {column_list: [a, b], ignore_row_if: never}",
            4,
            2,
        ),
        ("expect_multicolumn_sum_to_equal: {column_list: [a, b], sum_total: 2, ignore_row_if: never}", 4, 0),
    ],
)
def test_of_rows_with_nulls(one: Ask, check: str, considered: int, unexpected: int) -> None:
    result = one(NULLS, check)

    assert ("", considered, unexpected) == (result.error, result.considered, result.unexpected)
    assert result.success is (unexpected == 0)


def test_repeated_rows_are_counted_and_shown(one: Ask) -> None:
    select = "SELECT * FROM (VALUES (1, 'x', 7), (2, 'x', 7), (3, 'x', NULL), (4, 'y', 7)) v(id, a, b)"
    result = one(select, "expect_compound_columns_to_be_unique: {column_list: [a, b]}", key=("id",))

    assert (4, 2) == (result.considered, result.unexpected)
    assert ({"id": 1}, {"id": 2}) == result.keys
