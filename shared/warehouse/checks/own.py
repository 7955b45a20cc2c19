"""Compiles the checks that an aggregate over the rows cannot answer: columns and types, order, other tables,
the clock, and queries of one's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.common.errors import Misconfigured
from shared.contracts import expectations as e
from shared.contracts.columns import ColumnType
from shared.warehouse.checks.dialect import Query
from shared.warehouse.checks.plan import (
    NO_LOAD,
    Context,
    Finding,
    Plan,
    Values,
    fixed,
    moment,
    mostly_holds,
    number,
    plain,
)
from shared.warehouse.checks.scope import Scope, both

OWN = "_sluice_"
"""How the names of columns begin that Sluice adds to a stage or a table."""

_MOST = 20

_CONTRACT_TYPES = {
    ColumnType.STRING: {"VARCHAR", "TEXT", "CHARACTER VARYING", "LONGTEXT"},
    ColumnType.INTEGER: {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "INT", "NUMBER"},
    ColumnType.NUMBER: {"DOUBLE", "DOUBLE PRECISION", "FLOAT", "REAL"},
    ColumnType.DECIMAL: {"DECIMAL", "NUMERIC", "NUMBER"},
    ColumnType.BOOLEAN: {"BOOLEAN", "TINYINT"},
    ColumnType.DATE: {"DATE"},
    ColumnType.TIMESTAMP: {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP_TZ", "TIMESTAMP", "DATETIME"},
    ColumnType.TIME: {"TIME", "TIME WITHOUT TIME ZONE", "VARCHAR", "TEXT"},
    ColumnType.JSON: {"JSON", "JSONB", "VARIANT", "LONGTEXT"},
    ColumnType.UUID: {"UUID", "CHAR", "VARCHAR"},
    ColumnType.BINARY: {"BLOB", "BYTEA", "BINARY", "VARBINARY", "LONGBLOB"},
}


def about_columns(
    check: e.ExpectColumnToExist | e.ExpectTableColumnsToMatchSet | e.ExpectTableColumnsToMatchOrderedList,
    scope: Scope,
    context: Context,
) -> Plan:
    """The columns as the author of the check sees them: fields under their own names, without those that are ours."""
    fields = {column.casefold(): field for field, column in context.names.items()}
    hidden = {name.casefold() for name in context.hidden}
    ours = [name for name in scope.types if name.casefold() in hidden or name.casefold().startswith(OWN)]
    found = [fields.get(name.casefold(), name) for name in scope.types if name not in ours]
    match check:
        case e.ExpectColumnToExist(column=column, column_index=None):
            there = any(_named(column, name) for name in found)
            return fixed(Finding(there, found), f"a column {column}")
        case e.ExpectColumnToExist(column=column, column_index=int(index)):
            there = -len(found) <= index < len(found) and _named(column, found[index])
            return fixed(Finding(there, found), f"a column {column} at place {index}")
        case e.ExpectTableColumnsToMatchSet(column_set=names, exact_match=exact):
            absent, strange = _unmatched(names, found)
            observed = {"columns": found, "missing": absent, "not_in_set": strange}
            return fixed(
                Finding(not absent and not (exact and strange), observed), f"columns {', '.join(names)}"
            )
        case e.ExpectTableColumnsToMatchOrderedList(column_list=names):
            same = len(names) == len(found) and all(map(_named, names, found))
            return fixed(Finding(same, found), f"columns {', '.join(names)} in this order")
    raise NotImplementedError(check.name())


def _named(name: str, column: str) -> bool:
    """Upper and lower case are the same, but in a name in double quotes."""
    if len(name) > 2 and name[0] == name[-1] == '"':
        return column == name[1:-1]
    return column.casefold() == name.casefold()


def _unmatched(names: Sequence[str], found: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names without a column and columns without a name."""
    absent = [name for name in names if not any(_named(name, column) for column in found)]
    strange = [column for column in found if not any(_named(name, column) for name in names)]
    return absent, strange


def of_type(check: e.ExpectColumnValuesToBeOfType, scope: Scope) -> Plan:
    declared = scope.types[scope.real(check.column)]
    kind, wanted = scope.dialect.kind(declared), scope.dialect.kind(check.type_)
    try:
        known = _CONTRACT_TYPES[ColumnType(check.type_)]
    except ValueError:
        known = {wanted}
    # A length that is written counts: VARCHAR(20) is not VARCHAR(30).
    exact = "(" not in check.type_ or _squeezed(check.type_) == _squeezed(declared)
    return fixed(Finding(kind in known and exact, declared), check.type_)


def _squeezed(kind: str) -> str:
    return kind.upper().replace(" ", "").partition("(")[2]


