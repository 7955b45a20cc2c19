"""The columns of a contract with nested objects spread out: `address.city` instead of one column of JSON text."""

from __future__ import annotations

from shared.contracts.columns import Column, flat_columns_of
from shared.contracts.contract import Contract


def flat_columns(contract: Contract) -> tuple[Column, ...]:
    """One column per leaf: objects whose properties are declared are spread out, lists and open objects stay JSON.

    >>> address = {"type": "object", "properties": {"city": {"type": "string"}}}
    >>> contract = Contract.from_schema({"properties": {"id": {"type": "integer"}, "address": address}})
    >>> [column.name for column in flat_columns(contract)]
    ['id', 'address.city']
    """
    return flat_columns_of(contract.schema)
