"""The same rows get the same verdict in every warehouse: DuckDB here is what the others are compared with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from shared.common.documents import read_yaml
from shared.common.fakes import FakeClock
from shared.contracts.check_files import read_check_file
from shared.warehouse.checks.dialect import DUCKDB, MYSQL, POSTGRES, SNOWFLAKE, Dialect, Query
from shared.warehouse.checks.plan import Context
from shared.warehouse.checks.run import run_checks
from shared.warehouse.checks.verdict import Verdict
from shared.warehouse.profile.measure import measure

TEXTS = ["a", "A", "a ", "", "é", "É", "名前", "100%", "a_b", "a\\b", "it's", 'q"q', None, "a", "b\nc"]
COLUMNS = (
    "id BIGINT, n INTEGER, m INTEGER, amount DECIMAL(12,2), ratio DOUBLE PRECISION, t {text}, "
    "flag BOOLEAN, day DATE"
)
TEXT = {DUCKDB.name: "VARCHAR", POSTGRES.name: "TEXT", MYSQL.name: "TEXT", SNOWFLAKE.name: "VARCHAR"}
CHECKS = r"""
checks:
  - expect_table_row_count_to_equal: { value: 45 }
  - expect_column_values_to_not_be_null: { column: t }
  - expect_column_values_to_be_null: { column: n, row_condition: "m = 1" }
  - expect_column_values_to_be_unique: { column: id }
  - expect_column_values_to_be_unique: { column: t }
  - expect_column_values_to_be_unique: { column: t, row_condition: "id < 12" }
  - expect_column_values_to_be_in_set: { column: t, value_set: [a, É, "a\\b", "it's", "100%"] }
  - expect_column_values_to_not_be_in_set: { column: t, value_set: [A, é, " "] }
  - expect_column_values_to_be_in_set: { column: n, value_set: [0, 1, 2] }
  - expect_column_values_to_be_in_set: { column: flag, value_set: [true] }
  - expect_column_values_to_be_between: { column: amount, min_value: 0.5, max_value: 10, strict_max: true }
  - expect_column_values_to_be_between: { column: day, min_value: 2026-01-05 }
  - expect_column_values_to_match_regex: { column: t, regex: "^[a-z]" }
  - expect_column_values_to_not_match_regex: { column: t, regex: "a" }
  - expect_column_values_to_match_regex: { column: n, regex: "^[0-9]+$" }
  - expect_column_values_to_match_like_pattern: { column: t, like_pattern: "a%" }
  - expect_column_values_to_match_like_pattern: { column: t, like_pattern: "%\\%" }
  - expect_column_values_to_match_like_pattern: { column: t, like_pattern: "a\\_b" }
  - expect_column_value_lengths_to_be_between: { column: t, min_value: 1, max_value: 2 }
  - expect_compound_columns_to_be_unique: { column_list: [n, t] }
  - expect_compound_columns_to_be_unique: { column_list: [id, t], row_condition: "n is not null" }
  - expect_select_column_values_to_be_unique_within_record: { column_list: [n, m] }
  - expect_column_pair_values_to_be_equal: { column_A: n, column_B: m }
  - expect_column_pair_values_a_to_be_greater_than_b:
      { column_A: n, column_B: m, or_equal: true, ignore_row_if: neither }
  - expect_multicolumn_sum_to_equal: { column_list: [n, m], sum_total: 3 }
  - expect_column_min_to_be_between: { column: t, min_value: "" }
  - expect_column_max_to_be_between: { column: day, max_value: 2026-01-31 }
  - expect_column_mean_to_be_between: { column: n, min_value: 0 }
  - expect_column_median_to_be_between: { column: amount, min_value: 0, row_condition: "id > 3" }
  - expect_column_sum_to_be_between: { column: amount, min_value: 0 }
  - expect_column_stdev_to_be_between: { column: ratio, min_value: 0 }
  - expect_column_unique_value_count_to_be_between: { column: t, min_value: 13, max_value: 13 }
  - expect_column_proportion_of_unique_values_to_be_between: { column: n, max_value: 0.2 }
  - expect_column_distinct_values_to_equal_set: { column: m, value_set: [0, 1, 2] }
  - expect_column_distinct_values_to_contain_set: { column: t, value_set: [a, A, É, zz] }
  - expect_column_distinct_values_to_be_in_set: { column: t, value_set: [a, A] }
  - expect_column_values_to_be_increasing: { column: id, order_by: id }
  - expect_column_values_to_be_increasing: { column: n, order_by: id, strictly: true }
  - expect_column_values_to_be_of_type: { column: id, type_: integer }
  - expect_table_columns_to_match_ordered_list: { column_list: [id, n, m, amount, ratio, t, flag, day] }
  - expect_table_to_be_fresh: { column: day, max_age: 400d }
  - unexpected_rows_expectation: { unexpected_rows_query: "SELECT id FROM {batch} WHERE n > 3" }
  - expect_column_category_shares_to_be_usual: { column: m }