def increasing(check: e.ExpectColumnValuesToBeIncreasing, scope: Scope) -> Plan:
    order = scope.dialect.rows_in_order if check.order_by is None else scope.column(check.order_by)
    if order is None:
        raise Misconfigured(
            f"{scope.dialect.name} does not keep the order of rows",
            hint="say by which column: order_by: updated_at",
        )
    column, exact = scope.column(check.column), scope.exact(check.column)
    rows = scope.where(check.condition)
    present = both(rows, f"{column} IS NOT NULL")
    pairs = (
        f"SELECT {exact} AS v, lag({exact}) OVER (ORDER BY {order}) AS b FROM {scope.table} WHERE {present}"
    )
    steps = f"(SELECT count(*) FROM ({pairs}) s WHERE NOT (v {'>' if check.strictly else '>='} b))"
    metrics = (scope.dialect.counted(rows), scope.dialect.counted(rows, what=column), steps)

    def judge(values: Values, query: Query) -> Finding:
        total, considered, unexpected = map(number, values)
        return _of_values(total, considered, unexpected, check.mostly)

    return Plan(
        metrics, judge, "strictly increasing" if check.strictly else "increasing", shown=(check.column,)
    )


def in_table(check: e.ExpectColumnValuesToBeInTable, scope: Scope, context: Context) -> Plan:
    """A foreign key. Two queries of its own would scan twice, so the rows without a partner are counted in one."""
    if context.tables is None:
        raise Misconfigured(f"{check.name()} needs the final tables, and they are not known here")
    other = context.tables(*check.to.split("."))
    field = scope.dialect.quote(check.field)
    column, rows = scope.column(check.column), scope.where(check.condition)
    lonely = f"NOT EXISTS (SELECT 1 FROM {other} o WHERE o.{field} = c.{column})"
    inside = f"SELECT {column} FROM {scope.table} WHERE {both(rows, f'{column} IS NOT NULL')}"
    without = f"(SELECT count(*) FROM ({inside}) c WHERE {lonely})"
    metrics = (scope.dialect.counted(rows), scope.dialect.counted(rows, what=column), without)

    def judge(values: Values, query: Query) -> Finding:
        total, considered, unexpected = map(number, values)
        return _of_values(total, considered, unexpected, check.mostly)

    present = both(
        rows,
        f"{column} IS NOT NULL",
        f"{column} NOT IN (SELECT {field} FROM {other} WHERE {field} IS NOT NULL)",
    )
    return Plan(metrics, judge, f"in {check.to}.{check.field}", present, (check.column,))


def unexpected_rows(check: e.UnexpectedRowsExpectation, scope: Scope) -> Plan:
    written = check.unexpected_rows_query.strip().removesuffix(";").rstrip().replace("{batch}", scope.table)

    def judge(values: Values, query: Query) -> Finding:
        # The line break ends a comment at the end of the query.
        found = number(query(f"SELECT count(*) FROM ({written}\n) q")[0][0])
        return Finding(found == 0, found, unexpected=found)

    return Plan((), judge, "no rows", samples=f"SELECT * FROM ({written}\n) q LIMIT {_MOST}")


def fresh(check: e.ExpectTableToBeFresh, scope: Scope, context: Context) -> Plan:
    newest = scope.dialect.aggregated("max({x})", scope.column(check.column), scope.where(check.condition))

    def judge(values: Values, query: Query) -> Finding:
        if values[0] is None:
            return Finding(False, note="there is no value at all")
        try:
            age = context.now - moment(plain(values[0]))
        except ValueError:
            raise Misconfigured(f"{values[0]!r} is no time", hint="name a date or timestamp column") from None
        return Finding(
            age <= check.max_age, {"newest": plain(values[0]), "age_seconds": round(age.total_seconds())}
        )

    return Plan((newest,), judge, f"at most {check.max_age} old")


def committed(check: e.ExpectTableRowCountToEqualCommit, scope: Scope, context: Context) -> Plan:
    wanted = context.committed_rows
    if wanted is None:
        return fixed(NO_LOAD, "the rows of the commits")

    def judge(values: Values, query: Query) -> Finding:
        return Finding(number(values[0]) == wanted, number(values[0]))

    return Plan((scope.dialect.counted(None),), judge, f"{wanted}, as the commits say")


def _of_values(total: int, considered: int, unexpected: int, mostly: float) -> Finding:
    observed = {"unexpected": unexpected, "share": unexpected / considered if considered else 0.0}
    holds = mostly_holds(considered, unexpected, mostly)
    return Finding(holds, observed, considered, total - considered, unexpected)
