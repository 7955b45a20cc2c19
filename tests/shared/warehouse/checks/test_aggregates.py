"""Aggregates: what is observed, and how it is compared with its bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("values", "check", "success", "observed"),
    [
        ("1, 2, 4", "expect_column_mean_to_be_between: {column: a, min_value: 2, max_value: 3}", True, 7 / 3),
        (
            "1, 2, 4, 5",
            "expect_column_median_to_be_between: {column: a, min_value: 3, max_value: 3}",
            True,
            3.0,
        ),
        (
            "0.10, 0.20",
            "expect_column_sum_to_be_between: {column: a, min_value: 0.3, max_value: 0.3}",
            True,
            0.3,
        ),
        ("0.10, 0.20", "expect_column_median_to_be_between: {column: a, min_value: 0.15}", True, 0.15),
        (
            "1, 3",
            "expect_column_stdev_to_be_between: {column: a, min_value: 1.414, max_value: 1.415}",
            True,
            2**0.5,
        ),
        ("1", "expect_column_stdev_to_be_between: {column: a, min_value: 0}", False, None),
        ("NULL::INT", "expect_column_min_to_be_between: {column: a, min_value: 0}", False, None),
        (
            "'a', 'b'",
            "expect_column_max_to_be_between: {column: a, max_value: b, strict_max: true}",
            False,
            "b",
        ),
        (
            "DATE '2026-01-02'",
            "expect_column_max_to_be_between: {column: a, max_value: 2026-01-02}",
            True,
            "2026-01-02",
        ),
        (
            "TIMESTAMPTZ '2026-01-02T01:00:00+02:00'",
            "expect_column_min_to_be_between: {column: a, min_value: '2026-01-01T23:00:00Z'}",
            True,
            "2026-01-01T23:00:00+00:00",
        ),
        (
            "1, 1, 2, NULL",
            "expect_column_unique_value_count_to_be_between: {column: a, max_value: 2}",
            True,
            2,
        ),
        (
            "1, 1, 2, NULL",
            "expect_column_proportion_of_unique_values_to_be_between: {column: a, min_value: 0.6}",
            True,
            2 / 3,
        ),
        (
            "NULL::INT",
            "expect_column_proportion_of_unique_values_to_be_between: {column: a, max_value: 0}",
            True,
            0,
        ),
        ("1, 2", "expect_table_row_count_to_be_between: {min_value: 2, strict_min: true}", False, 2),
        ("1, 2", "expect_table_row_count_to_equal: {value: 1, row_condition: a > 1}", True, 1),
        (
            "170141183460469231731687303715884105727",
            "expect_column_max_to_be_between: {column: a, min_value: 5}",
            True,
            2**127 - 1,
        ),
    ],
)
def test_an_aggregate(one: Ask, values: str, check: str, success: bool, observed: object) -> None:
    result = one(f"SELECT unnest([{values}]) AS a", check)

    assert ("", success) == (result.error, result.success)
    assert (pytest.approx(observed) if isinstance(observed, float) else observed) == result.observed


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("expect_column_max_to_be_between: {column: a, max_value: z}", "cannot be compared with 'z'"),
        ("expect_column_max_to_be_between: {column: d, max_value: z}", "'z' is no time"),
        ("expect_column_max_to_be_between: {column: d, max_value: 5}", "cannot be compared with 5"),
        ("expect_column_mean_to_be_between: {column: t, max_value: 5}", "the warehouse refused it"),
    ],
)
def test_what_cannot_be_compared_is_said(one: Ask, check: str, message: str) -> None:
    result = one("SELECT 1 AS a, DATE '2026-01-01' AS d, 'x' AS t", check)

    assert result.success is False
    assert message in result.error


@pytest.mark.parametrize(
    ("kind", "values", "success", "observed"),
    [
        ("to_be_in_set", "[a, b, c]", True, {"distinct": 2, "not_in_set": 0}),
        ("to_be_in_set", "[a]", False, {"distinct": 2, "not_in_set": 1}),
        ("to_contain_set", "[a]", True, {"distinct": 2, "not_in_column": 0}),
        ("to_contain_set", "[a, z]", False, {"distinct": 2, "not_in_column": 1, "missing_values": ["z"]}),
        ("to_equal_set", "[b, a, a]", True, {"distinct": 2, "not_in_set": 0, "not_in_column": 0}),
        (
            "to_equal_set",
            "[a, z]",
            False,
            {"distinct": 2, "not_in_set": 1, "not_in_column": 1, "missing_values": ["z"]},
        ),
    ],
)
def test_distinct_values(one: Ask, kind: str, values: str, success: bool, observed: dict[str, Any]) -> None:
    check = f"expect_column_distinct_values_{kind}: {{column: a, value_set: {values}}}"
    result = one("SELECT unnest(['a', 'b', 'a', NULL]) AS a", check)

    assert (success, observed) == (result.success, result.observed)


def test_values_outside_the_set_are_shown(one: Ask) -> None:
    result = one(
        "SELECT unnest(['a', 'b']) AS a",
        "expect_column_distinct_values_to_be_in_set: {column: a, value_set: [a]}",
    )

    assert ({"a": "b"},) == result.keys
