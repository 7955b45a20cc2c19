"""Runs the checks of a table: its columns, one aggregate query, and for the checks that do not hold a few rows each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.common.errors import Misconfigured, SluiceError, Violation
from shared.common.instants import format_instant
from shared.common.ports import Clock
from shared.contracts.expectation import Expectation
from shared.warehouse.checks.compile import Aggregate, compiled, samples_sql
from shared.warehouse.checks.dialect import Dialect, Query, columns_of
from shared.warehouse.checks.plan import Context, Finding, Plan, number, plain
from shared.warehouse.checks.scope import Scope
from shared.warehouse.checks.verdict import REFUSED, Result, Verdict

_LONGEST = 300
_MISTAKES = (Misconfigured, Violation)
"""How a statement that the warehouse does not take is told by those that tell it in our words."""


def run_checks(
    query: Query,
    table: str,
    checks: Sequence[Expectation],
    *,
    dialect: Dialect,
    context: Context,
    about: Verdict,
    clock: Clock,
) -> Verdict:
    """What the checks find in a table, whose name stands in SQL as it is.

    `about` says whose verdict it is (source, stream, table, run, load, sequence). `query` runs one statement and must
    work again after one that failed: outside a transaction, or with a savepoint of its own. A check that the warehouse
    cannot answer does not hold, and the others are answered nevertheless.

    Raises what `query` raises when the table itself cannot be read.
    """
    began = clock.monotonic()
    run = _Run(_Counting(query), dialect, table, context)
    rows, results = run.results(checks)
    return Verdict(
        source=about.source,
        stream=about.stream,
        table=about.table,
        run=about.run,
        load=about.load,
        sequence=about.sequence,
        checked_at=format_instant(context.now),
        seconds=round(clock.monotonic() - began, 3),
        rows=rows,
        queries=run.query.count,
        results=tuple(results),
    )


@dataclass(slots=True)
class _Counting:
    """A query, and how often it was called."""

    query: Query
    count: int = 0

    def __call__(self, sql: str) -> Sequence[Sequence[Any]]:
        self.count += 1
        return self.query(sql)


@dataclass(slots=True)
class _Run:
    query: _Counting
    dialect: Dialect
    table: str
    context: Context
    scope: Scope = field(init=False)

    def results(self, checks: Sequence[Expectation]) -> tuple[int, list[Result]]:
        self.scope = Scope(
            self.dialect, self.table, columns_of(self.query, self.table, self.dialect), self.context.names
        )
        plans = [self._planned(check) for check in checks]
        rows, answers = self._answers([plan for plan in plans if isinstance(plan, Plan)])
        found = []
        for check, plan in zip(checks, plans, strict=True):
            answer: Any = plan if isinstance(plan, Exception) else answers[id(plan)]
            found.append(self._result(check, plan if isinstance(plan, Plan) else None, answer))
        return rows, found

    def _planned(self, check: Expectation) -> Plan | SluiceError:
        try:
            return compiled(check, self.scope, self.context)
        except SluiceError as error:
            return error

    def _answers(self, plans: list[Plan]) -> tuple[int, Mapping[int, Any]]:
        """The rows of the table, and for each plan its values, or the error that only it has."""
        whole = Aggregate.of(plans)
        try:
            row = self.query(whole.sql(self.table))[0]
        except _MISTAKES:
            return self._one_by_one(plans)
        except SluiceError:
            raise
        except Exception:  # noqa: BLE001 - one check's mistake, in whatever words the driver has for it
            return self._one_by_one(plans)
        return number(row[0]), {id(plan): whole.values(plan, row) for plan in plans}

    def _one_by_one(self, plans: list[Plan]) -> tuple[int, Mapping[int, Any]]:
        """Find out which check the warehouse cannot answer. When it cannot even count, the error is no check's."""
        rows = number(self.query(f"SELECT count(*) FROM {self.table}")[0][0])
        answers: dict[int, Any] = {}
        for plan in plans:
            alone = Aggregate.of([plan])
            try:
                answers[id(plan)] = alone.values(plan, self.query(alone.sql(self.table))[0])
            except _MISTAKES as error:
                answers[id(plan)] = error
            except SluiceError:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                answers[id(plan)] = error
        return rows, answers

    def _result(self, check: Expectation, plan: Plan | None, answer: Any) -> Result:
        if plan is None or isinstance(answer, Exception):
            return _broken(check, plan, answer)
        try:
            finding = plan.judge(answer, self.query)
        except _MISTAKES as error:
            return _broken(check, plan, error)
        except SluiceError:
            raise
        except Exception as error:  # noqa: BLE001 - a follow-up query of this check alone
            return _broken(check, plan, error)
        if finding.success is not False:
            return _told(check, plan, finding, ())
        try:
            return _told(check, plan, finding, self._samples(plan))
        except Exception as error:
            if isinstance(error, SluiceError) and not isinstance(error, _MISTAKES):
                raise
            note = f"{finding.note} no examples: {error}".strip()[:_LONGEST]
            return _told(check, plan, replace(finding, note=note), ())

    def _samples(self, plan: Plan) -> tuple[Any, ...]:
        """The keys of some rows that are not as expected."""
        asked = samples_sql(plan, self.scope, self.context.key)
        if asked is None:
            return ()
        sql, fields = asked
        rows = self.query(sql)
        return tuple(
            dict(zip(fields, map(plain, row), strict=True)) if fields else [plain(value) for value in row]
            for row in rows
        )


def _told(check: Expectation, plan: Plan, finding: Finding, keys: tuple[Any, ...]) -> Result:
    share = None
    if finding.unexpected is not None and finding.considered is not None:
        share = finding.unexpected / finding.considered if finding.considered else 0.0
    return Result(
        check.name(),
        check.arguments(),
        check.severity.value,
        finding.success,
        expected=plan.expected,
        observed=plain(finding.observed),
        considered=finding.considered,
        missing=finding.missing,
        unexpected=finding.unexpected,
        share=share,
        keys=keys,
        note="; ".join(
            text for text in (finding.note, check.notes if finding.success is False else "") if text
        ),
    )


def _broken(check: Expectation, plan: Plan | None, error: Exception) -> Result:
    if isinstance(error, SluiceError):
        text = f"{error.message}; {error.hint}" if error.hint else error.message
    else:
        text = (
            f"{REFUSED}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
        )
    return Result(
        check.name(),
        check.arguments(),
        check.severity.value,
        False,
        expected=plan.expected if plan else "",
        error=text[:_LONGEST],
        note=check.notes,
    )
