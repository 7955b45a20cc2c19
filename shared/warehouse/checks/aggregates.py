"""Compiles the expectations about a table as a whole and about what the values of a column make together."""

from __future__ import annotations

from typing import Any

from shared.contracts import expectations as e
from shared.contracts.expectation import ColumnAggregate
from shared.warehouse.checks.dialect import Query
from shared.warehouse.checks.plan import Finding, Plan, Values, bounds_text, number, plain, within
from shared.warehouse.checks.scope import Scope, both

_MOST = 20


def row_count(check: e.ExpectTableRowCountToEqual | e.ExpectTableRowCountToBeBetween, scope: Scope) -> Plan:
    expected = str(check.value) if isinstance(check, e.ExpectTableRowCountToEqual) else bounds_text(check)

    def judge(values: Values, query: Query) -> Finding:
        rows = number(values[0])
        holds = (
            rows == check.value if isinstance(check, e.ExpectTableRowCountToEqual) else within(rows, check)
        )
        return Finding(holds, rows)

    return Plan((scope.dialect.counted(scope.where(check.condition)),), judge, expected)


def column_aggregate(check: ColumnAggregate, scope: Scope) -> Plan:
    rows, dialect = scope.where(check.condition), scope.dialect
    column, exact = scope.column(check.column), scope.exact(check.column)
    total, present = dialect.counted(rows), dialect.counted(rows, what=column)
    different = dialect.aggregated("count(DISTINCT {x})", exact, rows)
    match check:
        case e.ExpectColumnMinToBeBetween():
            value = dialect.aggregated("min({x})", exact, rows)
        case e.ExpectColumnMaxToBeBetween():
            value = dialect.aggregated("max({x})", exact, rows)
        case e.ExpectColumnSumToBeBetween():
            value = dialect.aggregated("sum({x})", column, rows)
        case e.ExpectColumnMeanToBeBetween():
            value = dialect.aggregated("avg({x})", dialect.mean.format(x=column), rows)
        case e.ExpectColumnStdevToBeBetween():
            value = dialect.aggregated("stddev_samp({x})", column, rows)
        case e.ExpectColumnMedianToBeBetween():
            value = _median(scope, column, rows)
        case _:
            value = different
    inexact = isinstance(
        check,
        e.ExpectColumnMeanToBeBetween | e.ExpectColumnStdevToBeBetween | e.ExpectColumnMedianToBeBetween,
    )
    proportion = isinstance(check, e.ExpectColumnProportionOfUniqueValuesToBeBetween)

    def judge(values: Values, query: Query) -> Finding:
        every, considered, observed = number(values[0]), number(values[1]), values[2]
        if proportion:
            observed = number(observed) / considered if considered else 0
        shown = float(observed) if inexact and observed is not None else plain(observed)
        return Finding(within(observed, check), shown, considered, every - considered)

    return Plan((total, present, value), judge, bounds_text(check))


def distinct_values(
    check: e.ExpectColumnDistinctValuesToBeInSet
    | e.ExpectColumnDistinctValuesToEqualSet
    | e.ExpectColumnDistinctValuesToContainSet,
    scope: Scope,
) -> Plan:
    rows, dialect = scope.where(check.condition), scope.dialect
    column, exact = scope.column(check.column), scope.exact(check.column)
    wanted = e.distinct(check.value_set)
    inside = both(rows, f"{column} IS NOT NULL", f"({scope.in_set(check.column, check.value_set)})")
    outside = both(rows, f"{column} IS NOT NULL", f"NOT ({scope.in_set(check.column, check.value_set)})")
    metrics = (
        dialect.counted(rows),
        dialect.counted(rows, what=column),
        dialect.aggregated("count(DISTINCT {x})", exact, inside),
        dialect.aggregated("count(DISTINCT {x})", exact, outside),
    )
    may_be_outside = isinstance(check, e.ExpectColumnDistinctValuesToContainSet)
    may_miss = isinstance(check, e.ExpectColumnDistinctValuesToBeInSet)

    def judge(values: Values, query: Query) -> Finding:
        total, considered, found, strangers = map(number, values)
        missing = max(0, len(wanted) - found)
        observed: dict[str, Any] = {"distinct": found + strangers}
        if not may_be_outside:
            observed["not_in_set"] = strangers
        if not may_miss:
            observed["not_in_column"] = missing
            if missing:
                there = {
                    str(plain(row[0]))
                    for row in query(f"SELECT DISTINCT {exact} FROM {scope.table} WHERE {inside}")
                }
                observed["missing_values"] = [value for value in wanted if str(value) not in there][:_MOST]
        holds = (may_be_outside or not strangers) and (may_miss or not missing)
        unexpected = None if may_be_outside else strangers
        return Finding(holds, observed, missing=total - considered, unexpected=unexpected)

    samples = f"SELECT DISTINCT {exact} FROM {scope.table} WHERE {outside} LIMIT {_MOST}"
    words = "contains" if may_be_outside else "is in" if may_miss else "equals"
    shown = ", ".join(map(repr, wanted[:10])) + (f" and {len(wanted) - 10} more" if len(wanted) > 10 else "")
    return Plan(
        metrics, judge, f"{words} {shown}", shown=(check.column,), samples=None if may_be_outside else samples
    )


def _median(scope: Scope, column: str, rows: str | None) -> str:
    """The middle value, or the mean of the two in the middle."""
    dialect = scope.dialect
    if dialect.median is not None:
        return dialect.aggregated(dialect.median, column, rows)
    where = both(rows, f"{column} IS NOT NULL")
    ranked = (
        f"SELECT {column} AS v, row_number() OVER (ORDER BY {column}) AS r, count(*) OVER () AS n "
        f"FROM {scope.table} WHERE {where}"
    )
    return f"(SELECT avg(v + 0e0) FROM ({ranked}) m WHERE r IN (floor((n + 1) / 2), ceil((n + 1) / 2)))"
