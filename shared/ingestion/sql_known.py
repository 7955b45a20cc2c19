"""What the catalogue said of a table when it was last read, for those who have no database at hand, such as loaders."""

from __future__ import annotations

from dataclasses import replace

from shared.common.ports import Clock, ObjectStore
from shared.contracts.contract import Contract
from shared.contracts.registry import Registry
from shared.contracts.shelves import StoreShelf
from shared.ingestion.source import Source
from shared.ingestion.sql_table import key_of, of_catalogue
from shared.landing.log import CommitLog


def known(source: Source, store: ObjectStore, *, clock: Clock) -> Source:
    """The source with the contract and the key of each table that has landed; any other source as it is."""
    if source.sql is None:
        return source
    contracts, streams = dict(source.contracts), dict(source.spec.streams)
    for name, table in source.sql.streams.items():
        if name in contracts and not of_catalogue(contracts[name]):
            continue
        contract = last_contract(store, source.name, name, clock=clock)
        if contract is not None:
            contracts[name] = contract
            streams[name] = table.with_key(key_of(contract)).plain()
    return replace(source, contracts=contracts, spec=source.spec.model_copy(update={"streams": streams}))


def last_contract(store: ObjectStore, source: str, stream: str, *, clock: Clock) -> Contract | None:
    """The contract of a stream's last commit, where it is registered in the landing zone."""
    head = CommitLog(store, source, stream, clock).latest()
    digest = None if head is None else head.draft.contract
    if digest is None:
        return None
    subject = f"{source}.{stream}"
    for version in reversed(Registry(StoreShelf(store)).versions(subject)):
        if version.digest == digest:
            return Contract(subject, version.schema)
    return None
