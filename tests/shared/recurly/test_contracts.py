"""The contracts of the Recurly streams, and how they are derived."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from shared.common.errors import Misconfigured
from shared.recurly.contracts import derive, derive_all, main, text_of
from shared.recurly.simulator.world import World
from shared.recurly.streams import LISTINGS, Listing

FOLDER = Path(__file__).parents[3] / "src/recurly/contracts"
SMALL: dict[str, Any] = {
    "components": {
        "schemas": {
            "Base": {"type": "object", "properties": {"id": {"type": "string", "maxLength": 13}}},
            "Colour": {"type": "string", "enum": ["red"]},
            "Thing": {
                "allOf": [{"$ref": "#/components/schemas/Base"}],
                "type": "object",
                "properties": {
                    "colour": {"$ref": "#/components/schemas/Colour", "description": "beside a $ref"},
                    "price": {"type": "number", "format": "float", "minimum": 0},
                    "rate": {"type": "number", "format": "float"},
                    "updated_at": {"type": "string", "format": "date-time"},
                    "parts": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/Thing"},
                        "minItems": 1,
                    },
                    "anything": {"type": "object"},
                },
            },
        }
    }
}


def read(stream: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / f"{stream}.json").read_text("utf-8"))
    return document


def sub_schemas(schema: Any) -> Iterator[dict[str, Any]]:
    yield schema
    for inner in schema.get("properties", {}).values():
        yield from sub_schemas(inner)
    if "items" in schema:
        yield from sub_schemas(schema["items"])


def test_there_is_one_contract_per_stream() -> None:
    assert {f"{listing.stream}.json" for listing in LISTINGS} == {path.name for path in FOLDER.glob("*.json")}


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_a_committed_contract_is_a_schema_with_its_key_first(listing: Listing) -> None:
    contract = read(listing.stream)
    keys = [key.split(".")[0] for key in (*listing.primary_key, listing.cursor_field) if key is not None]

    jsonschema_rs.meta.validate(contract)
    assert contract["required"] == keys == list(contract["properties"])[: len(keys)]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_a_contract_holds_names_and_types_and_nothing_else(listing: Listing) -> None:
    """No prose, no enum, no length: and nothing that a later record may not have more of."""
    allowed = {"$schema", "title", "type", "required", "properties", "items", "format"}

    for schema in sub_schemas(read(listing.stream)):
        assert set(schema) <= allowed
        assert schema.get("format", "decimal") in ("date-time", "decimal")


def test_the_committed_contracts_are_what_the_openapi_file_gives(openapi: dict[str, Any]) -> None:
    derived = {stream: text_of(contract) for stream, contract in derive_all(openapi).items()}

    assert {name: (FOLDER / f"{name}.json").read_text("utf-8") for name in derived} == derived


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.stream)
def test_simulated_records_keep_their_contract(world: World, listing: Listing) -> None:
    """With all their nulls; and every field that a contract names is a field of some record."""
    contract = read(listing.stream)
    validator = jsonschema_rs.Draft202012Validator(contract, validate_formats=True)
    rows = world.tables[listing.stream].rows.values()
    included = dict.fromkeys(listing.included, "x")
    broken = [error.message for row in rows for error in validator.iter_errors({**row.doc, **included})]

    assert [] == broken
    assert rows
    seen = {name for row in rows for name in row.doc} | set(included)
    assert seen == set(contract["properties"])


def test_a_contract_resolves_parts_and_cuts_recursion() -> None:
    contract = derive(SMALL, Listing("things", "/things", "Thing", ()))

    assert contract["required"] == ["id", "updated_at"]
    assert contract["properties"] == {
        "id": {"type": "string"},
        "updated_at": {"type": "string", "format": "date-time"},
        "colour": {"type": ["string", "null"]},
        "price": {"type": ["number", "null"], "format": "decimal"},
        "rate": {"type": ["number", "null"]},
        "parts": {"type": ["array", "null"], "items": {"type": "object"}},
        "anything": {"type": ["object", "null"]},
    }


def test_a_key_that_the_file_does_not_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match='no field "code"'):
        derive(SMALL, Listing("things", "/things", "Thing", (), primary_key=("code",)))
    with pytest.raises(Misconfigured, match="no component Wheel"):
        derive(SMALL, Listing("things", "/things", "Wheel", ()))


def test_wrong_arguments_are_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
