"""What a final table must hold, in a few lines of Python that know nothing of SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Landed:
    """One commit as its author meant it. `whole`: it ends a snapshot."""

    sequence: int
    run: str
    rows: tuple[Row, ...]
    whole: bool = True


def expected(commits: Iterable[Landed], disposition: str) -> list[tuple[Any, ...]]:
    """Rows as (id, v, cursor, run, commit), sorted."""
    commits = list(commits)
    if disposition == "replace":
        last = next((commit for commit in reversed(commits) if commit.whole), None)
        commits = [c for c in commits if last and c.run == last.run and c.sequence <= last.sequence]
    landed = [
        (row["id"], row["v"], row["c"], commit.run, commit.sequence)
        for commit in commits
        for row in commit.rows
    ]
    if disposition == "append":
        return sorted(landed, key=repr)
    table: dict[str, tuple[Any, ...]] = {}
    for row in landed:
        old = table.get(row[0])
        if old is None or _age(row) >= _age(old):
            table[row[0]] = row
    return sorted(table.values(), key=repr)


def _age(row: tuple[Any, ...]) -> int:
    return -1 if row[2] is None else row[2]
