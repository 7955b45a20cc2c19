"""A schema that is not valid is told with its line and its pointer."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.contracts.contract import Contract
from shared.contracts.schema_faults import check_schema_text, schema_fault
from shared.contracts.validate import Validator


@pytest.mark.parametrize(
    ("schema", "pointer", "said"),
    [
        ({"properties": {"a": {"type": "strin"}}}, "/properties/a/type", '"strin" is no type; known: array'),
        ({"properties": {"a": {"type": ["null", "x"]}}}, "/properties/a/type", "is no type"),
        ({"properties": {"a": {"pattern": "["}}}, "/properties/a/pattern", "regex"),
        ({"properties": {"a": {"minimum": "x"}}}, "/properties/a/minimum", "number"),
        ({"properties": {"a/b": {"$ref": "#/$defs/no"}}}, "/properties/a~1b/$ref", "points to nothing"),
        ({"$ref": "#"}, "/$ref", "leads back to itself"),
        ({"allOf": [{"$ref": "#"}]}, "/allOf/0/$ref", "leads back"),
        (
            {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"anyOf": [{"$ref": "#/$defs/x"}]}}},
            "/$defs/x/anyOf/0/$ref",
            "leads back",
        ),
    ],
)
def test_a_fault_is_told_with_its_pointer(schema: dict[str, Any], pointer: str, said: str) -> None:
    fault = schema_fault(schema)

    assert fault is not None
    assert pointer == fault.pointer
    assert said in fault.text


@pytest.mark.parametrize(
    "schema",
    [
        {
            "properties": {"child": {"$ref": "#"}, "next": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": "null"}},
        },
        {"$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}}}, "allOf": [{"$ref": "#/$defs/n"}]},
        {"allOf": [{"type": "object"}, {"$ref": "#/allOf/0"}]},
        {"properties": {"a": {"enum": [{"$ref": "#/no"}], "default": {"$ref": "#"}}}},
        {"properties": {"$ref": {"type": "string"}, "default": {"type": "string"}}},
        {"properties": {"a": {"$id": "https://acme.test/a", "properties": {"b": {"$ref": "#"}}}}},
    ],
)
def test_what_is_valid_has_no_fault(schema: dict[str, Any]) -> None:
    assert schema_fault(schema) is None


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        (
            "s.json",
            '{\n "properties": {\n  "a": {"type": "strin"}}}',
            "s.json:3:17 the schema is not valid: /prop",
        ),
        (
            "s.yml",
            "properties:\n  a:\n    type: strin\n",
            "s.yml:3:11 the schema is not valid: /properties/a/type",
        ),
    ],
)
def test_in_a_file_it_has_a_line(file: str, text: str, place: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        check_schema_text(text, file=file)

    assert place in caught.value.message


def test_the_shorthand_is_not_looked_at_twice() -> None:
    check_schema_text("columns: {id: strin}", file="s.yml")


def test_a_validator_tells_the_pointer_where_nobody_knows_the_line() -> None:
    contract = Contract("shop.orders", {"type": "object", "properties": {"a": {"type": "strin"}}})

    with pytest.raises(Misconfigured, match=r"not valid: /properties/a/type: .strin. is no type"):
        Validator.for_contract(contract)


def test_a_record_that_is_nested_too_deeply_is_told_so() -> None:
    validator = Validator.for_contract(Contract.from_schema({}, name="any"))
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

    (fault,) = validator.check(deep)

    assert "nested too deeply: about 1,000 objects and lists within each other can be read" == fault.message
