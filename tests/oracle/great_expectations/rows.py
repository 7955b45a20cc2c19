"""Seeded random tables, the same in PostgreSQL, DuckDB and pandas: nulls, duplicates, unicode, values at the bounds."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

COLUMNS = {
    "id": "BIGINT",
    "n": "INTEGER",
    "m": "INTEGER",
    "k": "INTEGER",
    "amount": "NUMERIC(12,2)",
    "ratio": "DOUBLE PRECISION",
    "name": "TEXT",
    "Code": "VARCHAR(20)",
    "day": "DATE",
    "at": "TIMESTAMP WITH TIME ZONE",
    "flag": "BOOLEAN",
    "empty": "INTEGER",
    "select": "TEXT",
}
WORDS = (
    "alpha",
    "Alpha",
    "beta",
    "",
    " ",
    "naïve",
    "名前",
    "e\u0301",
    "é",
    "😀",
    "100%",
    "a_b",
    "a\\b",
    "it's",
    'q"q',
    "x" * 30,
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def table(seed: int, size: int) -> list[tuple[Any, ...]]:
    """Rows for `COLUMNS`; how often a value is null, and how many different ones there are, follows from the seed."""
    chance = random.Random(seed)
    absent = chance.choice([0.0, 0.02, 0.3])
    reach = chance.choice([2, 7, 50, 10_000])

    def some(value: Any) -> Any:
        return None if chance.random() < absent else value

    return [
        (
            place if chance.random() > absent / 10 else max(0, place - 1),
            some(chance.randint(-reach, reach)),
            some(chance.randint(-3, 3)),
            some(chance.randint(0, 5)),
            some(Decimal(chance.randint(-500, 100 * reach)) / 100),
            some(chance.choice([0.0, 0.5, 1.0, chance.random() * reach])),
            some(chance.choice(WORDS)),
            some(f"C{chance.randint(0, reach):03d}"),
            some(date(2026, 1, 1) + timedelta(days=chance.randint(0, reach % 400))),
            some(START + timedelta(seconds=chance.randint(0, reach * 3600))),
            some(chance.random() < 0.5),
            None,
            chance.choice(["a", "b"]),
        )
        for place in range(size)
    ]


def create(name: str) -> str:
    listed = ", ".join(f'"{column}" {kind}' for column, kind in COLUMNS.items())
    return f'CREATE TABLE "{name}" ({listed})'
