"""The profile of a table as a document: what was counted, and nothing of how it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from shared.common.errors import Misconfigured

Kind = Literal["number", "time", "text", "boolean", "other"]


@dataclass(frozen=True, slots=True)
class Top:
    """A frequent value as text, and how many rows have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Bin:
    """A piece of a histogram: from `low` up to `high` (numbers, or days as text), and the rows in it."""

    low: float | str
    high: float | str
    count: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column holds. `low` and `high` are the least and the greatest value; of a text also of its length.

    `top` are the most frequent values, nulls not among them; `is_unique`: no value is there twice.
    """

    name: str
    type: str
    kind: Kind
    nulls: int
    distinct: int
    low: Any = None
    high: Any = None
    mean: float | None = None
    deviation: float | None = None
    shortest: int | None = None
    longest: int | None = None
    top: tuple[Top, ...] = ()
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True, slots=True)
class Days:
    """Rows per day by a column of times; with the rows of each value of other columns per day.

    A long time is in pieces of `width` days, each named by its first day; `last` is the last day of all.
    """

    column: str
    width: int
    last: str
    days: tuple[str, ...]
    rows: tuple[int, ...]
    shares: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """A table at one moment. `measured_at` is RFC 3339 text, UTC."""

    table: str
    measured_at: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    days: Days | None = None
    seconds: float = 0.0

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """Read a profile. Raises `Misconfigured` when the document is none."""
        try:
            columns = tuple(_column(one) for one in document["columns"])
            days = document.get("days")
            names = ("table", "measured_at", "rows", "seconds")
            values = {name: document[name] for name in names if name in document}
            return cls(**values, columns=columns, days=_days(days) if days else None)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Misconfigured(
                f"the document is no profile: {error!r}",
                hint="sluice profile SOURCE.STREAM --save FILE writes one",
            ) from None


def _column(document: Mapping[str, Any]) -> ColumnProfile:
    lists = {
        "top": tuple(Top(**one) for one in document["top"]),
        "bins": tuple(Bin(**one) for one in document["bins"]),
    }
    return ColumnProfile(**{**document, **lists})


def _days(document: Mapping[str, Any]) -> Days:
    shares = {
        column: {value: tuple(counts) for value, counts in values.items()}
        for column, values in document["shares"].items()
    }
    days, rows = tuple(document["days"]), tuple(document["rows"])
    return Days(document["column"], document["width"], document["last"], days, rows, shares)
