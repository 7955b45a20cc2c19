"""Compiles the expectations about each row: how many rows are looked at, how many are not as expected.

A row is unexpected when `NOT (expected)` is true in SQL's own logic; where nulls leave the answer open, it is not.
This is what Great Expectations does on a database.
"""

from __future__ import annotations

from itertools import combinations

from shared.contracts import expectations as e
from shared.contracts.expectation import Between, ColumnMap, Expectation, ManyMap, PairMap
from shared.warehouse.checks.dialect import Query
from shared.warehouse.checks.plan import Finding, Plan, Values, bounds_text, mostly_holds, number
from shared.warehouse.checks.scope import Scope, both


def column_map(check: ColumnMap, scope: Scope) -> Plan:
    """A question about each value of a column."""
    rows = scope.where(check.condition)
    column = scope.column(check.column)
    counted = scope.dialect.counted
    match check:
        case e.ExpectColumnValuesToBeUnique():
            return _unique(check, scope)
        case e.ExpectColumnValuesToNotBeNull():
            failing, every = both(rows, f"{column} IS NULL"), True
            metrics = (counted(rows), counted(rows), counted(rows, what=column))
        case e.ExpectColumnValuesToBeNull():
            failing, every = both(rows, f"{column} IS NOT NULL"), False
            metrics = (counted(rows), counted(rows), counted(rows, what=column))
        case _:
            failing, every = both(rows, f"NOT ({_expected(check, scope)})"), False
            metrics = (counted(rows), counted(rows, what=column), counted(failing))

    def judge(values: Values, query: Query) -> Finding:
        total, considered, found = map(number, values)
        unexpected = considered - found if every else found
        return _judged(total, considered, unexpected, check.mostly)

    return Plan(metrics, judge, _says(check), failing, (check.column,))


def pair_map(check: PairMap, scope: Scope) -> Plan:
    """A question about two columns of each row."""
    a, b = scope.column(check.column_a), scope.column(check.column_b)
    nulls = {"both_values_are_missing": " AND ", "either_value_is_missing": " OR "}.get(check.ignore_row_if)
    kept = None if nulls is None else f"NOT ({a} IS NULL{nulls}{b} IS NULL)"
    one, other = scope.exact(check.column_a), scope.exact(check.column_b)
    match check:
        case e.ExpectColumnPairValuesAToBeGreaterThanB(or_equal=True):
            expected = f"{one} >= {other} OR ({a} IS NULL AND {b} IS NULL)"
        case e.ExpectColumnPairValuesAToBeGreaterThanB():
            expected = f"{one} > {other}"
        case _:
            expected = f"{one} = {other} AND {a} IS NOT NULL AND {b} IS NOT NULL"
    return _of_rows(check, scope, kept, f"NOT ({expected})", (check.column_a, check.column_b))


def many_map(check: ManyMap, scope: Scope) -> Plan:
    """A question about several columns of each row."""
    columns = [scope.column(name) for name in check.column_list]
    nulls = {"all_values_are_missing": " AND ", "any_value_is_missing": " OR "}.get(check.ignore_row_if)
    kept = None if nulls is None else f"NOT ({nulls.join(f'{column} IS NULL' for column in columns)})"
    match check:
        case e.ExpectCompoundColumnsToBeUnique():
            return _compound(check, scope, kept)
        case e.ExpectMulticolumnSumToEqual(sum_total=total):
            failing = f"NOT ({' + '.join(columns)} = {scope.dialect.literal(total)})"
        case _:
            pairs = combinations(check.column_list, 2)
            failing = "(" + " OR ".join(_same(scope, one, other) for one, other in pairs) + ")"
    return _of_rows(check, scope, kept, failing, check.column_list)


def _expected(check: ColumnMap, scope: Scope) -> str:
    match check:
        case e.ExpectColumnValuesToBeInSet(column=column, value_set=values):
            return scope.in_set(column, values)
        case e.ExpectColumnValuesToNotBeInSet(column=column, value_set=values):
            return f"NOT ({scope.in_set(column, values)})"
        case e.ExpectColumnValuesToBeBetween(column=column):
            return _between(scope, scope.exact(column), check)
        case e.ExpectColumnValuesToMatchRegex(column=column, regex=regex):
            return scope.matches(column, regex)
        case e.ExpectColumnValuesToNotMatchRegex(column=column, regex=regex):
            return f"NOT ({scope.matches(column, regex)})"
        case e.ExpectColumnValuesToMatchLikePattern(column=column, like_pattern=pattern):
            return scope.like(column, pattern)
        case e.ExpectColumnValuesToNotMatchLikePattern(column=column, like_pattern=pattern):
            return f"NOT ({scope.like(column, pattern)})"
        case e.ExpectColumnValueLengthsToBeBetween(column=column):
            return _between(scope, scope.length(column), check)
        case e.ExpectColumnValueLengthsToEqual(column=column, value=value):
            return f"{scope.length(column)} = {value}"
    raise NotImplementedError(check.name())


def _between(scope: Scope, what: str, bounds: Between) -> str:
    low, high, literal = bounds.min_value, bounds.max_value, scope.dialect.literal
    sides = [
        None if low is None else f"{what} {'>' if bounds.strict_min else '>='} {literal(low)}",
        None if high is None else f"{what} {'<' if bounds.strict_max else '<='} {literal(high)}",
    ]
    return both(*sides) or "TRUE"


def _same(scope: Scope, one: str, other: str) -> str:
    a, b = scope.column(one), scope.column(other)
    return f"{scope.exact(one)} = {scope.exact(other)} OR ({a} IS NULL AND {b} IS NULL)"


