"""A profile as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.warehouse.profile.compare import Difference, spoken
from shared.warehouse.profile.model import ColumnProfile, Profile

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDEST = 34


def sparkline(counts: Sequence[int]) -> str:
    """Counts as a line of blocks; what is there at all can be seen.

    >>> sparkline([0, 1, 50, 100])
    ' ▁▄█'
    """
    most = max(counts, default=0) or 1
    return "".join(_BLOCKS[0 if count == 0 else max(1, round(count * 8 / most))] for count in counts)


def rows_of(profile: Profile) -> list[tuple[str, ...]]:
    """One row per column: name, type, nulls, different values, range, shape, most frequent values."""
    return [_row(column, profile.rows) for column in profile.columns]


HEAD = ("column", "type", "null", "distinct", "least", "greatest", "shape", "most frequent")
RIGHT = (2, 3)


def lines(profile: Profile, changes: Sequence[Difference] = ()) -> Iterator[str]:
    """What stands below the table of columns: the days, and what changed."""
    if profile.days is not None and profile.days.days:
        days = profile.days
        yield f"rows by {days.column}, {days.days[0]} to {days.last}: {sparkline(days.rows)}"
    for change in changes:
        mark, subject = (
            "!" if change.weight == "strong" else " ",
            f"{change.column}: " if change.column else "",
        )
        yield f"{mark} {subject}{change.text}"


def _row(column: ColumnProfile, rows: int) -> tuple[str, ...]:
    share = column.nulls / rows if rows else 0.0
    unique = column.distinct > 1 and column.distinct == rows - column.nulls
    top = (
        ", ".join(f"{_cut(one.value, 14)} {100 * one.count / rows:.0f}%" for one in column.top[:3])
        if rows
        else ""
    )
    return (
        column.name,
        column.type,
        "" if not column.nulls else f"{100 * share:.3g}%",
        "unique" if unique else f"{column.distinct:,}",
        _cut(spoken(column.low), 20),
        _cut(spoken(column.high), 20),
        sparkline([one.count for one in column.bins]),
        _cut(top, _WIDEST + 20),
    )


def _cut(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
