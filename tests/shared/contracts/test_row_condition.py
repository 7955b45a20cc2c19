"""Conditions of checks: what is read, what is refused, and that nothing else becomes SQL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.contracts.condition_text import parse_condition
from shared.contracts.row_condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Field,
    IsIn,
    IsNull,
    IsTrue,
    Like,
    Not,
    columns_in,
    written,
)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a = 1", Compare("a", "=", 1)),
        ("a==-1.5e3", Compare("a", "=", -1500.0)),
        ("a <> 'x''y'", Compare("a", "<>", "x'y")),
        ('"odd "" name" >= b', Compare('odd " name', ">=", Field("b"))),
        ("paid", IsTrue("paid")),
        ("NOT paid", Not(IsTrue("paid"))),
        ("paid = true", Compare("paid", "=", True)),
        ("a is null", IsNull("a")),
        ("a IS NOT NULL", Not(IsNull("a"))),
        ("a in (1, 'x', false)", IsIn("a", (1, "x", False))),
        ("a not in (1)", Not(IsIn("a", (1,)))),
        ("a like 'x%'", Like("a", "x%")),
        (
            "a between 1 and 5 and b = 2",
            AllOf((AllOf((Compare("a", ">=", 1), Compare("a", "<=", 5))), Compare("b", "=", 2))),
        ),
        (
            "a = 1 or b = 2 and c = 3",
            AnyOf((Compare("a", "=", 1), AllOf((Compare("b", "=", 2), Compare("c", "=", 3))))),
        ),
        (
            "(a = 1 or b = 2) and c = 3",
            AllOf((AnyOf((Compare("a", "=", 1), Compare("b", "=", 2))), Compare("c", "=", 3))),
        ),
        ("day >= date '2026-01-01'", Compare("day", ">=", "2026-01-01")),
        ("date = 1", Compare("date", "=", 1)),
        ("a = date", Compare("a", "=", Field("date"))),
        ('col("a").notNull()', Not(IsNull("a"))),
        ('col("a").is_null()', IsNull("a")),
        ('col("a") == "text"', Compare("a", "=", "text")),
        ('col("a") >= date("2026-01-01")', Compare("a", ">=", "2026-01-01")),
        ('col("a").is_in([1, 2])', IsIn("a", (1, 2))),
        ("größe > 1", Compare("größe", ">", 1)),
    ],
)
def test_what_is_written_is_read(text: str, condition: Condition) -> None:
    assert condition == parse_condition(text)


def test_documents_of_great_expectations_are_read() -> None:
    comparison = {"type": "comparison", "column": {"name": "a"}, "operator": "NOT_IN", "parameter": [1, 2]}
    nullity = {"type": "nullity", "column": {"name": "b"}, "is_null": False}

    assert AnyOf((Not(IsIn("a", (1, 2))), Not(IsNull("b")))) == parse_condition(
        {"type": "or", "conditions": [comparison, nullity]}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a = ", "at character 5: expected a number"),
        ("a = 1; drop table x", "at character 6"),
        ("a = 1 -- x", "at character 7"),
        ("a = 'x", "at character 5"),
        ("a = upper('x')", "expected the end"),
        ("a = 1 b", "expected the end, `and` or `or`"),
        ("a in ()", "expected a number"),
        ("(a = 1", r"expected `\)`"),
        ("a like 5", "a text after"),
        ("a not 5", "`in`, `between` or `like`"),
        ('col("a").drop()', "notNull"),
        ("1 = 1", "expected a column"),
        ("not " * 60 + "(" * 60 + "a", "nested deeper"),
        ("a = 1 or " * 2000 + "a = 1", "longer than"),
    ],
)
def test_what_cannot_be_read_is_shown(text: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        parse_condition(text)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "pass_through", "pass_through_filter": "a > 1"},
        {"type": "comparison", "column": {"name": "a"}, "operator": ";", "parameter": 1},
        {"type": "comparison", "column": {"name": "a"}, "operator": "==", "parameter": None},
        {"type": "and", "conditions": 5},
    ],
)
def test_other_documents_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match="row_condition"):
        parse_condition(document)


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
values = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)
leaves = st.one_of(
    st.builds(
        Compare,
        names,
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        st.one_of(values, st.builds(Field, names)),
    ),
    st.builds(IsNull, names),
    st.builds(IsTrue, names),
    st.builds(IsIn, names, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Like, names, st.text(st.characters(codec="utf-8"), max_size=8)),
)


def _pairs(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[tuple[Condition, ...]]:
    return st.lists(inner, min_size=2, max_size=3).map(tuple)


conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(_pairs(inner).map(AllOf), _pairs(inner).map(AnyOf), leaves.map(Not)),
    max_leaves=8,
)


@given(conditions)
def test_what_is_written_back_means_the_same(condition: Condition) -> None:
    assert condition == parse_condition(written(condition))
    assert set(columns_in(condition))


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever is written is a condition or a `Misconfigured`."""
    try:
        found = parse_condition(text)
    except Misconfigured:
        return
    assert found == parse_condition(written(found))