def _of_rows(
    check: PairMap | ManyMap, scope: Scope, kept: str | None, failing: str, shown: tuple[str, ...]
) -> Plan:
    rows = scope.where(check.condition)
    looked_at, unexpected = both(rows, kept), both(rows, kept, failing)
    counted = scope.dialect.counted

    def judge(values: Values, query: Query) -> Finding:
        total, considered, found = map(number, values)
        return _judged(total, considered, found, check.mostly)

    return Plan(
        (counted(rows), counted(looked_at), counted(unexpected)), judge, _says(check), unexpected, shown
    )


def _unique(check: e.ExpectColumnValuesToBeUnique, scope: Scope) -> Plan:
    rows = scope.where(check.condition)
    column, exact = scope.column(check.column), scope.exact(check.column)
    counted = scope.dialect.counted
    present = both(rows, f"{column} IS NOT NULL") or ""
    metrics = (
        counted(rows),
        counted(rows, what=column),
        scope.dialect.aggregated("count(DISTINCT {x})", exact, rows),
    )
    repeats, failing = _repeats(scope, (exact,), present)

    def judge(values: Values, query: Query) -> Finding:
        total, considered, different = map(number, values)
        unexpected = 0 if different == considered else number(query(repeats)[0][0])
        return _judged(total, considered, unexpected, check.mostly)

    return Plan(metrics, judge, _says(check), failing, (check.column,))


def _compound(check: e.ExpectCompoundColumnsToBeUnique, scope: Scope, kept: str | None) -> Plan:
    rows = scope.where(check.condition)
    exact = tuple(scope.exact(name) for name in check.column_list)
    present = " AND ".join(f"{scope.column(name)} IS NOT NULL" for name in check.column_list)
    whole = both(rows, present) or ""
    counted = scope.dialect.counted
    if scope.dialect.has_filter:
        combined = scope.dialect.tuples.format(x=", ".join(exact))
        different = scope.dialect.aggregated("count(DISTINCT {x})", combined, whole)
    else:  # rows with a null in one of the columns are left out by these warehouses themselves
        first = exact[0] if rows is None else f"CASE WHEN {rows} THEN {exact[0]} END"
        different = f"count(DISTINCT {', '.join([first, *exact[1:]])})"
    metrics = (counted(rows), counted(both(rows, kept)), counted(whole), different)
    repeats, failing = _repeats(scope, exact, whole)

    def judge(values: Values, query: Query) -> Finding:
        total, considered, complete, found = map(number, values)
        unexpected = 0 if found == complete else number(query(repeats)[0][0])
        return _judged(total, considered, unexpected, check.mostly)

    return Plan(metrics, judge, _says(check), failing, check.column_list)


def _repeats(scope: Scope, exact: tuple[str, ...], where: str) -> tuple[str, str]:
    """A query for the number of rows that share their values, and the condition of these rows."""
    listed = ", ".join(exact)
    groups = f"FROM {scope.table} WHERE {where} GROUP BY {listed} HAVING count(*) > 1"
    left = f"({listed})" if len(exact) > 1 else listed
    return (
        f"SELECT sum(sluice_n) FROM (SELECT count(*) AS sluice_n {groups}) g",
        f"{where} AND {left} IN (SELECT {listed} {groups})",
    )


def _judged(total: int, considered: int, unexpected: int, mostly: float) -> Finding:
    share = unexpected / considered if considered else 0.0
    return Finding(
        mostly_holds(considered, unexpected, mostly),
        observed={"unexpected": unexpected, "share": share},
        considered=considered,
        missing=total - considered,
        unexpected=unexpected,
    )


def _says(check: ColumnMap | PairMap | ManyMap) -> str:
    """What is expected, for people."""
    match check:
        case Between():
            text = bounds_text(check)
        case (
            e.ExpectColumnValuesToBeInSet(value_set=values)
            | e.ExpectColumnValuesToNotBeInSet(value_set=values)
        ):
            shown = ", ".join(map(repr, values[:10])) + (
                f" and {len(values) - 10} more" if len(values) > 10 else ""
            )
            text = f"{'not ' if isinstance(check, e.ExpectColumnValuesToNotBeInSet) else ''}one of {shown}"
        case e.ExpectColumnValuesToMatchRegex(regex=regex):
            text = f"match {regex}"
        case e.ExpectColumnValuesToNotMatchRegex(regex=regex):
            text = f"do not match {regex}"
        case e.ExpectColumnValuesToMatchLikePattern(like_pattern=pattern):
            text = f"like {pattern}"
        case e.ExpectColumnValuesToNotMatchLikePattern(like_pattern=pattern):
            text = f"not like {pattern}"
        case e.ExpectColumnValueLengthsToEqual(value=value):
            text = f"{value} characters"
        case e.ExpectMulticolumnSumToEqual(sum_total=total):
            text = f"sum {total}"
        case e.ExpectColumnPairValuesAToBeGreaterThanB(or_equal=or_equal):
            text = f"{check.column_a} {'>=' if or_equal else '>'} {check.column_b}"
        case _:
            text = _NAMED.get(type(check), "")
    return text if check.mostly == 1 else f"{text}, for at least {check.mostly:.2%} of them"


_NAMED: dict[type[Expectation], str] = {
    e.ExpectColumnValuesToNotBeNull: "not null",
    e.ExpectColumnValuesToBeNull: "null",
    e.ExpectColumnValuesToBeUnique: "unique",
    e.ExpectCompoundColumnsToBeUnique: "unique together",
    e.ExpectSelectColumnValuesToBeUniqueWithinRecord: "different from each other",
    e.ExpectColumnPairValuesToBeEqual: "equal",
}