"""


def rows() -> list[tuple[Any, ...]]:
    return [
        (
            i,
            None if i % 7 == 0 else i % 5,
            i % 3,
            None if i % 11 == 0 else i * 0.25,
            i / 7,
            TEXTS[i % len(TEXTS)],
            None if i % 9 == 0 else i % 2 == 0,
            f"2026-01-{1 + i % 28:02d}",
        )
        for i in range(45)
    ]


def filled(run: Callable[[str], Any], dialect: Dialect, table: str) -> None:
    def value(one: Any) -> str:
        return "NULL" if one is None else dialect.literal(one)

    run(f"CREATE TABLE {table} ({COLUMNS.format(text=TEXT[dialect.name])})")
    listed = ", ".join("(" + ", ".join(value(one) for one in row) + ")" for row in rows())
    run(f"INSERT INTO {table} VALUES {listed}")


def verdict(query: Query, dialect: Dialect, table: str) -> Verdict:
    checks = read_check_file(read_yaml(CHECKS, file="checks.yml"))
    context = Context(datetime(2026, 11, 20, tzinfo=UTC), key=("id",))
    about = Verdict("shop", "orders", "shop.orders")
    return run_checks(query, table, checks, dialect=dialect, context=context, about=about, clock=FakeClock())


def told(found: Verdict) -> list[tuple[Any, ...]]:
    """What must be the same everywhere; numbers as far as floats agree."""
    listed = []
    for one in found.results:
        observed = round(float(one.observed), 6) if isinstance(one.observed, int | float) else one.observed
        typed = one.check.endswith(("of_type", "ordered_list"))
        shown = None if typed else str(observed).replace("'", "")
        keys = sorted(str(key) for key in one.keys)
        listed.append(
            (
                one.check,
                str(one.arguments),
                one.success,
                one.error,
                one.considered,
                one.unexpected,
                shown,
                keys,
            )
        )
    return listed


@pytest.fixture(scope="module")
def expected() -> list[tuple[Any, ...]]:
    connection = duckdb.connect()
    filled(connection.execute, DUCKDB, "t")
    found = verdict(lambda sql: connection.execute(sql).fetchall(), DUCKDB, "t")
    assert {True, False, None} == {one.success for one in found.results}
    assert [] == [one for one in found.results if one.error]
    return told(found)


def server(name: str) -> Iterator[str]:
    """A real server, or a reason to skip."""
    try:
        servers = importlib.import_module("tests.servers.databases")
    except ImportError:
        pytest.skip("no servers here")
    try:
        with getattr(servers, name)() as url:
            yield url
    except servers.Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    yield from server("postgres")


@pytest.fixture(scope="module")
def mariadb() -> Iterator[str]:
    yield from server("mariadb")


def profiled(query: Query, dialect: Dialect, table: str) -> None:
    """The profile runs there, too, and counts the same."""
    found = measure(query, table, name="t", dialect=dialect, clock=FakeClock(), by="day")
    counts = {column.name.lower(): (column.nulls, column.distinct) for column in found.columns}

    assert 45 == found.rows
    assert {"id": (0, 45), "n": (7, 5), "m": (0, 3), "t": (3, 13), "day": (0, 28)}.items() <= counts.items()
    assert found.days is not None
    assert 45 == sum(found.days.rows)


@pytest.mark.heavy
def test_postgresql(postgres: str, expected: list[tuple[Any, ...]]) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        table = '"odd ""schema"""."t;t"'
        connection.execute('CREATE SCHEMA "odd ""schema"""')
        filled(connection.execute, POSTGRES, table)
        query: Query = lambda sql: connection.execute(sql).fetchall()  # noqa: E731 - it is the door

        assert expected == told(verdict(query, POSTGRES, table))
        profiled(query, POSTGRES, table)


@pytest.mark.heavy
@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_nopad_bin"])
def test_mariadb(mariadb: str, expected: list[tuple[Any, ...]], mode: str, collation: str) -> None:
    """Whatever the table's collation folds, and whether or not a backslash escapes."""
    from urllib.parse import urlsplit

    import pymysql

    url = urlsplit(mariadb)
    connection = pymysql.connect(
        host=url.hostname, port=url.port or 0, user=url.username or "", charset="utf8mb4", autocommit=True
    )
    with connection, connection.cursor() as cursor:

        def query(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        database = f"checks_{mode}_{collation}".lower()
        query(f"CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE {collation}")
        query(f"SET SESSION sql_mode = '{mode}'")
        filled(query, MYSQL, f"`{database}`.`t`")

        assert expected == told(verdict(query, MYSQL, f"`{database}`.`t`"))
        profiled(query, MYSQL, f"`{database}`.`t`")


@pytest.mark.filterwarnings("ignore")  # what fakesnow says about its own parts
def test_snowflake(expected: list[tuple[Any, ...]]) -> None:
    """Through the real connector; what answers is fakesnow. Names without quotes are upper case there."""
    import fakesnow
    import snowflake.connector

    with fakesnow.patch():
        connection = snowflake.connector.connect(
            database="D", schema="S", user="u", password="p", account="a"
        )
        cursor = connection.cursor()

        def query(sql: str) -> list[tuple[Any, ...]]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        filled(query, SNOWFLAKE, '"t"')

        assert expected == told(verdict(query, SNOWFLAKE, '"t"'))
        profiled(query, SNOWFLAKE, '"t"')
