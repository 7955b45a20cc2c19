"""What a final table must hold, in a few lines of Python that know nothing of SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Version = tuple[Any, ...]


@dataclass(frozen=True)
class Landed:
    """One commit as its author meant it. `whole`: it ends a snapshot. `at` is a number that grows with the log."""

    sequence: int
    run: str
    rows: tuple[Row, ...]
    whole: bool = True
    at: int = 0


def expected(commits: Iterable[Landed], disposition: str) -> list[tuple[Any, ...]]:
    """Rows as (id, v, cursor, run, commit), sorted. A row that says `gone` ends its key."""
    commits = list(commits)
    if disposition == "replace":
        last = next((commit for commit in reversed(commits) if commit.whole), None)
        commits = [c for c in commits if last and c.run == last.run and c.sequence <= last.sequence]
    landed = [_row(row, commit) for commit in commits for row in commit.rows]
    if disposition == "append":
        return sorted((row[:5] for row in landed), key=repr)
    table: dict[str, tuple[Any, ...]] = {}
    for row in landed:
        old = table.get(row[0])
        if old is None or _age(row) >= _age(old):
            table[row[0]] = row
    return sorted((row[:5] for row in table.values() if not row[5]), key=repr)


def versions(commits: Iterable[Landed]) -> list[Version]:
    """Versions by cursor, sorted, as (id, v, cursor, run, commit, from, to, is current); no cursor: from -1."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for commit in commits:
        last = {(row[0], _age(row)): row for row in (_row(record, commit) for record in commit.rows)}
        for new in last.values():
            old = found.get((new[0], _age(new)))
            # A row that is there already makes no version, so the commit that showed it first keeps it.
            if old is None or (old[1], old[2], old[5]) != (new[1], new[2], new[5]):
                found[new[0], _age(new)] = new
    table: list[Version] = []
    for (key, age), row in found.items():
        later = [other for name, other in found if name == key and other > age]
        end = age if row[5] else min(later, default=None)
        table.append((*row[:5], age, end, int(end is None)))
    return sorted(table, key=repr)


def moments(commits: Iterable[Landed]) -> list[Version]:
    """Versions by snapshot: a row that differs from the current one begins when its snapshot was made."""
    table: list[list[Any]] = []
    for snapshot in _whole(list(commits)):
        shown: dict[str, tuple[Any, ...]] = {}
        for commit in snapshot:
            for record in commit.rows:
                new = _row(record, commit)
                if new[0] not in shown or _age(new) >= _age(shown[new[0]]):
                    shown[new[0]] = new
        at, ends = snapshot[-1].at, list[list[Any]]()
        for version in table:
            now = shown.get(version[0])
            if version[7] and now is not None and now[5]:
                ends.append([*now[:5], at, at, 0, now[5]])
            same = now is not None and (now[1], now[2], now[5]) == (version[1], version[2], version[8])
            if version[7] and (now is None or now[5] or not same):
                version[6:8] = [at, 0]
        alive = {version[0] for version in table if version[7]}
        table += ends
        begun = [row for key, row in shown.items() if key not in alive and not row[5]]
        table += [[*row[:5], at, None, 1, row[5]] for row in begun]
    return sorted((tuple(version[:8]) for version in table), key=repr)


def _whole(commits: list[Landed]) -> list[list[Landed]]:
    found = []
    for place, commit in enumerate(commits):
        if commit.whole:
            found.append([c for c in commits[: place + 1] if c.run == commit.run])
    return found


def _row(row: Row, commit: Landed) -> tuple[Any, ...]:
    # Not as a truth value: a row that said nothing and now says "not gone" has changed, and begins a version.
    return (row["id"], row["v"], row["c"], commit.run, commit.sequence, row.get("gone"))


def _age(row: tuple[Any, ...]) -> int:
    return -1 if row[2] is None else row[2]
