"""References in values: read, written back, followed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.pipelines.values import (
    ListOf,
    Literal,
    MapOf,
    Reference,
    Root,
    Template,
    parse_text,
    parse_value,
    plain,
    references,
    resolve,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
REFERENCES = st.one_of(
    st.builds(
        Reference, st.just(Root.STEP), TEXT, st.lists(TEXT | st.integers(0, 99), max_size=3).map(tuple)
    ),
    st.builds(
        Reference, st.just(Root.PARAMETER), TEXT, st.lists(TEXT | st.integers(0, 99), max_size=2).map(tuple)
    ),
    st.builds(Reference, st.just(Root.SECRET), TEXT),
    st.builds(Reference, st.just(Root.RUN), st.sampled_from(["id", "date"])),
    st.builds(Reference, st.just(Root.ITEM), st.just(""), st.lists(TEXT, max_size=2).map(tuple)),
)


@given(REFERENCES)
def test_a_reference_is_read_as_it_was_written(reference: Reference) -> None:
    read = parse_text(f"${{{reference}}}")

    assert reference == read


@given(TEXT, REFERENCES, TEXT)
def test_text_around_a_reference_stays_what_it_is(before: str, reference: Reference, after: str) -> None:
    before = before.rstrip("$")  # `$${` is an escape, so no text before a reference ends like that
    parts = tuple(part for part in (before, reference, after) if part != "")
    value = Template(parts) if len(parts) > 1 else reference

    assert value == parse_value(plain(value))


@given(JSON)
def test_data_without_references_means_itself(data: Any) -> None:
    escaped = plain(_literal(data))

    assert _literal(data) == parse_value(escaped)
    assert data == resolve(parse_value(escaped), lambda reference: pytest.fail("nothing to look up"))


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    try:
        value = parse_text(text)
    except Misconfigured:
        assert "${" in text
    else:
        assert value == parse_value(plain(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${steps.a}", "does not say what of the step"),
        ("${steps.output}", "does not say what of the step"),
        ("${stesp.a.output}", 'unknown beginning of a reference "stesp"'),
        ("${run.day}", 'unknown field of a run "day"'),
        ("${run.date.year}", "goes into text"),
        ("${params}", "names nothing"),
        ("${params.a", "is no reference"),
        ("${}", "is no reference"),
        ("${secrets.A.b}", "goes into text"),
    ],
)
def test_what_is_no_reference_is_refused_with_what_would_be(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem):
        parse_text(text)


def test_a_reference_alone_keeps_its_type_and_inside_text_it_becomes_text() -> None:
    found = {"rows": [1, {"a": None}]}
    value = parse_value({"alone": "${steps.x.output}", "in text": "n=${steps.x.output}!", "same": ["$${a}"]})

    assert {"alone": found, "in text": 'n={"rows":[1,{"a":null}]}!', "same": ["${a}"]} == resolve(
        value, lambda reference: found
    )
    assert [Reference(Root.STEP, "x"), Reference(Root.STEP, "x")] == list(references(value))


def _literal(data: Any) -> Any:
    match data:
        case list():
            return ListOf(tuple(map(_literal, data)))
        case dict():
            return MapOf(tuple((name, _literal(item)) for name, item in data.items()))
    return Literal(data)
