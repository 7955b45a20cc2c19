"""What `sluice check` does with a database: sign in, and look at every table that the source names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.common.errors import SluiceError

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.workplace import Workplace


def probe_tables(place: Workplace, source: Source) -> list[dict[str, Any]]:
    """Per table its name in the database, its key and its columns; no row is read.

    Raises what the database says, and `Misconfigured` for a table, a key or a column that is not there.
    """
    from shared.ingestion.sql_connect import Snapshot
    from shared.ingestion.sql_query import query_for
    from shared.ingestion.sql_session import database_of, described

    assert source.sql is not None
    found = []
    with Snapshot(database_of(source.sql, place.tools())) as snapshot, snapshot.reader() as reader:
        for name, table in source.sql.streams.items():
            try:
                shape, entry = described(reader, table)
                query_for(reader, shape, entry)
            except SluiceError as error:
                raise error.at(source=source.name, stream=name) from None
            columns = {column.name: column.type.value for column in shape.columns}
            found.append({"stream": name, "table": shape.title, "key": list(shape.key), "columns": columns})
    return found
