"""The columns of a contract with nested objects spread out: `address.city` instead of one column of JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from shared.contracts.columns import Column, ColumnType, columns_of, resolve
from shared.contracts.contract import Contract


def flat_columns(contract: Contract) -> tuple[Column, ...]:
    """One column per leaf: objects whose properties are declared are spread out, lists and open objects stay JSON.

    >>> address = {"type": "object", "properties": {"city": {"type": "string"}}}
    >>> contract = Contract.from_schema({"properties": {"id": {"type": "integer"}, "address": address}})
    >>> [column.name for column in flat_columns(contract)]
    ['id', 'address.city']
    """
    return tuple(_spread(contract.schema, contract.schema, "", 0))


def _spread(schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str, depth: int) -> Iterator[Column]:
    parts = resolve(schema, root).get("properties", {})
    for column in columns_of({**resolve(schema, root), "$defs": root.get("$defs", {})}):
        part = resolve(parts[column.name], root)
        inside = part.get("properties") if isinstance(part, dict) else None
        # Eight levels are more than any table wants, and end a schema that contains itself.
        if column.type is ColumnType.JSON and inside and depth < 8:
            yield from (
                replace(inner, nullable=inner.nullable or column.nullable)
                for inner in _spread(part, root, f"{prefix}{column.name}.", depth + 1)
            )
        else:
            yield replace(column, name=prefix + column.name)
