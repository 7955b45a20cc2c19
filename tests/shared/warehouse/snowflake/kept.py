"""Texts of SQL that are kept: a change of them is seen, and what fakesnow cannot prove is at least read by somebody.

`SLUICE_GOLDEN=write python -m pytest tests/shared/warehouse/snowflake` writes them anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tests.shared.warehouse.stream import Stream

FOLDER = Path(__file__).with_name("golden")


def matches(name: str, statements: Iterable[str], stream: Stream | None = None) -> bool:
    """Whether the statements are those of `golden/NAME.sql`, whose first lines say what cannot be run here."""
    found = ";\n\n".join(_readable(sql) for sql in statements) + ";\n"
    if stream is not None:
        found = re.sub(r"\bL\d+(-\d+)?\b", "LOAD", found)
    file = FOLDER / f"{name}.sql"
    kept = file.read_text(encoding="utf-8") if file.exists() else ""
    head = "".join(line for line in kept.splitlines(keepends=True) if line.startswith("--! "))
    if os.environ.get("SLUICE_GOLDEN") == "write":
        file.write_text(head + found, encoding="utf-8")
        return True
    assert kept.removeprefix(head) == found, f"{file} differs; see {__file__}"
    return True


def _readable(sql: str) -> str:
    """A long statement on several lines."""
    for word in (
        "FROM",
        "FILES",
        "FILE_FORMAT",
        "MATCH_BY",
        "INCLUDE_",
        "ON_ERROR",
        "USING",
        "WHEN",
        "WHERE",
        "QUALIFY",
        "JOIN",
    ):
        sql = (
            re.sub(rf" (?={word}\b)" if not word.endswith("_") else rf" (?={word})", "\n  ", sql)
            if len(sql) > 110
            else sql
        )
    return sql
