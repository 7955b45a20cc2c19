"""Checks that no rows could answer are refused when they are read, at the line where they are written."""

from __future__ import annotations

import pytest

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.contracts.check_files import ANY, read_check_file
from shared.contracts.columns import ColumnType as T

TYPES = {
    "n": T.INTEGER,
    "d": T.DECIMAL,
    "v": T.STRING,
    "at": T.TIMESTAMP,
    "day": T.DATE,
    "ok": T.BOOLEAN,
    "id": T.UUID,
    "j": T.JSON,
}
TABLES = {"shop.orders": TYPES, "shop.notes": None}


def read(check: str, *, tables: dict[str, dict[str, T] | None] | None = None) -> None:
    text = f"checks:\n  - {check}\n"
    read_check_file(read_yaml(text, file="checks/orders.yml"), columns=TYPES, tables=tables or TABLES)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            "expect_column_values_to_be_between: {column: n, min_value: a}",
            'n has type integer .* "a", which is no number',
        ),
        (
            'expect_column_values_to_be_between: {column: at, min_value: "2024-13-01"}',
            'compared with "2024-13-01": write it as',
        ),
        (
            "expect_column_values_to_be_between: {column: day, max_value: 5}",
            "day has type date .* with 5: write it as",
        ),
        (
            "expect_column_values_to_be_between: {column: v, max_value: 5}",
            "v has type string .* put it into quotes",
        ),
        ("expect_column_max_to_be_between: {column: id, max_value: a}", "which is no UUID"),
        (
            "expect_column_mean_to_be_between: {column: v, min_value: 1}",
            "v has type string, which has no mean",
        ),
        (
            "expect_column_sum_to_be_between: {column: at, min_value: 1}",
            "at has type timestamp, which has no sum",
        ),
        ("expect_column_value_lengths_to_be_between: {column: v, min_value: a}", '"a" is no number'),
        ("expect_column_unique_value_count_to_be_between: {column: v, min_value: a}", '"a" is no number'),
        ("expect_column_values_to_be_in_set: {column: n, value_set: [1, x]}", '"x", which is no number'),
        (
            "expect_column_distinct_values_to_equal_set: {column: ok, value_set: [maybe]}",
            "write true or false",
        ),
        ('expect_column_values_to_match_regex: {column: v, regex: "["}', "unterminated character set"),
        ('expect_column_values_to_not_match_regex: {column: v, regex: "(a"}', "unterminated subpattern"),
        (
            "expect_column_values_to_be_null: {column: n, row_condition: v > 1}",
            "v has type string .* into quotes",
        ),
        (
            "expect_column_values_to_be_null: {column: n, row_condition: not v}",
            "v has type string: compare it",
        ),
        (
            "expect_column_values_to_be_null: {column: n, row_condition: v > n or ok}",
            "v has type string and n has type integer",
        ),
        (
            "expect_column_values_to_be_of_type: {column: n, type_: banana}",
            'no warehouse has a type "banana"',
        ),
        (
            "expect_column_values_to_be_in_table: {column: n, to: shop.orders, field: nope}",
            'unknown column "nope"',
        ),
        (
            "expect_column_values_to_be_in_table: {column: n, to: shop.order, field: n}",
            'did you mean "orders"',
        ),
        (
            "expect_column_pair_values_a_to_be_greater_than_b: {column_A: n, column_B: at}",
            "cannot be compared",
        ),
        (
            "expect_multicolumn_sum_to_equal: {column_list: [n, v], sum_total: 1}",
            "v has type string, which has no sum",
        ),
        ("expect_table_to_be_fresh: {column: n, max_age: 1d}", "n has type integer and is no time"),
    ],
)
def test_what_no_rows_could_answer_is_refused_with_its_place(check: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=r"^checks/orders.yml:2:[0-9]+ expect_.*" + said):
        read(check)


@pytest.mark.parametrize(
    "check",
    [
        "expect_column_values_to_be_between: {column: n, min_value: '1.5', max_value: '2'}",
        "expect_column_values_to_be_between: {column: at, min_value: '2024-1-5 10:00', max_value: now}",
        "expect_column_values_to_be_between: {column: at, min_value: '2024-01-05T10:00:00.123+02:00'}",
        "expect_column_values_to_be_between: {column: v, min_value: a}",
        "expect_column_values_to_be_between: {column: j, min_value: 5}",
        "expect_column_values_to_be_in_set: {column: ok, value_set: [true]}",
        "expect_column_sum_to_be_between: {column: d, min_value: 1}",
        "expect_column_values_to_match_regex: {column: v, regex: '^[[:alpha:]]+\\p{L}$'}",
        "expect_column_values_to_be_null: {column: n, row_condition: \"v > '1' and ok and at > date '2024-01-01'\"}",
        "expect_column_values_to_be_null: {column: n, row_condition: n > d and day <= at}",
        "expect_column_values_to_be_of_type: {column: n, type_: 'decimal(18, 2)'}",
        "expect_column_values_to_be_of_type: {column: n, type_: 'timestamp(6) with time zone'}",
        "expect_column_values_to_be_of_type: {column: n, type_: 'bigint(20) unsigned'}",
        "expect_column_values_to_be_of_type: {column: n, type_: 'STRUCT(a INTEGER)[]'}",
        "expect_column_values_to_be_in_table: {column: n, to: shop.orders, field: n}",
        "expect_column_values_to_be_in_table: {column: n, to: shop.notes, field: whatever}",
        "expect_column_values_to_be_in_table: {column: n, to: other.orders, field: whatever}",
        "expect_table_to_be_fresh: {column: v, max_age: 1d}",
        "expect_column_pair_values_to_be_equal: {column_A: v, column_B: id}",
    ],
)
def test_what_some_warehouse_could_answer_is_left_to_it(check: str) -> None:
    read(check)


def test_a_source_with_reports_may_have_more_tables_than_are_known() -> None:
    read(
        "expect_column_values_to_be_in_table: {column: n, to: shop.exported, field: id}",
        tables={"shop.orders": TYPES, f"shop.{ANY}": None},
    )
