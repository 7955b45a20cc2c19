"""What one check asks of the aggregate query, and how the answer is judged; values that the compilers make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from shared.common.errors import Misconfigured
from shared.contracts.expectation import Between
from shared.warehouse.checks.dialect import Query

Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `success` None: it has nothing to say here, and `note` says why.

    Of the rows that it looks at, `considered` had a value, `missing` had none and `unexpected` are not as expected.
    """

    success: bool | None
    observed: Any = None
    considered: int | None = None
    missing: int | None = None
    unexpected: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """`metrics` are aggregates over the table; `judge` gets their values and a door for what one query cannot say.

    `failing` is the condition of the rows that are not as expected, `shown` the fields to show of them where there is
    no primary key, `samples` a query that finds them instead.
    """

    metrics: tuple[str, ...]
    judge: Callable[[Values, Query], Finding]
    expected: str
    failing: str | None = None
    shown: tuple[str, ...] = ()
    samples: str | None = None


NO_LOAD = Finding(None, note="only a load can be compared with others")


def fixed(finding: Finding, expected: str) -> Plan:
    """A check that was answered before any row is looked at."""
    return Plan((), lambda values, query: finding, expected)


def number(value: Any) -> int:
    """A count: some drivers answer a Decimal, or nothing for no rows."""
    return int(value or 0)


def mostly_holds(considered: int, unexpected: int, mostly: float) -> bool:
    """Great Expectations' rule, with its own arithmetic: of nothing, everything holds."""
    return considered == 0 or (float(considered) - float(unexpected)) / float(considered) >= mostly


def within(observed: Any, bounds: Between) -> bool:
    """Whether an aggregate lies between its bounds; nothing does not."""
    if observed is None:
        return False
    low, high = bounds.min_value, bounds.max_value
    if low is not None:
        value, bound = _alike(observed, low)
        if not (value > bound if bounds.strict_min else value >= bound):
            return False
    if high is not None:
        value, bound = _alike(observed, high)
        if not (value < bound if bounds.strict_max else value <= bound):
            return False
    return True


def bounds_text(bounds: Between) -> str:
    """The bounds as people say them.

    >>> from shared.contracts.expectations import ExpectColumnMaxToBeBetween as Max
    >>> (
    ...     bounds_text(Max(column="a", min_value=1, max_value=5)),
    ...     bounds_text(Max(column="a", min_value=0, strict_min=True)),
    ... )
    ('between 1 and 5', 'more than 0')
    """
    low, high = bounds.min_value, bounds.max_value
    if low is not None and high is not None:
        marks = [
            side for side, strict in (("below", bounds.strict_max), ("above", bounds.strict_min)) if strict
        ]
        return f"between {low} and {high}" + (f" (strictly {' and '.join(reversed(marks))})" if marks else "")
    if high is None:
        return f"{'more than' if bounds.strict_min else 'at least'} {low}"
    return f"{'less than' if bounds.strict_max else 'at most'} {high}"


def moment(value: Any) -> datetime:
    """A date, a timestamp or its text as a time in UTC. Raises `ValueError`."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    found: datetime = value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def plain(value: Any) -> Any:
    """A value of a warehouse as JSON has it; what JSON has not is text.

    >>> (
    ...     plain(Decimal("12")),
    ...     plain(Decimal("1.50")),
    ...     plain(date(2026, 11, 20)),
    ...     plain(float("nan")),
    ...     plain(b"ab"),
    ... )
    (12, 1.5, '2026-11-20', 'nan', 'ab')
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else str(value)
        case Decimal():
            if value == value.to_integral_value():
                return int(value)
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case date():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", errors="backslashreplace")
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
    return str(value)


def _alike(observed: Any, bound: Any) -> tuple[Any, Any]:
    """Both sides of a comparison as values that can be compared."""
    if isinstance(observed, bytes):
        observed = observed.decode()
    match observed, bound:
        case (date(), str()):
            try:
                return moment(observed), moment(bound)
            except ValueError:
                raise Misconfigured(
                    f"{bound!r} is no time", hint="write it like 2026-11-20 or 2026-11-20T10:00:00Z"
                ) from None
        case (Decimal(), float()):
            return observed, Decimal(repr(bound))  # 0.1 means 0.1 here, and not the float next to it
        case (str(), str()) | (int() | float() | Decimal(), int() | float()):
            return observed, bound
    raise Misconfigured(
        f"the column holds {type(observed).__name__} values, which cannot be compared with {bound!r}",
        hint="bounds are numbers for numbers, texts for texts, dates and times",
    )


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may need to know beside the table.

    `key` are the fields that name a row, `names` the column of each field that has another name than its own;
    `committed_rows` what the commits of this load say, None: not known. `history` holds the observed values of earlier
    loads that passed, newest first (see `verdict.history`); None: the table is no load. `tables` gives the final table
    of a stream (source, stream) as it stands in SQL. `hidden` are columns that are ours.
    """

    now: datetime
    key: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    committed_rows: int | None = None
    history: Sequence[Mapping[str, Any]] | None = ()
    tables: Callable[[str, str], str] | None = None
    hidden: tuple[str, ...] = ()
