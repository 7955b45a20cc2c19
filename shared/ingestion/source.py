"""A source ready to run: what its file says, with the contracts, checks and functions that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.common.errors import unknown
from shared.contracts.columns import Column
from shared.contracts.contract import Contract
from shared.contracts.flat import flat_columns
from shared.contracts.masked import masked
from shared.ingestion.spec import SourceSpec, Stream
from shared.ingestion.sql_spec import SqlSpec

if TYPE_CHECKING:
    from shared.contracts.expectation import Expectation


@dataclass(frozen=True, slots=True)
class Source:
    """A source ready to run: what its file says, the contract of each stream that has one, and its Python functions.

    `checks` are those of each stream that has any, from its entry and from `checks/<stream>.yml`.
    """

    spec: SourceSpec
    file: str
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    hooks: Mapping[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = field(default_factory=dict)
    sql: SqlSpec | None = None
    checks: Mapping[str, tuple[Expectation, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.spec.source

    def stream(self, name: str) -> Stream:
        """A stream by name. Raises `Misconfigured` listing the known ones."""
        if name not in self.spec.streams:
            raise unknown("stream", name, [*self.spec.streams, *self.spec.reports], source=self.name)
        return self.spec.streams[name]

    def landed(self, name: str) -> Contract | None:
        """The contract of the records as they land: masked columns are text there, or gone."""
        contract = self.contracts.get(name)
        return None if contract is None else masked(contract, self.spec.streams[name].mask)

    def columns(self, name: str) -> tuple[Column, ...] | None:
        """The columns of a stream's table; None where it has no contract and they are found in what landed."""
        contract, stream = self.landed(name), self.spec.streams[name]
        if contract is None:
            return None
        return flat_columns(contract) if stream.nested == "flatten" else contract.columns()
