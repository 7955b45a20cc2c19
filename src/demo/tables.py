"""Questions that the tour asks of the warehouse, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEYS = {"entitlements": "account_id || '/' || (customer_permission->>'id')"}

REVENUE = """
SELECT strftime(created_at, '%Y-%m') AS month, currency, sum(paid) AS paid
FROM recurly.invoices
WHERE type = 'charge' AND state = 'paid'
GROUP BY ALL
"""

CHURN = """
SELECT plan->>'name' AS plan, count(*) AS subscriptions, count(*) FILTER (state = 'expired') AS churned
FROM recurly.subscriptions
GROUP BY ALL
ORDER BY churned DESC, plan
"""


def ask(warehouse: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    import duckdb

    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
    return found


def counts(warehouse: Path, streams: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Rows, and different keys, of the table of each stream."""
    selects = [
        f"SELECT '{name}', count(*), count(DISTINCT {KEYS.get(name, 'id')}) FROM recurly.{name}"  # noqa: S608 - our names
        for name in streams
    ]
    rows = ask(warehouse, " UNION ALL ".join(selects)) if selects else []
    return {name: (total, different) for name, total, different in rows}


def revenue(warehouse: Path, months: int) -> tuple[list[str], list[list[str]]]:
    """The head and the lines of a table: paid charges by month, with a column per currency, the last months."""
    found = ask(warehouse, REVENUE)
    currencies = sorted({currency for _, currency, _ in found})
    paid = {(month, currency): amount for month, currency, amount in found}
    last = sorted({month for month, _, _ in found})[-months:]
    return ["month", *currencies], [[m, *(f"{paid.get((m, c), 0):,.2f}" for c in currencies)] for m in last]


def churn(warehouse: Path) -> tuple[list[str], list[list[str]]]:
    """The head and the lines of a table: plans by how many of their subscriptions have ended."""
    rows = ask(warehouse, CHURN)
    lines = [[plan, f"{every:,}", f"{gone:,}", f"{gone / every:.0%}"] for plan, every, gone in rows]
    return ["plan", "sold", "churned", ""], lines
