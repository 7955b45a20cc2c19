"""Contracts are read from schemas, shorthand and files, and have a digest and a version."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.contracts.columns import DIALECT
from shared.contracts.contract import Contract
from shared.contracts.validate import Validator

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def test_the_digest_does_not_depend_on_the_order_of_keywords() -> None:
    other = {"required": ["id"], "properties": {"id": {"type": "string"}}, "type": "object"}

    assert Contract.from_schema(SCHEMA) == Contract.from_schema(other)
    assert hash(Contract.from_schema(SCHEMA)) == hash(Contract.from_schema(other))


def test_the_digest_changes_with_a_rule() -> None:
    assert Contract.from_schema(SCHEMA) != Contract.from_schema({**SCHEMA, "required": []})


def test_the_version_is_the_authors_or_the_digests() -> None:
    plain = Contract.from_schema(SCHEMA)

    assert plain.version == plain.digest[:12]
    assert Contract.from_schema({**SCHEMA, "x-version": "3"}).version == "3"
    assert Contract.from_schema(SCHEMA, version="4").version == "4"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("c.json", '{"properties": {"id": {"type": "string"}}, "required": ["id"]}'),
        ("c.yml", "properties:\n  id: {type: string}\nrequired: [id]\n"),
        ("c.yaml", "columns:\n  id: string\n"),
        ("c.json", b'{"columns": {"id": "string"}}'),
    ],
)
def test_files_hold_a_schema_or_the_shorthand_as_json_or_yaml(file: str, text: str | bytes) -> None:
    assert Contract.from_text(text, file=file) == Contract.from_schema(SCHEMA)


def test_the_shorthand_of_a_file_may_have_a_version() -> None:
    assert Contract.from_text("columns: {id: string}\nversion: 7\n", file="c.yml").version == "7"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("c.json", '{"type": "object",}', r"c\.json:1:19"),
        ("c.json", "[]", "a contract is an object"),
        ("c.yml", "columns: {id: string}\nprimary: id\n", 'unknown key beside columns "primary"'),
        ("c.json", '{"type": "array"}', "its root has type array"),
        ("c.json", '{"$schema": "http://json-schema.org/draft-04/schema#"}', "unknown JSON Schema dialect"),
    ],
)
def test_what_is_not_a_contract_is_refused(file: str, text: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        Contract.from_text(text, file=file)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "strin"},
        {"type": "string", "maxLength": "x"},
        {"type": "string", "pattern": "("},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://example.com/schema.json"},
    ],
)
def test_a_schema_that_is_not_valid_is_refused_when_it_is_compiled(part: dict[str, Any]) -> None:
    contract = Contract.from_schema({"properties": {"a": part}}, name="orders")

    with pytest.raises(Misconfigured, match=r"the schema is not valid.*contract orders"):
        Validator.for_contract(contract)


@pytest.mark.parametrize(
    "dialect",
    [DIALECT, "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2019-09/schema"],
)
def test_formats_are_asserted_in_every_dialect(dialect: str) -> None:
    part = {"type": "string", "format": "date-time"}
    contract = Contract.from_schema({"$schema": dialect, "properties": {"at": part}})

    assert [fault.keyword for fault in Validator.for_contract(contract).check(b'{"at": "today"}')] == [
        "format"
    ]


def test_nullable_is_understood_as_openapi_means_it() -> None:
    part = {"type": "string", "nullable": True, "enum": ["a"]}
    schema = {
        "properties": {"a": part, "nullable": {"type": "boolean"}},
        "default": {"type": "x", "nullable": True},
    }
    contract = Contract.from_schema(schema)

    assert contract.schema["properties"] == {
        "a": {"type": ["string", "null"], "enum": ["a", None]},
        "nullable": {"type": "boolean"},
    }
    assert contract.schema["default"] == {"type": "x", "nullable": True}
    assert "nullable" in part


def test_a_root_may_be_a_reference() -> None:
    contract = Contract.from_schema({"$ref": "#/$defs/record", "$defs": {"record": SCHEMA}})

    assert [column.name for column in contract.columns()] == ["id"]
    assert Validator.for_contract(contract).check(b'{"id": "a"}') == []


@pytest.mark.parametrize(
    "digits", [{"x-precision": "many"}, {"x-precision": 3, "x-scale": 4}, {"x-scale": 1.5}]
)
def test_digits_that_no_decimal_has_are_refused_where_they_are_written(digits: dict[str, Any]) -> None:
    schema = {"properties": {"total": {"type": "number", "format": "decimal", **digits}}}

    with pytest.raises(Misconfigured, match=r'"total": x-(precision|scale)'):
        Contract.from_schema(schema)
