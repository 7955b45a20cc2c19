"""What a contract says of records whose columns were masked, for the tables they are loaded into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.common.errors import unknown
from shared.common.masks import DropField, Hash, Partial
from shared.contracts.columns import resolve
from shared.contracts.contract import Contract


def masked(contract: Contract, masks: Mapping[str, Hash | DropField | Partial]) -> Contract:
    """The contract of the records after masking: dropped fields are gone, hashed and partial ones are text.

    Records are checked against the contract as it was, before they are masked. Raises `Misconfigured` for a mask whose
    top-level field the contract does not declare, for then a misspelt mask would let values through.
    """
    if not masks:
        return contract
    schema = dict(contract.schema)
    for path, mask in masks.items():
        schema = _applied(schema, path.split("."), mask, contract)
    return Contract(contract.name, schema, contract.declared_version)


def _applied(schema: Any, path: list[str], mask: Hash | DropField | Partial, contract: Contract) -> Any:
    schema = resolve(schema, contract.schema)
    if isinstance(schema, dict) and isinstance(schema.get("items"), dict) and "properties" not in schema:
        return {**schema, "items": _applied(schema["items"], path, mask, contract)}
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or path[0] not in properties:
        if isinstance(properties, dict):
            raise unknown("field to mask", path[0], properties, contract=contract.name)
        return schema
    name, *rest = path
    if rest:
        return {
            **schema,
            "properties": {**properties, name: _applied(properties[name], rest, mask, contract)},
        }
    if isinstance(mask, DropField):
        kept = {key: part for key, part in properties.items() if key != name}
        required = [key for key in schema.get("required", ()) if key != name]
        return {**schema, "properties": kept, "required": required}
    return {**schema, "properties": {**properties, name: _text(resolve(properties[name], contract.schema))}}


def _text(part: Any) -> dict[str, Any]:
    kept = {"description": part["description"]} if isinstance(part, dict) and "description" in part else {}
    kinds = part.get("type") if isinstance(part, dict) else None
    listed = [kinds] if isinstance(kinds, str) else kinds or ["null", "array"]
    if "array" in listed:  # masked item by item
        return {"type": ["array", "string", "null"], **kept}
    return {"type": ["string", "null"] if "null" in listed else "string", **kept}
