"""The columns of a load whose records have drifted from their contract, by what the commits say that was seen.

Types widen along the lattice of `ddl.join`; nothing is ever narrowed or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from shared.contracts.columns import DIGITS, Column, ColumnType
from shared.landing.commit import Commit
from shared.warehouse.ddl import join, merged
from shared.warehouse.infer import evidence_of
from shared.warehouse.ports import StagedPart

LARGE, HUGE = "large", "huge"
"""Kinds of integers beside the types: beyond 2^53, which a double would round, and beyond 38 digits."""


def evolved(columns: Sequence[Column], commits: Iterable[Commit]) -> tuple[Column, ...]:
    """The columns of a contract, with those that the commits found beside them, each wide enough for what was seen."""
    seen: dict[str, set[str]] = {}
    for commit in commits:
        for name, kinds in commit.draft.evolved.items():
            seen.setdefault(name, set()).update(kinds)
    if not seen:
        return tuple(columns)
    declared = {column.name: column for column in columns}
    found = [Column(name, type_of(kinds, declared.get(name))) for name, kinds in seen.items()]
    return merged(columns, found)


def unrounded(
    columns: Sequence[Column], declared: Sequence[Column], parts: Iterable[StagedPart]
) -> tuple[Column, ...]:
    """The columns of a load; text instead of a number where that is declared as an integer and would round some.

    A commit does not say how large the integers are that fit their contract, so the parts are read for it.
    """
    integers = {column.name for column in declared if column.type is ColumnType.INTEGER}
    doubtful = {c.name for c in columns if c.type is ColumnType.NUMBER} & integers
    large = evidence_of(parts).large & doubtful if doubtful else set()
    return tuple(
        replace(c, type=ColumnType.STRING, precision=DIGITS) if c.name in large else c for c in columns
    )


def type_of(kinds: Iterable[str], declared: Column | None = None) -> ColumnType:
    """The narrowest type for all kinds that were seen, and for the one declared.

    >>> type_of(["integer", "number"]).value, type_of(["large", "number"]).value, type_of([]).value
    ('number', 'string', 'string')
    """
    found = set(kinds)
    types = {ColumnType.INTEGER if kind in (LARGE, HUGE) else ColumnType(kind) for kind in found}
    if declared is not None:
        types.add(declared.type)
    widest = reduce(join, types) if types else ColumnType.STRING
    rounded = widest is ColumnType.NUMBER and LARGE in found
    return ColumnType.STRING if rounded or HUGE in found else widest
