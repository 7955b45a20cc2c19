"""Running checks: how few queries, what is shown of failing rows, and what a broken check does to the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.common.errors import Transient
from shared.warehouse.checks.verdict import Status

Ask = Callable[..., Any]
ROWS = "SELECT i AS id, i % 5 AS n, 'c' || (i % 3) AS kind FROM range(100) r(i)"


def test_all_checks_are_one_query_when_they_hold(table: Any) -> None:
    """One look at the columns, one scan of the rows."""
    verdict = table.of(ROWS).check(
        "expect_table_row_count_to_equal: {value: 100}",
        "expect_column_values_to_not_be_null: {column: id}",
        "expect_column_values_to_be_unique: {column: id}",
        "expect_compound_columns_to_be_unique: {column_list: [id, n]}",
        "expect_column_values_to_be_between: {column: n, min_value: 0, max_value: 4}",
        "expect_column_distinct_values_to_equal_set: {column: kind, value_set: [c0, c1, c2]}",
        "expect_column_median_to_be_between: {column: n, min_value: 2, max_value: 2}",
        "expect_column_values_to_match_regex: {column: kind, regex: '^c[0-9]$'}",
        "expect_column_values_to_be_increasing: {column: id}",
    )

    assert (Status.OK, 2, 100) == (verdict.status, verdict.queries, verdict.rows)
    assert 1 == table.asked[1].count("count(*),")


def test_failing_rows_are_named_by_their_key(table: Any) -> None:
    (result,) = (
        table.of(ROWS)
        .check("expect_column_values_to_not_be_in_set: {column: n, value_set: [4]}", key=("id",))
        .results
    )

    assert (20, 100, 0.2) == (result.unexpected, result.considered, result.share)
    assert [{"id": place} for place in range(4, 100, 5)] == list(result.keys)


def test_without_a_key_the_values_are_shown(one: Ask) -> None:
    result = one(
        "SELECT unnest([1, 2, NULL]) AS a", "expect_column_values_to_be_between: {column: a, max_value: 1}"
    )

    assert ({"a": 2},) == result.keys


def test_a_key_inside_a_nested_value_is_no_column(table: Any) -> None:
    (result,) = (
        table.of(ROWS).check("expect_column_values_to_be_null: {column: n}", key=("id", "a.b")).results
    )

    assert "" == result.error
    assert {"n": 0} == result.keys[0]


def test_at_most_20_rows_are_shown(one: Ask) -> None:
    result = one(ROWS, "expect_column_values_to_be_null: {column: id}")

    assert (100, 20) == (result.unexpected, len(result.keys))


def test_a_check_that_cannot_be_made_does_not_hold_and_the_others_are_made(table: Any) -> None:
    verdict = table.of(ROWS).check(
        "expect_column_values_to_be_between: {column: kind, min_value: 5, severity: warn}",
        "expect_column_values_to_not_be_null: {column: nope}",
        "expect_column_values_to_match_regex: {column: kind, regex: '(?=a)b'}",
        "expect_column_values_to_not_be_null: {column: n}",
        "unexpected_rows_expectation: {unexpected_rows_query: SELECT nope FROM t}",
    )

    errors = [result.error for result in verdict.results]
    assert [False, False, False, True, False] == [result.success for result in verdict.results]
    assert "the warehouse refused it: Binder Error" in errors[0]
    assert 'unknown column "nope"; known: id, kind, n' == errors[1]
    assert "invalid perl operator" in errors[2]
    assert "" == errors[3]
    assert "nope" in errors[4]
    assert Status.FAIL is verdict.status


def test_a_table_that_is_not_there_is_no_verdict(table: Any) -> None:
    """A missing table is nobody's check."""
    with pytest.raises(Exception, match="does not exist"):
        table.check("expect_table_row_count_to_equal: {value: 1}")


def test_a_warehouse_that_is_gone_is_no_verdict(table: Any) -> None:
    """`Transient` comes through, also from a query of one check alone."""
    table.of(ROWS)
    ask = table.connection

    class Gone:
        def execute(self, sql: str) -> Any:
            if "HAVING" in sql:
                raise Transient("the connection is gone")
            return ask.execute(sql)

    table.connection = Gone()
    with pytest.raises(Transient):
        table.check("expect_column_values_to_be_unique: {column: n}")
    table.connection = ask


def test_odd_names_and_values_stay_names_and_values(table: Any) -> None:
    table.of("""SELECT 'it''s' AS "a ""b"" c", 1 AS "select", '; drop table t; --' AS "é" """)
    verdict = table.check(
        """expect_column_values_to_be_in_set: {column: 'a "b" c', value_set: ["it's", "x"]}""",
        """expect_column_values_to_be_in_set: {column: é, value_set: ["; drop table t; --"]}""",
        """expect_column_values_to_be_null: {column: select, row_condition: '"a ""b"" c" = ''x'''}""",
        """expect_column_values_to_match_like_pattern: {column: é, like_pattern: "%;\\\\_%", severity: warn}""",
    )

    assert [True, True, True, False] == [result.success for result in verdict.results]


def test_fields_are_found_under_the_name_of_their_column(table: Any) -> None:
    """A stage renames what collides; checks name the fields of the record."""
    table.of("SELECT 1 AS id_1, 2 AS Id, 3 AS _sluice_run")
    verdict = table.check(
        "expect_column_values_to_be_in_set: {column: id, value_set: [1]}",
        "expect_column_values_to_be_in_set: {column: Id, value_set: [2]}",
        "expect_table_columns_to_match_ordered_list: {column_list: [id, Id]}",
        names={"id": "id_1", "Id": "Id"},
        hidden=("_sluice_run",),
    )

    assert [True, True, True] == [result.success for result in verdict.results]


def test_a_stage_is_checked_by_its_own_name(table: Any) -> None:
    """Temporary tables of a loader have colons in their names."""
    from shared.contracts.expectations import ExpectTableRowCountToEqual
    from shared.warehouse.checks.dialect import DUCKDB
    from shared.warehouse.checks.plan import Context
    from shared.warehouse.checks.run import run_checks
    from shared.warehouse.checks.verdict import Verdict

    name = '"temp"."main"."stage:shop:orders:L1"'
    table.connection.execute(f"CREATE TEMP TABLE {name} AS {ROWS}")
    verdict = run_checks(
        table, name, [ExpectTableRowCountToEqual(value=100)], dialect=DUCKDB, context=Context(table.clock.now()),
        about=Verdict("shop", "orders", "shop.orders"), clock=table.clock,
    )  # fmt: skip

    assert Status.OK is verdict.status
