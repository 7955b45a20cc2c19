"""Turns checks into one aggregate query: every check says what it wants to know, and what two ask is asked once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.contracts import expectations as e
from shared.contracts.expectation import ColumnAggregate, ColumnMap, Expectation, ManyMap, PairMap
from shared.warehouse.checks import own, usual
from shared.warehouse.checks.aggregates import column_aggregate, distinct_values, row_count
from shared.warehouse.checks.maps import column_map, many_map, pair_map
from shared.warehouse.checks.plan import Context, Plan, Values
from shared.warehouse.checks.scope import Scope

SAMPLES = 20


def compiled(check: Expectation, scope: Scope, context: Context) -> Plan:
    """What a check asks. Raises `Misconfigured` when the table cannot answer it, as when a column is not there."""
    match check:
        case e.ExpectColumnValuesToBeIncreasing():
            return own.increasing(check, scope)
        case e.ExpectColumnValuesToBeInTable():
            return own.in_table(check, scope, context)
        case ColumnMap():
            return column_map(check, scope)
        case PairMap():
            return pair_map(check, scope)
        case ManyMap():
            return many_map(check, scope)
        case ColumnAggregate():
            return column_aggregate(check, scope)
        case (
            e.ExpectColumnDistinctValuesToBeInSet()
            | e.ExpectColumnDistinctValuesToEqualSet()
            | e.ExpectColumnDistinctValuesToContainSet()
        ):
            return distinct_values(check, scope)
        case e.ExpectTableRowCountToEqual() | e.ExpectTableRowCountToBeBetween():
            return row_count(check, scope)
        case (
            e.ExpectColumnToExist()
            | e.ExpectTableColumnsToMatchSet()
            | e.ExpectTableColumnsToMatchOrderedList()
        ):
            return own.about_columns(check, scope, context)
        case _:
            return _own(check, scope, context)


def _own(check: Expectation, scope: Scope, context: Context) -> Plan:
    match check:
        case e.ExpectColumnValuesToBeOfType():
            return own.of_type(check, scope)
        case e.UnexpectedRowsExpectation():
            return own.unexpected_rows(check, scope)
        case e.ExpectTableToBeFresh():
            return own.fresh(check, scope, context)
        case e.ExpectTableRowCountToEqualCommit():
            return own.committed(check, scope, context)
        case e.ExpectTableRowCountToBeUsual():
            return usual.usual_rows(check, scope, context)
        case e.ExpectColumnCategorySharesToBeUsual():
            return usual.usual_shares(check, scope, context)
    raise NotImplementedError(check.name())


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The metrics of several plans, each once, and one for the rows of the table."""

    metrics: tuple[str, ...]

    @classmethod
    def of(cls, plans: Iterable[Plan]) -> Aggregate:
        return cls(tuple(dict.fromkeys(["count(*)", *(metric for plan in plans for metric in plan.metrics)])))

    def sql(self, table: str) -> str:
        return f"SELECT {', '.join(self.metrics)} FROM {table}"

    def values(self, plan: Plan, row: Sequence[object]) -> Values:
        """The values of a plan's own metrics out of the answer."""
        return [row[self.metrics.index(metric)] for metric in plan.metrics]


def samples_sql(plan: Plan, scope: Scope, key: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """A query for some rows that are not as expected, and the fields that it shows; no fields: whatever it shows."""
    if plan.samples is not None:
        return plan.samples, plan.shown
    if plan.failing is None:
        return None
    # A key may reach into a nested value (`a.b`), which is no column: then the values themselves are shown.
    fields = tuple(key) if key and all(map(scope.knows, key)) else plan.shown
    columns = ", ".join(scope.column(name) for name in fields)
    return (
        f"SELECT {columns} FROM {scope.table} WHERE {plan.failing} ORDER BY {columns} LIMIT {SAMPLES}",
        fields,
    )
