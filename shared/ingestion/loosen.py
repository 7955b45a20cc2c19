"""Contracts that ask less, and records that say less: at the places where the two do not agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shared.contracts.columns import resolve
from shared.contracts.contract import Contract

_ROOT = ("additionalProperties", "unevaluatedProperties")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Path = tuple[str, ...]
"""The names from the root of a record to a value; places in lists are numbers."""


def path_of(pointer: str) -> Path:
    """The steps of a JSON pointer (RFC 6901).

    >>> path_of("/a~1b/0/c")
    ('a/b', '0', 'c')
    """
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def root_of(contract: Contract) -> dict[str, Any]:
    """The schema of the record itself, with what its references point to."""
    root = resolve(contract.schema, contract.schema)
    shared = {
        key: contract.schema[key] for key in ("$schema", "$defs", "definitions") if key in contract.schema
    }
    return {**shared, **root}


def is_closed(contract: Contract) -> bool:
    """Whether the contract refuses fields that it does not declare."""
    return any(root_of(contract).get(key) is False for key in _ROOT)


def opened(contract: Contract) -> Contract:
    """The contract, so that it allows fields beside those it declares."""
    schema = {
        key: value for key, value in root_of(contract).items() if key not in _ROOT or value is not False
    }
    return Contract(contract.name, schema, contract.declared_version)


def declaring(contract: Contract, fields: Mapping[str, Any]) -> Contract:
    """The contract with more top-level fields, or with other schemas for some; they may be missing."""
    schema = root_of(contract)
    required = [name for name in schema.get("required", ()) if name not in fields]
    properties = {**schema.get("properties", {}), **fields}
    return Contract(
        contract.name, {**schema, "properties": properties, "required": required}, contract.declared_version
    )


def accepting(contract: Contract, path: Path) -> Contract:
    """The contract with any value allowed at `path`; where its rules cannot be taken apart, at the field it is in."""
    schema = root_of(contract)
    changed = _changed(schema, path, schema, optional=False)
    if changed is None:
        changed = _changed(schema, path[:1], schema, optional=False) or schema
    return Contract(contract.name, changed, contract.declared_version)


def missing(contract: Contract, paths: Iterable[Path]) -> Contract:
    """The contract with the values at `paths` not required."""
    schema = root_of(contract)
    for path in paths:
        schema = _changed(schema, path, schema, optional=True) or schema
    return Contract(contract.name, schema, contract.declared_version)


def _changed(schema: Any, path: Path, root: Mapping[str, Any], *, optional: bool) -> dict[str, Any] | None:
    """A copy with the part at `path` open to all, or not required; None where there is no such part to be found."""
    schema = resolve(schema, root)
    if not isinstance(schema, dict) or not path:
        return None
    name, rest = path[0], path[1:]
    properties = schema.get("properties", {})
    if name in properties:
        if rest:
            inner = _changed(properties[name], rest, root, optional=optional)
            return None if inner is None else {**schema, "properties": {**properties, name: inner}}
        if optional:
            return {**schema, "required": [field for field in schema.get("required", ()) if field != name]}
        return {**schema, "properties": {**properties, name: {}}}
    items = schema.get("items")
    if name.isdecimal() and isinstance(items, dict):
        changed: Any = _changed(items, rest, root, optional=optional) if rest else {}
        return None if changed is None else {**schema, "items": changed}
    return None


def without(record: bytes, paths: Sequence[Path]) -> bytes:
    """The record without the values at some paths; one inside a list goes with its list.

    The text of all other values stays as it was.

    >>> without(b'{"a": 1.50, "b": {"c": 1, "d": 2}}', [("b", "c"), ("x",)])
    b'{"a":1.50,"b":{"d":2}}'
    """
    fields = _fields(record)
    for name in {path[0] for path in paths if path}:
        inner = [path[1:] for path in paths if path[0] == name]
        raw = fields.get(name)
        if raw is None:
            continue
        if () in inner or bytes(raw)[:1] != b"{":
            del fields[name]
        else:
            fields[name] = msgspec.Raw(without(bytes(raw), inner))
    return msgspec.json.encode(fields)
