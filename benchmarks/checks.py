"""All checks of a table against one aggregate query that a person would write for the same questions, in DuckDB.

    python -m benchmarks checks [--rows 1000000] [--rounds 7] [--threads 2]

A table of 20 columns, 30 expectations that hold. Both take turns; the figure is the least of the rounds. `run_checks`
is the whole way: columns, compilation, the query, the verdict. Fails when it takes more than twice the hand-written
query, or scans the table more than once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

import duckdb

from shared.common.clock import SystemClock
from shared.common.documents import read_yaml
from shared.contracts.check_files import read_check_file
from shared.warehouse.checks.dialect import DUCKDB
from shared.warehouse.checks.plan import Context
from shared.warehouse.checks.run import run_checks
from shared.warehouse.checks.verdict import Status, Verdict

MOST = 2.0
TABLE = """
CREATE TABLE orders AS SELECT
    i AS id, 'order-' || i AS code, i % 50000 AS account_id, 'user' || (i % 50000) || '@example.com' AS email,
    ['open', 'paid', 'void'][1 + i % 3] AS state, ['EUR', 'USD'][1 + i % 2] AS currency,
    ['AT', 'DE', 'FR', 'US'][1 + i % 4] AS country, (i % 10000) / 100::DECIMAL(12, 2) AS net,
    (i % 2000) / 100::DECIMAL(12, 2) AS tax, (i % 100) / 100.0 AS discount, i % 12 AS quantity, i % 7 = 0 AS is_gift,
    CASE WHEN i % 50 = 0 THEN NULL ELSE 'note ' || i % 1000 END AS note, DATE '2020-01-01' + (i % 2000)::INTEGER AS day,
    TIMESTAMPTZ '2020-01-01' + to_seconds(i) AS created_at, TIMESTAMPTZ '2020-01-02' + to_seconds(i) AS updated_at,
    i % 5 AS lo, i % 5 + 1 AS hi, 'p' || i % 300 AS product, uuid() AS request
FROM range({rows}) r(i)
"""
CHECKS = r"""
checks:
  - expect_table_row_count_to_be_between: { min_value: 1 }
  - expect_column_values_to_not_be_null: { column: id }
  - expect_column_values_to_be_unique: { column: id }
  - expect_column_values_to_not_be_null: { column: code }
  - expect_column_values_to_match_regex: { column: code, regex: '^order-[0-9]+$' }
  - expect_column_values_to_not_be_null: { column: account_id }
  - expect_column_unique_value_count_to_be_between: { column: account_id, min_value: 100 }
  - expect_column_values_to_match_like_pattern: { column: email, like_pattern: '%@%' }
  - expect_column_value_lengths_to_be_between: { column: email, max_value: 80 }
  - expect_column_values_to_be_in_set: { column: state, value_set: [open, paid, void] }
  - expect_column_distinct_values_to_equal_set: { column: currency, value_set: [EUR, USD] }
  - expect_column_value_lengths_to_equal: { column: country, value: 2 }
  - expect_column_values_to_not_be_in_set: { column: country, value_set: [XX] }
  - expect_column_values_to_be_between: { column: net, min_value: 0 }
  - expect_column_sum_to_be_between: { column: net, min_value: 1 }
  - expect_column_values_to_be_between: { column: tax, min_value: 0, max_value: 20 }
  - expect_column_mean_to_be_between: { column: discount, min_value: 0, max_value: 1 }
  - expect_column_stdev_to_be_between: { column: discount, min_value: 0.1, max_value: 0.4 }
  - expect_column_median_to_be_between: { column: quantity, min_value: 1, max_value: 11 }
  - expect_column_values_to_be_between: { column: quantity, min_value: 0, max_value: 12, row_condition: "is_gift" }
  - expect_column_values_to_be_in_set: { column: is_gift, value_set: [true, false] }
  - expect_column_values_to_not_be_null: { column: note, mostly: 90% }
  - expect_column_min_to_be_between: { column: day, min_value: 2020-01-01 }
  - expect_column_max_to_be_between: { column: day, max_value: 2030-01-01 }
  - expect_column_pair_values_a_to_be_greater_than_b: { column_A: updated_at, column_B: created_at }
  - expect_column_max_to_be_between: { column: created_at, max_value: "2100-01-01" }
  - expect_column_pair_values_a_to_be_greater_than_b: { column_A: hi, column_B: lo, or_equal: true }
  - expect_select_column_values_to_be_unique_within_record: { column_list: [lo, hi] }
  - expect_column_proportion_of_unique_values_to_be_between: { column: product, max_value: 0.5 }
  - expect_compound_columns_to_be_unique: { column_list: [id, product] }
