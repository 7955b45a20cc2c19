"""The files that have landed as a source, for those who load it, list it and check it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.common.ports import Clock, ObjectStore
from shared.ingestion.files_spec import FLAT, SOURCE
from shared.ingestion.source import Source
from shared.ingestion.spec import SourceSpec, Stream
from shared.ingestion.sql_known import last_contract
from shared.ingestion.sql_table import key_of


def files_source(store: ObjectStore, tables: Iterable[str], *, clock: Clock) -> Source:
    """The source `files` with these tables, each by the contract under which its last file landed."""
    contracts, streams = {}, {}
    for table in tables:
        contract = last_contract(store, SOURCE, table, clock=clock)
        if contract is None:
            continue
        key = key_of(contract)
        form: dict[str, Any] = {"format": "csv", "nested": "flatten"}
        if contract.schema.get(FLAT) == "json":
            form = {"format": "jsonl", "nested": "json"}
        contracts[table] = contract
        streams[table] = Stream.model_construct(
            path=table, primary_key=key, write_disposition="merge" if key else "append", **form
        )
    spec = SourceSpec.model_construct(source=SOURCE, base_url="file://", streams=streams)
    return Source(spec, "files", contracts)
