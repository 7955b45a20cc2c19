"""The contract that would have held for what drifted, put down in the landing zone for its authors to take over.

It has a subject of its own, `<source>.<stream>__evolved`, so that the versions that people register keep their numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from shared.common.ports import ObjectStore
from shared.contracts.contract import Contract
from shared.ingestion.kinds import schema_of
from shared.ingestion.loosen import declaring, opened

SUFFIX = "__evolved"
_AS_JSON = {"decimal": ("number", "string"), "uuid": ("string",), "time": ("string",), "binary": ("string",)}


def evolved_contract(contract: Contract, evolved: Mapping[str, Collection[str]]) -> Contract:
    """The contract with the fields that evolved: new ones, and wider types for those it declares.

    `evolved` gives the kinds of values seen, by field. Fields inside others stay as they are.
    """
    columns = {column.name: column for column in contract.columns()}
    fields: dict[str, Any] = {}
    for name, kinds in evolved.items():
        column = columns.get(name)
        if column is None:
            if "." not in name:
                fields[name] = schema_of(kinds)
            continue
        declared = _AS_JSON.get(column.type.value, (column.type.value,))
        said = {"description": column.description} if column.description else {}
        fields[name] = schema_of({*kinds, *declared}) | said
    made = declaring(opened(contract), fields)
    return Contract(contract.name + SUFFIX, made.schema)


def put_down(store: ObjectStore, contract: Contract, evolved: Mapping[str, Collection[str]]) -> str:
    """Register the evolved contract as the next version of its own subject; returns `subject version n`.

    The same contract is the same version. Raises what the store and the registry raise.
    """
    from shared.contracts.compatibility.verdict import Mode
    from shared.contracts.registry import Registry
    from shared.contracts.shelves import StoreShelf

    version, _ = Registry(StoreShelf(store)).register(evolved_contract(contract, evolved), Mode.NONE)
    return f"{version.subject} version {version.number}"
