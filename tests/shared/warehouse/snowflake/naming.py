"""Names and types as Snowflake shows them, where fakesnow shows DuckDB's or none."""

from __future__ import annotations

import re
from typing import Any

import duckdb

from shared.warehouse.snowflake_connection import parts_of
from tests.shared.warehouse.snowflake.copying import CopyError

_SHOWN = {
    "VARCHAR": "VARCHAR(16777216)",
    "DOUBLE": "FLOAT",
    "JSON": "VARIANT",
    "BLOB": "BINARY(8388608)",
    "BIGINT": "NUMBER(38,0)",
    "INTEGER": "NUMBER(38,0)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(9)",
}


def upper_case(sql: str) -> str:
    """A statement under QUOTED_IDENTIFIERS_IGNORE_CASE: a name in quotes is one in capital letters.

    >>> print(upper_case('''SELECT "Id" AS "é", 'Id', $1['id'] FROM "s"."t" '''))
    SELECT "ID" AS "É", 'Id', $1['id'] FROM "S"."T"
    """
    return "".join(
        piece if code or piece[0] != '"' else "".join(map(_capital, piece)) for code, piece in parts_of(sql)
    )


def _capital(letter: str) -> str:
    upper = letter.upper()
    return upper if len(upper) == 1 else letter


def described(connection: Any, table: str) -> str:
    """A SELECT of what DESCRIBE TABLE says: fakesnow knows nothing of temporary tables, and is slow about others."""
    duck = connection._duck_conn
    try:
        rows = duck.execute(f"DESCRIBE {table}").fetchall()
    except duckdb.CatalogException:
        raise CopyError("002003", f"Table {table} does not exist or not authorized.", "42S02") from None
    lengths = dict(
        duck.execute(
            "SELECT ext_column_name, ext_character_maximum_length "
            "FROM _fs_global._fs_information_schema._fs_columns_ext "
            "WHERE ext_table_catalog = ? AND ext_table_schema || '.' || ext_table_name = ?",
            (connection.database, re.sub(r'"([^"]*)"', r"\1", table)),
        ).fetchall()
    )
    values = ", ".join(
        f"({number}, '{row[0].replace(chr(39), chr(39) * 2)}', '{_shown(row[1], lengths.get(row[0]))}', 'COLUMN')"
        for number, row in enumerate(rows)
    )
    names = 'column2 AS "name", column3 AS "type", column4 AS "kind"'
    return f"SELECT {names} FROM VALUES {values} ORDER BY column1"


def _shown(kind: str, length: int | None) -> str:
    if kind == "VARCHAR" and length:
        return f"VARCHAR({length})"
    return _SHOWN.get(kind) or kind.replace("DECIMAL", "NUMBER")
