"""Compiles the checks that compare a load with the loads before it: its rows, and the shares of its categories."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from shared.common.errors import Misconfigured
from shared.contracts import expectations as e
from shared.warehouse.checks.dialect import Query
from shared.warehouse.checks.plan import NO_LOAD, Context, Finding, Plan, Values, fixed, number, plain
from shared.warehouse.checks.scope import Scope

_CATEGORIES = 1000
_KEPT = 50
# A robust standard deviation: for normal values it is 1.4826 times the median of the distances from the median.
_ROBUST = 1.4826


def usual_rows(check: e.ExpectTableRowCountToBeUsual, scope: Scope, context: Context) -> Plan:
    if context.history is None:
        return fixed(NO_LOAD, "as usual")
    earlier = [one["rows"] for one in context.history if "rows" in one][: check.loads]
    low, high = usual_range(earlier, check) if len(earlier) >= check.min_loads else (0.0, 0.0)
    expected = f"between {low:,.0f} and {high:,.0f}" if high else "as usual"

    def judge(values: Values, query: Query) -> Finding:
        rows = number(values[0])
        if len(earlier) < check.min_loads:
            return Finding(None, rows, note=_too_few(len(earlier), check))
        return Finding(
            low <= rows <= high,
            rows,
            note=f"the median of {len(earlier)} loads is {statistics.median(earlier):,.0f}",
        )

    return Plan((scope.dialect.counted(None),), judge, expected)


def usual_range(earlier: Sequence[float], check: e.ExpectTableRowCountToBeUsual) -> tuple[float, float]:
    """The numbers of rows that are as usual. One odd load among the earlier ones does not move it much.

    >>> usual_range([100, 102, 98, 101, 5000], e.ExpectTableRowCountToBeUsual())
    (80.8, 121.2)
    """
    middle = statistics.median(earlier)
    spread = statistics.median(abs(one - middle) for one in earlier) * _ROBUST
    reach = max(check.deviations * spread, check.tolerance * middle)
    return round(max(0.0, middle - reach), 6), round(middle + reach, 6)


def usual_shares(check: e.ExpectColumnCategorySharesToBeUsual, scope: Scope, context: Context) -> Plan:
    if context.history is None:
        return fixed(NO_LOAD, "as usual")
    column = scope.exact(check.column)
    earlier = [
        one["shares"][check.column] for one in context.history if check.column in one.get("shares", {})
    ]
    earlier = earlier[: check.loads]

    def judge(values: Values, query: Query) -> Finding:
        groups = f"FROM {scope.table} GROUP BY {column} ORDER BY 2 DESC LIMIT {_CATEGORIES + 1}"
        rows = query(f"SELECT {column}, count(*) {groups}")
        if len(rows) > _CATEGORIES:
            raise Misconfigured(
                f"{check.column} has more than {_CATEGORIES} different values", hint="it is no category"
            )
        counts = Counter({_category(row[0]): number(row[1]) for row in rows})
        total = counts.total()
        frequent = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_KEPT]
        shares = {name: count / total for name, count in frequent} if total else {}
        observed: dict[str, Any] = {"shares": {name: round(share, 6) for name, share in shares.items()}}
        if len(earlier) < check.min_loads:
            return Finding(None, observed, total, note=_too_few(len(earlier), check))
        moved = moved_shares(shares, earlier, check.max_change)
        observed["moved"] = moved
        return Finding(not moved or not total, observed, total, unexpected=len(moved))

    return Plan((), judge, f"no share moves by more than {check.max_change:.1%}")


def moved_shares(
    shares: Mapping[str, float], earlier: Sequence[Mapping[str, float]], most: float
) -> dict[str, dict[str, float]]:
    """The categories whose share is further than `most` from its median, the furthest first.

    >>> moved_shares({"a": 0.5, "b": 0.5}, [{"a": 0.9, "b": 0.1}] * 3, 0.1)
    {'a': {'share': 0.5, 'usual': 0.9}, 'b': {'share': 0.5, 'usual': 0.1}}
    """
    names = dict.fromkeys([*shares, *(name for one in earlier for name in one)])
    pairs = {n: (shares.get(n, 0.0), statistics.median(one.get(n, 0.0) for one in earlier)) for n in names}
    moved = sorted((-abs(now - usual), n) for n, (now, usual) in pairs.items() if abs(now - usual) > most)
    return {n: {"share": round(pairs[n][0], 6), "usual": round(pairs[n][1], 6)} for _, n in moved}


def _category(value: Any) -> str:
    return "(null)" if value is None else str(plain(value))


def _too_few(count: int, check: e.Usual) -> str:
    return f"{count} earlier load{'' if count == 1 else 's'} to compare with, and it needs {check.min_loads}"
