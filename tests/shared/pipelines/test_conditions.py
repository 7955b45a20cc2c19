"""Conditions: read, written back, decided without ever failing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.conditions import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Negate,
    Operator,
    compare,
    holds,
    parse_condition,
    say,
)
from shared.pipelines.values import Literal, Reference, Root

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
REFERENCES = st.builds(Reference, st.just(Root.PARAMETER), NAMES, st.lists(NAMES, max_size=2).map(tuple))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES
)
COMPARISONS = st.builds(Compare, REFERENCES, st.sampled_from(Operator), SCALARS.map(Literal) | REFERENCES)
CONDITIONS: st.SearchStrategy[Condition] = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Negate, inner),
    ),
    max_leaves=6,
)


@given(CONDITIONS)
def test_a_condition_is_read_as_it_was_written(condition: Condition) -> None:
    assert condition == parse_condition(say(condition))


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except Misconfigured:
        return
    assert condition == parse_condition(say(condition))


@given(CONDITIONS, st.dictionaries(NAMES, SCALARS))
def test_a_condition_is_always_decided(condition: Condition, known: dict[str, Any]) -> None:
    found = holds(condition, lambda reference: known.get(reference.name))

    assert (not found) == holds(Negate(condition), lambda reference: known.get(reference.name))


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (1, "==", 1.0, True),
        ("1", "==", 1, False),
        (True, "==", 1, False),
        (None, "==", None, True),
        (None, "!=", 0, True),
        ([1, {"a": 2}], "==", [1.0, {"a": 2}], True),
        (None, "<", 1, False),
        (None, ">=", 1, False),
        ("b", ">", "a", True),
        ("10", "<", "9", True),
        (2, "<", "3", False),
        (True, ">", 0, False),
    ],
)
def test_values_compare_by_type_and_value(left: Any, operator: str, right: Any, expected: bool) -> None:
    assert expected == compare(left, Operator(operator), right)


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("params.a", {"a": True}, True),
        ("params.a", {"a": "true"}, False),
        ("params.a", {"a": 1}, False),
        ("not params.a", {}, True),
        ("3 < params.a", {"a": 4}, True),
        ('params.a in ["x", "y"]', {"a": "y"}, True),
        ("params.a not in ['x', 1]", {"a": 2}, True),
        ("params.a == 1 or params.b == 2 and params.c", {"a": 1}, True),
        ("(params.a == 1 or params.b == 2) and params.c", {"a": 1}, False),
        ("${params.a.b} == null", {"a": {}}, True),
    ],
)
def test_words_bind_as_people_expect(text: str, params: dict[str, Any], expected: bool) -> None:
    def look_up(reference: Reference) -> Any:
        value: Any = params.get(reference.name)
        return value.get(reference.path[0]) if reference.path else value

    assert expected == holds(parse_condition(text), look_up)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected a reference or a value, got the end"),
        ("params.a ==", "expected a reference or a value, got the end"),
        ("1 == 2", "never change"),
        ("params.a = 1", 'got "= 1"'),
        ("params.a and", "got the end"),
        ("(params.a", "a closing bracket"),
        ("params.a in 3", "a list in square brackets"),
        ("params.a == 12345678901234567890123", "no number that data can hold"),
        ("true", "a comparison"),
        ("(" * 50 + "params.a" + ")" * 50, "more than 20 levels"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        parse_condition(text)
