"""The verdict as a document, in the store, and in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.landing.folder import FolderStore
from shared.telemetry.alerting import Severity
from shared.warehouse.checks.tell import alert, message, violation
from shared.warehouse.checks.verdict import Result, Status, Verdict, history, save, verdicts

GOOD = Result("expect_a", {"column": "id"}, "fail", True, considered=10, unexpected=0, share=0.0)
ODD = Result(
    "expect_b", {"column": "n"}, "warn", False, expected="unique", considered=200, unexpected=3, share=0.015
)
BAD = Result(
    "expect_c",
    {"column_list": ["a", "b"]},
    "fail",
    False,
    error="the warehouse refused it: 'ada@example.com' is no number",
)


def verdict(*results: Result, **changes: Any) -> Verdict:
    made = Verdict(
        "shop", "orders", "shop.orders", run="r1", load="L1", sequence=3, rows=1234, results=results
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("results", "status", "passed"),
    [
        ((), Status.OK, True),
        ((GOOD,), Status.OK, True),
        ((GOOD, ODD), Status.WARN, True),
        ((ODD, BAD), Status.FAIL, False),
    ],
)
def test_the_worst_check_decides(results: tuple[Result, ...], status: Status, passed: bool) -> None:
    assert (status, passed) == (verdict(*results).status, verdict(*results).passed)


def test_a_release_lets_the_rows_in_and_leaves_the_finding() -> None:
    released = verdict(BAD).release("the vendor says it is right")

    assert (Status.FAIL, True) == (released.status, released.passed)


def test_the_document_is_read_back(table: Any) -> None:
    made = table.of("SELECT i AS id, DATE '2026-01-01' AS day FROM range(9) r(i)").check(
        "expect_column_values_to_be_null: {column: id, row_condition: id > 3, mostly: 0.5}",
        "expect_column_max_to_be_between: {column: day, max_value: 2025-01-01, severity: warn, notes: ask Ada}",
        "expect_column_category_shares_to_be_usual: {column: day}",
    )
    document = json.loads(json.dumps(made.to_json()))

    assert made == Verdict.from_json(document)
    assert {"version": 1, "status": "fail", "rows": 9, "sequence": 3} == {
        n: document[n] for n in ("version", "status", "rows", "sequence")
    }
    later = {**document, "later": 1, "checks": [{**check, "later": 2} for check in document["checks"]]}
    assert made == Verdict.from_json(later)


def test_verdicts_are_kept_beside_the_commits(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    first = save(store, verdict(GOOD))
    again = save(store, verdict(GOOD))
    save(store, verdict(BAD, sequence=5, run="r2", load="L2"))
    save(store, verdict(BAD, sequence=5, run="r2", load="L2").release("fine"))

    assert "landing/shop/orders/verdicts/00000000000000000003-r1-L1.json" == first == again
    assert ["r1", "r2", "r2"] == [one.run for one in verdicts(store, "shop", "orders")]
    assert ["", "fine"] == [one.released for one in verdicts(store, "shop", "orders", run="L2")]
    assert [] == list(verdicts(store, "shop", "orders", run="r"))


def test_only_loads_that_passed_are_history(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    shares = Result(
        "expect_column_category_shares_to_be_usual",
        {"column": "k"},
        "fail",
        None,
        observed={"shares": {"a": 1.0}},
    )
    save(store, verdict(shares, sequence=1, load="A", rows=1))
    save(store, verdict(BAD, sequence=2, load="B", rows=2))
    save(store, verdict(BAD, sequence=3, load="C", rows=3))
    save(store, verdict(BAD, sequence=3, load="C", rows=3).release("fine"))

    assert [{"rows": 3, "shares": {}}, {"rows": 1, "shares": {"k": {"a": 1.0}}}] == history(
        store, "shop", "orders"
    )
    assert [3] == [one["rows"] for one in history(store, "shop", "orders", most=1)]


def test_an_alert_names_table_check_numbers_and_commands() -> None:
    told = alert(verdict(GOOD, ODD, BAD))

    assert told is not None
    assert Severity.ERROR is told.severity
    assert (
        "2 of 3 checks of shop.orders do not hold (1,234 rows)\n"
        "a, b: expect_c: could not be checked: the warehouse refused it (fail)\n"
        "n: expect_b: 3 of 200 unexpected (1.5%), expected unique (warn)"
    ) == told.message
    assert (
        "look: sluice checks show L1\nlet the rows in: sluice load shop --release L1 --reason WHY"
        == told.todo
    )
    assert (("source", "shop"), ("stream", "orders"), ("run", "r1")) == told.where


def test_a_warning_has_nothing_to_release() -> None:
    told = alert(verdict(ODD))

    assert told is not None
    assert (Severity.WARN, "look: sluice checks show L1") == (told.severity, told.todo)


def test_nobody_is_told_that_all_is_well() -> None:
    assert alert(verdict(GOOD)) is None


def test_the_error_says_where_the_rows_are() -> None:
    error = violation(verdict(BAD), kept='"_sluice"."stage"')

    assert message(verdict(BAD)) == error.message
    assert error.hint.startswith(
        'the final table is as it was; what was staged is in "_sluice"."stage"\nlook: '
    )
    assert {"source": "shop", "stream": "orders", "run": "r1"} == error.where


def test_many_broken_checks_are_counted() -> None:
    assert message(verdict(*[BAD] * 30)).endswith("… and 22 more")