"""
BY_HAND = r"""
SELECT count(*), count(*) - count(id), count(id) - count(DISTINCT id), count(*) - count(code),
    count(*) FILTER (WHERE NOT regexp_matches(code, '^order-[0-9]+$')), count(*) - count(account_id),
    count(DISTINCT account_id), count(*) FILTER (WHERE email NOT LIKE '%@%'),
    count(*) FILTER (WHERE length(email) > 80),
    count(*) FILTER (WHERE state NOT IN ('open', 'paid', 'void')), count(DISTINCT currency),
    count(*) FILTER (WHERE currency NOT IN ('EUR', 'USD')), count(*) FILTER (WHERE length(country) <> 2),
    count(*) FILTER (WHERE country IN ('XX')), count(*) FILTER (WHERE net < 0), sum(net),
    count(*) FILTER (WHERE tax NOT BETWEEN 0 AND 20), avg(discount), stddev_samp(discount), median(quantity),
    count(*) FILTER (WHERE is_gift AND quantity NOT BETWEEN 0 AND 12),
    count(*) FILTER (WHERE is_gift NOT IN (true, false)),
    count(*) - count(note), min(day), max(day), count(*) FILTER (WHERE updated_at <= created_at), max(created_at),
    count(*) FILTER (WHERE hi < lo), count(*) FILTER (WHERE lo = hi), count(DISTINCT product) / count(product),
    count(DISTINCT (id, product))
FROM orders
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks checks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args(arguments)
    connection = duckdb.connect(config={"threads": asked.threads})
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    connection.execute(TABLE.format(rows=asked.rows))
    checks = read_check_file(read_yaml(CHECKS, file="checks.yml"))
    clock, statements = SystemClock(), list[str]()

    def query(sql: str) -> list[tuple[Any, ...]]:
        statements.append(sql)
        return connection.execute(sql).fetchall()

    def ours() -> Verdict:
        context = Context(clock.now(), key=("id",))
        about = Verdict("shop", "orders", "shop.orders")
        return run_checks(query, "orders", checks, dialect=DUCKDB, context=context, about=about, clock=clock)

    verdict = ours()
    assert verdict.status is Status.OK, verdict.broken
    scans = sum(_scans(connection, sql) for sql in statements)
    hand, run = [], []
    for _ in range(asked.rounds):
        hand.append(_seconds(lambda: connection.execute(BY_HAND).fetchall()))
        run.append(_seconds(ours))
    ratio = min(run) / min(hand)
    print(f"{asked.rows:,} rows, {len(checks)} checks, {asked.threads} threads, DuckDB {duckdb.__version__}")
    print(f"one query by hand  {min(hand) * 1000:8.1f} ms")
    print(
        f"run_checks         {min(run) * 1000:8.1f} ms   {ratio:.2f} times, {scans} scan, {verdict.queries} statements"
    )
    return 0 if ratio <= MOST and scans == 1 else 1


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def _scans(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """How often a statement reads the rows of the table, as DuckDB plans it."""
    if "DESCRIBE" in sql:
        return 0
    ((_, plan),) = connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
    return json.dumps(json.loads(plan)).count('"SEQ_SCAN')
