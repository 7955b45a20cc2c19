"""Chooses how the records of a stream are written."""

from __future__ import annotations

from shared.common.errors import Misconfigured
from shared.common.formats import Csv, Format, JsonLines, Nested
from shared.contracts.columns import Column, ColumnType
from shared.ingestion.spec import Stream


def encoder_for(stream: Stream, columns: tuple[Column, ...] | None) -> Format:
    """How the stream's records are written. A CSV file has the columns of the contract, in their order.

    Raises `Misconfigured` where these columns make no CSV file.
    """
    if stream.format == "jsonl":
        return JsonLines()
    if columns is None:
        raise Misconfigured(
            "format csv needs to know the columns",
            hint="give the stream a `contract` or `columns`, or take jsonl",
        )
    nested = Nested.FLATTEN if stream.nested == "flatten" else Nested.JSON
    nested_columns = frozenset(column.name for column in columns if column.type is ColumnType.JSON)
    return Csv(tuple(column.name for column in columns), nested, json_columns=nested_columns)
