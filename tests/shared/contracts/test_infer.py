"""A proposal accepts what it was made of, says no more than it saw, and takes bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.contract import Contract
from shared.contracts.infer import MAX_FIELDS, Asked, Shape, unsaid
from shared.contracts.validate import Validator


def proposed(*records: dict[str, Any], **asked: bool) -> dict[str, Any]:
    shape = Shape()
    for record in records:
        shape.add(record)
    return shape.contract(Asked(**asked))


def one(*values: Any, **asked: bool) -> Any:
    """The schema of a field with these values."""
    return proposed(*({"x": value} for value in values), **asked)["properties"]["x"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["2024-01-31", "2024-01-31T10:00:00Z", "a@b.co", "10:00:00Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip
RECORDS = st.lists(st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4), min_size=1, max_size=12)


@given(RECORDS, st.booleans(), st.booleans(), st.booleans())
def test_every_record_fits_what_was_proposed_from_it(
    records: list[dict[str, Any]], enums: bool, examples: bool, closed: bool
) -> None:
    """Whatever they are."""
    schema = proposed(*records, enums=enums, examples=examples, closed=closed)
    validator = Validator.for_contract(Contract.from_schema(schema))

    assert all(validator.is_valid(record) for record in records), schema


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ((1, 2), {"type": "integer"}),
        ((1, 2.5), {"type": "number"}),
        ((1.0,), {"type": "number"}),
        ((True, 1), {"type": ["integer", "boolean"]}),
        (("a", None), {"type": ["string", "null"]}),
        ((None,), {}),
        (("2024-01-31", "2024-02-29"), {"type": "string", "format": "date"}),
        (("2024-01-31", "2024-02-30"), {"type": "string"}),
        (("2024-01-31T10:00:00+02:00", None), {"type": ["string", "null"], "format": "date-time"}),
        (("10:20:30Z",), {"type": "string", "format": "time"}),
        (("6f1b0a3e-6c1b-4f5e-9a0e-0b9d7c2f1a11",), {"type": "string", "format": "uuid"}),
        (("a@b.co",) * 9, {"type": "string"}),
        (("a@b.co",) * 10, {"type": "string", "format": "email"}),
        (("",), {"type": "string"}),
        (([1, None], []), {"type": "array", "items": {"type": ["integer", "null"]}}),
        (([],), {"type": "array"}),
    ],
)
def test_types_nulls_and_formats_are_those_of_the_values(
    values: tuple[Any, ...], schema: dict[str, Any]
) -> None:
    """A format needs all texts; those that are no column type need ten."""
    assert schema == one(*values)


def test_what_is_always_there_is_required_and_nothing_else_is() -> None:
    """Also inside objects, where "always" means whenever the object is there."""
    schema = proposed({"a": 1, "o": {"x": 1, "y": 2}}, {"a": None, "b": 1}, {"a": 2, "o": {"x": 3}})

    assert ["a"] == schema["required"]
    assert ["x"] == schema["properties"]["o"]["required"]
    assert schema["additionalProperties"] is False
    assert "additionalProperties" not in proposed({"a": 1}, closed=False)


def test_values_and_examples_are_shown_only_when_asked_for() -> None:
    """They are data."""
    states = ("open", "closed", "open", "closed", None)

    assert {"type": ["string", "null"]} == one(*states)
    assert ["closed", "open", None] == one(*states, enums=True)["enum"]
    assert ["open", "closed"] == one(*states, examples=True)["examples"]


@pytest.mark.parametrize(
    "values", [("a", "b", "c"), (*("abcdefghijklmnopqrstuvwxyz" * 3),), ("x" * 90,) * 9, (1, "a", 1, "a")]
)
def test_keys_and_free_text_are_no_values_to_choose_from(values: tuple[Any, ...]) -> None:
    """Too many, too rare, too long, or of two kinds."""
    assert "enum" not in one(*values, enums=True)


def test_an_object_with_too_many_keys_is_a_map() -> None:
    """Its values are described together, and what came before counts."""
    schema = proposed(*({"m": {f"k{i}": i if i % 2 else None}} for i in range(MAX_FIELDS + 50)))

    assert {"type": "object", "additionalProperties": {"type": ["integer", "null"]}} == schema["properties"][
        "m"
    ]


def test_memory_does_not_grow_with_what_is_seen() -> None:
    """Neither with records, nor with different keys on every level."""

    def record(number: int) -> dict[str, Any]:
        inner: dict[str, Any] = {f"k{number % 900}": {f"l{number % 700}": {f"m{number}": "x" * 50}}}
        return {"id": number, "text": f"{number}" * 10, "deep": inner, f"top{number}": number}

    def cost(first: int, last: int) -> int:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(first, last):
            shape.add(record(number))
        return tracemalloc.get_traced_memory()[0] - before

    shape = Shape()
    tracemalloc.start()
    try:
        cost(0, 2000)
        later = cost(2000, 8000)
    finally:
        tracemalloc.stop()

    assert later < 200_000
    assert shape.budget.left >= 0


def test_the_same_records_give_the_same_text() -> None:
    """So that a proposal can be compared with the last one."""
    records: list[dict[str, Any]] = [{"b": 1, "a": {"d": 1.5, "c": "x"}}, {"c": [1], "a": None}]

    assert json.dumps(proposed(*records)) == json.dumps(proposed(*records))


def test_a_masked_field_may_be_anything() -> None:
    """What landed is not what the contract will see."""
    schema = proposed({"email": "x", "to": {"name": "h", "city": "c"}, "lines": [{"note": "h"}]})
    for path in ("email", "to.name", "lines.note", "dropped"):
        schema = unsaid(schema, path)

    assert {} == schema["properties"]["email"] == schema["properties"]["dropped"]
    assert {} == schema["properties"]["to"]["properties"]["name"]
    assert {} == schema["properties"]["lines"]["items"]["properties"]["note"]
    assert ["to", "lines"] == schema["required"]
    assert ["city"] == schema["properties"]["to"]["required"]
