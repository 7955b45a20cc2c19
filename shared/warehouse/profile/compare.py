"""What is different between two profiles of a table, the most telling first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shared.warehouse.profile.model import ColumnProfile, Profile

_SHARE = 0.05
"""A share that moved by less is no news."""

Weight = Literal["strong", "light"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference in words; `column` is empty where it is about the table, `strong` is what people look at first."""

    column: str
    text: str
    weight: Weight = "light"


def differences(new: Profile, old: Profile) -> list[Difference]:
    """All differences worth telling, strong ones first, then in the order of the columns."""
    found = list(_of_table(new, old))
    for column in new.columns:
        before = old.column(column.name)
        if before is None:
            found.append(Difference(column.name, f"is new ({column.type})", "strong"))
        else:
            found += _of_column(column, before, new.rows, old.rows)
    return sorted(found, key=lambda one: one.weight != "strong")


def _of_table(new: Profile, old: Profile) -> Iterator[Difference]:
    if new.rows != old.rows:
        change = f" ({(new.rows - old.rows) / old.rows:+.1%})" if old.rows else ""
        weight: Weight = "strong" if not old.rows or abs(new.rows - old.rows) / old.rows > 0.2 else "light"
        yield Difference("", f"{new.rows:,} rows, {old.rows:,} before{change}", weight)
    for column in old.columns:
        if new.column(column.name) is None:
            yield Difference(column.name, "is gone", "strong")


def _of_column(new: ColumnProfile, old: ColumnProfile, rows: int, before: int) -> Iterator[Difference]:
    name = new.name
    if new.type != old.type:
        yield Difference(name, f"is {new.type}, was {old.type}", "strong")
    one, other = _share(new.nulls, rows), _share(old.nulls, before)
    if abs(one - other) >= _SHARE or (one > 0) != (other > 0):
        weight: Weight = "strong" if abs(one - other) >= _SHARE else "light"
        yield Difference(name, f"{_percent(one)} null, was {_percent(other)}", weight)
    if _is_unique(old, before) and not _is_unique(new, rows):
        yield Difference(name, f"is not unique any more: {new.distinct:,} different values", "strong")
    yield from _moved(new, old, rows, before)
    if (
        new.kind in ("number", "time")
        and None not in (new.low, old.low)
        and (new.low, new.high) != (old.low, old.high)
    ):
        yield Difference(
            name, f"{spoken(new.low)} to {spoken(new.high)}, was {spoken(old.low)} to {spoken(old.high)}"
        )


def _moved(new: ColumnProfile, old: ColumnProfile, rows: int, before: int) -> Iterator[Difference]:
    """Values of a column of few values whose share moved, that are new, or that are gone."""
    if new.kind not in ("text", "boolean") or new.distinct > len(new.top) or old.distinct > len(old.top):
        return
    one, other = {t.value: t.count for t in new.top}, {t.value: t.count for t in old.top}
    for value in dict.fromkeys([*one, *other]):
        now, was = _share(one.get(value, 0), rows), _share(other.get(value, 0), before)
        if value not in other:
            yield Difference(new.name, f"has a new value {value!r} ({_percent(now)} of the rows)", "strong")
        elif value not in one:
            yield Difference(
                new.name, f"has no {value!r} any more (was {_percent(was)} of the rows)", "strong"
            )
        elif abs(now - was) >= _SHARE:
            yield Difference(
                new.name, f"{value!r} has {_percent(now)} of the rows, had {_percent(was)}", "strong"
            )


def spoken(value: object) -> str:
    """A number or a time as people write it.

    >>> spoken(1234567), spoken(0.123456789), spoken("2026-11-20T10:15:00+00:00")
    ('1,234,567', '0.1235', '2026-11-20 10:15')
    """
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    text = str(value)
    if len(text) > 16 and text[4:5] == "-" and text[10:11] in ("T", " "):
        return text[:16].replace("T", " ")
    return text


def _is_unique(column: ColumnProfile, rows: int) -> bool:
    return column.distinct > 1 and column.distinct == rows - column.nulls


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
