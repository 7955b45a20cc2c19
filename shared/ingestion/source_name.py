"""Names that no source may have: it becomes a schema of the warehouse, and these are the databases' own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

RESERVED = frozenset(
    {
        "information_schema",  # all of them
        "main",
        "temp",
        "system",  # DuckDB
        "mysql",
        "performance_schema",
        "sys",  # MySQL
        "ndbinfo",
    }
)


def free(name: str) -> str:
    """`name` itself. Raises `ValueError` when a warehouse keeps it for itself."""
    if name in RESERVED or name.startswith("pg_"):
        raise ValueError(
            f'"{name}" cannot be the name of a source: it becomes a schema of the warehouse, and databases keep '
            "this name for themselves; choose another one, such as the name of the API"
        )
    return name


SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63), AfterValidator(free)]
