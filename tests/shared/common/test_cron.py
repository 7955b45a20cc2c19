"""Schedules: what people write, and what EventBridge is told."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.cron import schedule_expressions
from shared.common.errors import Misconfigured


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("15 3 * * *", ["cron(15 3 * * ? *)"]),
        ("*/15 * * * *", ["cron(*/15 * * * ? *)"]),
        ("0 6 1,15 * *", ["cron(0 6 1,15 * ? *)"]),
        ("0 6 * * 0", ["cron(0 6 ? * 1 *)"]),
        ("0 6 * * 7", ["cron(0 6 ? * 1 *)"]),
        ("0 6 * * 1-5", ["cron(0 6 ? * 2-6 *)"]),
        ("0 6 * * 5-7", ["cron(0 6 ? * 1,6,7 *)"]),
        ("0 6 * * mon,Wed", ["cron(0 6 ? * MON,WED *)"]),
        ("0 6 * jan-mar *", ["cron(0 6 * JAN-MAR ? *)"]),
        ("0 6 * * */2", ["cron(0 6 ? * 1-7/2 *)"]),
        ("0 0 13 * 5", ["cron(0 0 13 * ? *)", "cron(0 0 ? * 6 *)"]),
        ("@weekly", ["cron(0 0 ? * 1 *)"]),
        ("@hourly", ["cron(0 * * * ? *)"]),
        ("rate(1 days)", ["rate(1 day)"]),
        ("rate( 5 minute )", ["rate(5 minutes)"]),
        ("rate(10 MINUTES)", ["rate(10 minutes)"]),
    ],
)
def test_becomes_the_grammar_of_eventbridge(written: str, meant: list[str]) -> None:
    assert meant == list(schedule_expressions(written))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("15 3 * *", "has 4 fields and not 5"),
        ("60 3 * * *", '"60" is no minute: 0 to 59'),
        ("0 3 0 * *", '"0" is no day of the month: 1 to 31'),
        ("0 3 * foo *", '"foo" is no month: 1 to 12 or JAN to DEC'),
        ("0 3 * * 8", '"8" is no day of the week'),
        ("0 20-3 * * *", "runs backwards"),
        ("0 3 * * 1#2", '"1#2" is no day of the week'),
        ("*/0 3 * * *", "step"),
        ("0 *-3 * * *", '"*-3" is no hour'),
        ("rate(0 minutes)", "a rate is a number from 1 on"),
        ("rate(2 weeks)", "a rate is a number from 1 on"),
        ("@reboot", "has 1 fields"),
        ("", "has 0 fields"),
    ],
)
def test_says_what_is_wrong_with_a_schedule(written: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=re.escape(said)):
        schedule_expressions(written)


def _unix_days(field: str) -> set[int]:
    """Days of the week (Sunday 0) by the rules of crontab(5)."""
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            first, last = "0", "6"
        end = int(last) if last else (6 if step else int(first))
        found |= {day % 7 for day in range(int(first), end + 1, int(step or 1))}
    return found


def _aws_days(field: str) -> set[int]:
    found: set[int] = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return {day - 1 for day in found}


_spans = st.tuples(st.integers(0, 6), st.integers(0, 7), st.integers(1, 3)).map(
    lambda t: f"{min(t[:2])}-{max(t[:2])}" + (f"/{t[2]}" if t[2] > 1 else "")
)


@given(st.lists(st.one_of(st.integers(0, 7).map(str), _spans, st.just("*/2")), min_size=1, max_size=3))
def test_runs_on_the_same_days_of_the_week_as_unix(items: list[str]) -> None:
    (expression,) = schedule_expressions(f"0 0 * * {','.join(items)}")
    monday = date(2026, 11, 16)
    week = [(monday + timedelta(days=n)).isoweekday() % 7 for n in range(7)]

    unix = _unix_days(",".join(items))
    assert [day in unix for day in week] == [day in _aws_days(expression.split()[4]) for day in week]
