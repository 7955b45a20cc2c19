"""The table of types in docs/warehouses.md, written from what the adapters do.

`python -c "from shared.warehouse.type_table import write; write()"` writes it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from shared.contracts.columns import Column, ColumnType
from shared.warehouse import duckdb_read, mysql_types, postgres_types, snowflake_values

BEGIN, END = "<!-- types -->\n", "<!-- end of types -->\n"
DOCUMENT = Path(__file__).parents[2] / "docs" / "warehouses.md"

TypeOf = Callable[[Column], str]
WAREHOUSES: Mapping[str, TypeOf] = {
    "DuckDB": duckdb_read.type_of,
    "PostgreSQL": postgres_types.type_of,
    "MySQL, MariaDB": mysql_types.type_of,
    "Snowflake": snowflake_values.type_of,
}
_WIDE = {
    "DuckDB": duckdb_read.type_of(Column("", ColumnType.INTEGER), wide=True),
    "PostgreSQL": postgres_types.WIDE,
    "MySQL, MariaDB": mysql_types.WIDE,
    "Snowflake": snowflake_values.INTEGER,
}
_DECLARED = Column("", ColumnType.DECIMAL, precision=12, scale=2)


def table() -> str:
    """The types of a contract and what each becomes, as a table of Markdown."""
    rows = [["contract", *WAREHOUSES], ["---"] * (len(WAREHOUSES) + 1)]
    for kind in ColumnType:
        rows.append([kind.value, *(type_of(Column("", kind)) for type_of in WAREHOUSES.values())])
        if kind is ColumnType.INTEGER:
            rows.append(["integer beyond 64 bits", *_WIDE.values()])
        if kind is ColumnType.DECIMAL:
            rows.append(
                ["decimal, 12 digits, 2 behind the point", *(f(_DECLARED) for f in WAREHOUSES.values())]
            )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_table(document: str) -> str:
    """The document with the table between its marks."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


def write() -> None:
    """Write the table into the document."""
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
