"""Great Expectations and our one query say the same about the same rows: verdict, and how many are unexpected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import great_expectations as gx
import pandas as pd
import psycopg
import pytest
from great_expectations.expectations.row_conditions import Condition

from shared.common.fakes import FakeClock
from shared.contracts.expectation import Expectation
from shared.contracts.expectations import kinds
from shared.warehouse.checks.dialect import DUCKDB, POSTGRES, Dialect, Query
from shared.warehouse.checks.plan import Context
from shared.warehouse.checks.run import run_checks
from shared.warehouse.checks.verdict import Result, Verdict
from tests.oracle.great_expectations.cases import Case, cases
from tests.oracle.great_expectations.rows import COLUMNS, create, table

SIZES = (0, 1, 2, 137, 400)
SEEDS = range(10)
OURS_ONLY = {
    "expect_table_to_be_fresh",
    "expect_table_row_count_to_equal_commit",
    "expect_column_values_to_be_in_table",
    "expect_table_row_count_to_be_usual",
    "expect_column_category_shares_to_be_usual",
}
PANDAS_ONLY = {"expect_column_values_to_be_increasing"}


@pytest.fixture(scope="session")
def connection(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def oracle(postgres: str) -> Any:
    """Great Expectations on the same server."""
    context = quiet()
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    return context.data_sources.add_sql("oracle", connection_string=url)


def quiet() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context


def theirs(case: Case) -> Any:
    """The case as an expectation of theirs."""
    name, arguments = case
    camel = "".join(part.capitalize() for part in name.split("_"))
    return getattr(gx.expectations, camel)(**arguments)


def ours(case: Case) -> Expectation:
    """The case as a check of ours; its row condition is the document that they write into a suite."""
    name, arguments = case
    plain = {n: v.dict() if isinstance(v, Condition) else v for n, v in arguments.items()}
    return kinds()[name].model_validate(plain)


def verdict(query: Query, name: str, made: Sequence[Case], dialect: Dialect) -> tuple[Result, ...]:
    context = Context(now=datetime(2026, 11, 20, tzinfo=UTC))
    about = Verdict("oracle", name, name)
    checks = [ours(case) for case in made]
    return run_checks(
        query, f'"{name}"', checks, dialect=dialect, context=context, about=about, clock=FakeClock()
    ).results


def says(case: Case, their: Any, our: Result) -> list[str]:
    """In what they differ."""
    if their.exception_info and any(
        isinstance(v, dict) and v.get("raised_exception")
        for v in [their.exception_info, *their.exception_info.values()]
    ):
        return [] if our.success is False else [f"they raise {their.exception_info}, and ours says {our}"]
    wrong = [] if their.success == our.success else [f"success: theirs {their.success}, ours {our.success}"]
    if our.error:
        wrong.append(our.error)
    found = their.result
    if "missing_count" in found and "unexpected_count" in found and "element_count" in found:
        # The sum of no rows is nothing to them.
        pairs = {"unexpected": found["unexpected_count"] or 0, "missing": found["missing_count"]}
        wrong += [
            f"{n}: theirs {v}, ours {getattr(our, n)}" for n, v in pairs.items() if v != getattr(our, n)
        ]
    elif "unexpected_count" in found and (found["unexpected_count"] or 0) != our.unexpected:
        wrong.append(f"unexpected: theirs {found['unexpected_count']}, ours {our.unexpected}")
    wrong += (
        [f"observed: theirs {found['observed_value']}, ours {our.observed}"] if _apart(found, our) else []
    )
    return wrong


def _apart(found: Any, our: Result) -> bool:
    """Whether both observed a number, and not the same one."""
    one, other = found.get("observed_value"), our.observed
    if isinstance(one, bool) or not (isinstance(one, int | float) and isinstance(other, int | float)):
        return False
    return not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def compare(made: Sequence[Case], validated: Any, results: Sequence[Result]) -> list[str]:
    """All differences; the order of results is that of the expectations."""
    return [
        f"{case}: {text}"
        for case, their, our in zip(made, validated.results, results, strict=True)
        for text in says(case, their, our)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_same_verdicts_on_random_rows(
    seed: int,
    connection: psycopg.Connection[Any],
    oracle: Any,
    record_property: Callable[[str, object], None],
) -> None:
    size, name = SIZES[seed % len(SIZES)], f"t{seed}"
    rows, made = table(seed, size), list(cases(seed))
    connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    connection.execute(create(name))
    marks = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
    duck = duckdb.connect()
    duck.execute(create(name))
    if rows:
        duck.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(COLUMNS))})', rows)
    batch = oracle.add_table_asset(name, table_name=name).add_batch_definition_whole_table("all").get_batch()
    validated = [batch.validate(theirs(case), result_format="BASIC") for case in made]
    found = type("Found", (), {"results": validated})

    on_postgres = verdict(lambda sql: connection.execute(sql).fetchall(), name, made, POSTGRES)
    on_duckdb = verdict(lambda sql: duck.execute(sql).fetchall(), name, made, DUCKDB)

    record_property("checks", len(made))
    assert [] == compare(made, found, on_postgres)
    assert [] == [text for text in compare(made, found, on_duckdb) if "_of_type" not in text]
    assert {True, False} == {one.success for one in validated}


@pytest.mark.parametrize("seed", range(6))
def test_same_verdicts_on_the_order_of_rows(seed: int) -> None:
    """Their databases cannot do this, so the oracle is their pandas."""
    rows = sorted(table(seed, 60), key=lambda row: (row[1] is None, row[1]))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["n"], frame["id"] = frame["n"].astype("float64"), frame["id"].astype("int64")
    context = quiet()
    asset = context.data_sources.add_pandas("p").add_dataframe_asset("f")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    duck = duckdb.connect()
    duck.execute(create("t"))
    duck.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(COLUMNS))})", rows)
    name = "expect_column_values_to_be_increasing"
    made = [
        (name, {"column": column, "strictly": strictly, "mostly": mostly})
        for column in ("n", "id")
        for strictly in (True, False)
        for mostly in (1, 0.5)
    ]
    validated = [batch.validate(theirs(case), result_format="BASIC") for case in made]

    results = verdict(lambda sql: duck.execute(sql).fetchall(), "t", made, DUCKDB)

    assert [] == compare(made, type("Found", (), {"results": validated}), results)


def test_every_expectation_has_met_the_oracle() -> None:
    """A new expectation without a case here would be trusted without a reason."""
    asked = {name for seed in SEEDS for name, _ in cases(seed)}

    assert set(kinds()) - OURS_ONLY - PANDAS_ONLY == asked
