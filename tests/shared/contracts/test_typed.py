"""The fast way is sound: whatever it accepts, the full validator accepts, and an independent one, too."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker
from shared.contracts.validate import Validator

NUMBERS = st.sampled_from(
    "0 -0 1 -1 2 3 5 10 1.0 1.5 -0.0 0.1 2.50 1e2 1E-2 -3e0 9007199254740993 9223372036854775807 "
    "9223372036854775808 -9223372036854775809 123456789012345678901234567890 1e308 1e999 -1e400".split()
)
STRINGS = st.one_of(
    st.sampled_from(
        ["", "a", "b", "ab", "abc", "ä", "😀", "a\n", "0", "2024-01-01", "a@b.de", "\x00", "\u2028", "null"]
    ),
    st.text(max_size=5),
)
FORMATS = ["date-time", "date", "time", "uuid", "email", "uri", "ipv4", "hostname", "regex", "currency"]
NAMES = st.sampled_from(["a", "b", "ä", "a b", "$ref", 'q"', "f0", "enum"])

bounds = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, 2**53, 2**63, -(2**64), 1.5]))
number_parts = st.dictionaries(
    st.sampled_from(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), bounds, max_size=2
) | st.just({"multipleOf": 0.5})
string_parts = st.fixed_dictionaries(
    {},
    optional={
        "minLength": st.integers(0, 3),
        "maxLength": st.integers(0, 5),
        "pattern": st.sampled_from(["^a", "b$", "^[a-z]+$"]),
        "format": st.sampled_from(FORMATS),
    },
)
scalars = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda kind, part: {"type": kind, **part}, st.sampled_from(["integer", "number"]), number_parts
    ),
    st.builds(lambda part: {"type": "string", **part}, string_parts),
    st.builds(
        lambda kinds, numbers, strings: {"type": kinds, **numbers, **strings},
        st.lists(
            st.sampled_from(["string", "integer", "number", "boolean", "null"]), min_size=1, unique=True
        ),
        number_parts,
        string_parts,
    ),
    st.builds(
        lambda values, kinds: {"enum": values, **kinds},
        st.lists(st.sampled_from(["a", "b", 1, 2, None, True, 1.5, 2**70, ""]), min_size=1, max_size=4),
        st.sampled_from([{}, {"type": "string"}, {"type": ["integer", "null"]}, {"minLength": 1}]),
    ),
    st.just({"const": "a"}),
    st.sampled_from([True, {}, {"title": "free"}, {"not": {"type": "string"}}, {"minLength": 2}]),
    st.sampled_from(
        [{"$ref": "#/$defs/name"}, {"$ref": "#/$defs/name", "maxLength": 1}, {"$ref": "#/$defs/tree"}]
    ),
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.fixed_dictionaries(
        {"type": st.sampled_from(["object", ["object", "null"], ["object", "string"]])},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=4),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "maxProperties": st.integers(1, 3),
        },
    )
    lists = st.fixed_dictionaries(
        {"type": st.sampled_from(["array", ["array", "null"], ["array", "object"]])},
        optional={
            "items": inner,
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 3),
            "uniqueItems": st.booleans(),
        },
    )
    choices = st.builds(
        lambda keyword, part, second: {keyword: [part, second]},
        st.sampled_from(["anyOf", "oneOf", "allOf"]),
        inner,
        st.just({"type": "null"}) | inner,
    )
    return objects | lists | choices


PARTS = st.recursive(scalars, _larger, max_leaves=6)
ROOTS = st.builds(
    lambda properties, rest: {
        "type": "object",
        "properties": properties,
        **rest,
        "$defs": {
            "name": {"type": "string", "minLength": 1},
            "tree": {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/tree"}, "b": {"type": "integer"}},
            },
        },
    },
    st.dictionaries(NAMES, PARTS, min_size=1, max_size=5),
    st.fixed_dictionaries(
        {},
        optional={
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": st.booleans(),
        },
    ),
)
VALUES = st.recursive(
    st.one_of(NUMBERS, STRINGS.map(json.dumps), STRINGS.map(lambda t: json.dumps(t, ensure_ascii=False)))
    | st.sampled_from(["null", "true", "false", "[]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.dictionaries(NAMES, inner, max_size=3).map(lambda fields: _object(list(fields.items())))
    ),
    max_leaves=8,
)


def _object(fields: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}: {value}" for name, value in fields) + "}"


@st.composite
def fitting(draw: st.DrawFn, schema: Any, depth: int = 0) -> str:
    """JSON text that probably fits the schema, so that acceptance is tested and not only refusal."""
    if not isinstance(schema, dict) or depth > 3 or draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    if "enum" in schema or "const" in schema:
        return json.dumps(draw(st.sampled_from(schema.get("enum", [schema.get("const")]))))
    kinds = schema.get("type")
    match draw(st.sampled_from(kinds)) if isinstance(kinds, list) else kinds:
        case "object":
            properties = schema.get("properties", {})
            names = [name for name in properties if draw(st.integers(0, 4))] + list(
                schema.get("required", ())
            )
            extra = draw(st.lists(NAMES, max_size=1)) if draw(st.booleans()) else []
            names = list(dict.fromkeys([*names, *extra]))
            return _object([(name, draw(fitting(properties.get(name, True), depth + 1))) for name in names])
        case "array":
            items = schema.get("items", True)
            return (
                "[" + ",".join(draw(fitting(items, depth + 1)) for _ in range(draw(st.integers(0, 3)))) + "]"
            )
        case "integer" | "number":
            return draw(NUMBERS)
        case "string":
            return json.dumps(draw(STRINGS))
        case "boolean":
            return draw(st.sampled_from(["true", "false"]))
        case "null":
            return "null"
        case _:
            return draw(VALUES)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), schema=ROOTS)
def test_what_the_fast_way_accepts_the_full_validator_accepts(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    contract = Contract.from_schema(schema)
    checker = PageChecker(contract)
    validator = Validator.for_contract(contract)
    for _ in range(4):
        record = data.draw(fitting(contract.schema)).encode()
        for reader in (checker._strict, checker._open):
            if reader is not None and reader.rows((record,)) is not None:
                assert validator.check(record) == []


@settings(max_examples=200, deadline=None)
@given(data=st.data(), schema=ROOTS)
def test_a_page_checker_and_the_full_validator_agree_on_every_record(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    contract = Contract.from_schema(schema)
    validator = Validator.for_contract(contract)
    records = [data.draw(fitting(contract.schema)).encode() for _ in range(4)]
    verdict = PageChecker(contract).check(records)

    refused = {
        index: tuple(faults) for index, record in enumerate(records) if (faults := validator.check(record))
    }
    assert dict(verdict.rejected) == refused
    assert list(verdict.accepted) == [record for index, record in enumerate(records) if index not in refused]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), schema=ROOTS)
def test_the_full_validator_accepts_nothing_that_an_independent_one_refuses(
    data: st.DataObject, schema: dict[str, Any]
) -> None:
    contract = Contract.from_schema(schema)
    oracle = jsonschema.Draft202012Validator(dict(contract.schema))
    record = data.draw(fitting(contract.schema)).encode()
    if not Validator.for_contract(contract).check(record) and b"e999" not in record and b"e400" not in record:
        assert oracle.is_valid(json.loads(record))


@pytest.mark.parametrize(
    ("part", "compiled"),
    [
        ({"type": "string", "format": "date-time"}, True),
        ({"allOf": [{"type": "string"}]}, True),
        ({"$ref": "#/$defs/tree"}, True),
        ({"$ref": "#/properties/b"}, False),
        ({"$anchor": "here", "type": "string"}, False),
    ],
)
def test_a_contract_is_compiled_unless_it_names_places_of_its_own(
    part: dict[str, Any], compiled: bool
) -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}
    schema = {"properties": {"a": part, "b": {"type": "string"}}, "$defs": {"tree": tree}}

    assert PageChecker(Contract.from_schema(schema)).compiled is compiled


@pytest.mark.parametrize(
    "keyword", ["allOf", "patternProperties", "dependentRequired", "minProperties", "if"]
)
def test_a_rule_over_the_whole_record_leaves_it_to_the_full_validator(keyword: str) -> None:
    values: dict[str, Any] = {
        "allOf": [{"required": ["b"]}],
        "patternProperties": {"^a": {"type": "integer"}},
        "dependentRequired": {"a": ["b"]},
        "minProperties": 2,
        "if": {"required": ["a"]},
    }
    rules = {keyword: values[keyword], **({"then": {"required": ["b"]}} if keyword == "if" else {})}
    checker = PageChecker(Contract.from_schema({"properties": {"a": {}}, **rules}))
    verdict = checker.check([b'{"a": "x"}', b'{"a": 1, "b": 2}'])

    assert not checker.compiled
    assert [index for index, _ in verdict.rejected] == [0]
    assert verdict.accepted == [b'{"a": 1, "b": 2}']


def test_equal_parts_of_a_contract_share_one_type() -> None:
    address = {"type": "object", "properties": {"city": {"type": "string"}}}
    schema = {"properties": {"home": address, "work": dict(address)}}
    reader = PageChecker(Contract.from_schema(schema))._strict
    assert reader is not None
    first, second = msgspec.structs.fields(reader.typed.type)

    assert first.type is second.type
