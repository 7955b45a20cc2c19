"""Where the final table of a stream is in the warehouse, as it stands in SQL."""

from __future__ import annotations

from shared.common.errors import Misconfigured
from shared.warehouse.checks.dialect import Dialect, Query


def found_table(query: Query, dialect: Dialect, schema: str, table: str) -> str | None:
    """The table as it stands in SQL; None when it is not there."""
    text, same = dialect.literal, dialect.same_name
    where = (
        f"{same.format(x='table_schema', y=text(schema))} AND {same.format(x='table_name', y=text(table))}"
    )
    sql = f"FROM information_schema.tables WHERE {where}"
    rows = query(f"SELECT table_catalog {sql}")
    if not rows:
        return None
    # A DuckDB file may be called like a source; then two names without the database are ambiguous.
    return dialect.quote(*([str(rows[0][0])] if dialect.name == "duckdb" else []), schema, table)


def table_named(query: Query, dialect: Dialect, source: str, stream: str) -> str:
    """The final table of a stream, under its default address. Raises `Misconfigured` when it is not there."""
    found = found_table(query, dialect, source, stream)
    if found is None:
        raise Misconfigured(f"there is no table {source}.{stream} in the warehouse")
    return found
