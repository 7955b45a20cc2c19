"""A verdict in words: lines for a terminal, an alert for people, and the error that stops a load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from shared.common.errors import Violation
from shared.telemetry.alerting import Alert, Severity
from shared.warehouse.checks.verdict import REFUSED, Result, Status, Verdict

_SHOWN = 8


def found(result: Result) -> str:
    """What a check found, in numbers.

    >>> broken = Result(
    ...     "expect_x", {"column": "id"}, "fail", False, considered=200, unexpected=3, share=0.015
    ... )
    >>> found(broken)
    '3 of 200 unexpected (1.5%)'
    """
    if result.error:
        return f"could not be checked: {result.error}"
    if result.success is None:
        return result.note
    if result.unexpected is not None and result.considered is not None:
        share = f" ({_percent(result.share)})" if result.unexpected else ""
        return f"{result.unexpected:,} of {result.considered:,} unexpected{share}"
    match result.observed:
        case {"newest": newest, "age_seconds": age}:
            return f"newest {newest}, {age / 3600:,.1f} hours old"
        case {"missing": missing, "not_in_set": strange}:
            parts = [("missing", missing), ("too many", strange)]
            return ", ".join(f"{what} {', '.join(names)}" for what, names in parts if names) or "as expected"
        case {"distinct": int() as distinct}:
            return _of_distinct(distinct, result.observed)
        case None:
            return result.note or "nothing"
        case list() as names:
            return ", ".join(map(str, names))
        case int() as count:
            return f"{count:,}"
        case other:
            return str(other)


def line(result: Result, *, private: bool = False) -> str:
    """A check that does not hold, on one line: its column, its name, the numbers and what was expected.

    `private` leaves out what the warehouse itself said of an error, which may quote a value.

    >>> line(
    ...     Result(
    ...         "expect_x",
    ...         {"column": "id"},
    ...         "warn",
    ...         False,
    ...         considered=4,
    ...         unexpected=1,
    ...         share=0.25,
    ...         expected="unique",
    ...     )
    ... )
    'id: expect_x: 1 of 4 unexpected (25%), expected unique (warn)'
    """
    if private and result.error.startswith(REFUSED):
        result = replace(result, error=REFUSED)
    subject = f"{result.subject}: " if result.subject else ""
    expected = f", expected {result.expected}" if result.expected and not result.error else ""
    note = f"; {result.note}" if result.note and result.note not in found(result) else ""
    return f"{subject}{result.check}: {found(result)}{expected}{note} ({result.severity})"


def headline(verdict: Verdict) -> str:
    """The verdict in one sentence.

    >>> headline(
    ...     Verdict(
    ...         "shop", "orders", "shop.orders", rows=20, results=(Result("expect_x", {}, "fail", False),)
    ...     )
    ... )
    '1 of 1 checks of shop.orders does not hold (20 rows)'
    """
    count, total = len(verdict.broken), len(verdict.results)
    if not count:
        return f"all {total} checks of {verdict.table} hold ({verdict.rows:,} rows)"
    do = "does" if count == 1 else "do"
    return f"{count} of {total} checks of {verdict.table} {do} not hold ({verdict.rows:,} rows)"


def message(verdict: Verdict) -> str:
    """The headline, and a line for each check that does not hold; for people who may not see values of the rows."""
    return "\n".join([headline(verdict), *_lines(verdict)])


def todo(verdict: Verdict) -> str:
    """The commands that look closer and, where the rows were kept out, that let them in."""
    name = verdict.load or verdict.run
    look = (
        f"look: sluice checks show {name}"
        if name
        else f"look: sluice checks run {verdict.source}.{verdict.stream}"
    )
    if verdict.status is Status.FAIL and name and not verdict.released:
        return f"{look}\nlet the rows in: sluice load {verdict.source} --release {name} --reason WHY"
    return look


def alert(verdict: Verdict) -> Alert | None:
    """What people are told; None when all is well. Names, numbers and commands, never values of the rows."""
    if verdict.status is Status.OK:
        return None
    severity = Severity.ERROR if verdict.status is Status.FAIL else Severity.WARN
    places = (("source", verdict.source), ("stream", verdict.stream), ("run", verdict.run))
    where = tuple((name, value) for name, value in places if value)
    return Alert(
        severity,
        message(verdict),
        todo(verdict),
        where,
        f"checks {verdict.table} {verdict.run} {verdict.load}",
    )


def violation(verdict: Verdict, *, kept: str = "") -> Violation:
    """The error that ends a load whose rows stay out; `kept` is where they can be looked at."""
    stays = f"the final table is as it was; what was staged is in {kept}\n" if kept else ""
    return Violation(
        message(verdict),
        hint=stays + todo(verdict),
        source=verdict.source,
        stream=verdict.stream,
        run=verdict.run,
    )


def _of_distinct(distinct: int, rest: Mapping[str, Any]) -> str:
    parts = [f"{distinct:,} different values"]
    if "not_in_set" in rest:
        parts.append(f"{rest['not_in_set']:,} not in the set")
    if rest.get("not_in_column"):
        values = ", ".join(str(value) for value in rest.get("missing_values", ()))
        parts.append(f"{rest['not_in_column']:,} of the set missing: {values}")
    return ", ".join(parts)


def _lines(verdict: Verdict) -> Iterator[str]:
    broken = verdict.broken
    yield from (line(result, private=True) for result in broken[:_SHOWN])
    if len(broken) > _SHOWN:
        yield f"… and {len(broken) - _SHOWN} more"


def _percent(share: float | None) -> str:
    """A share with as many digits as it needs: 0.003% is not 0%."""
    return f"{100 * (share or 0.0):.3g}%"
