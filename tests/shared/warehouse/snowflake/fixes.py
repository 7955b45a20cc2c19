"""What fakesnow does wrong or slowly, put right: it is a test double of Snowflake, and ours of that."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import pyarrow
import pyarrow.compute
from fakesnow import arrow, cursor, dialect, info_schema, transforms
from sqlglot import exp

_struct = arrow.timestamp_to_sf_struct
# What becomes of these depends on nothing but their text.
_ROWS = (exp.Select, exp.Insert, exp.Update, exp.Delete)
_SEEN: dict[str, Any] = {}
_insert_lengths = info_schema.insert_text_lengths_sql


def put_right() -> None:
    """Patch fakesnow; twice does no harm."""
    for module, name, better in (
        (arrow, "timestamp_to_sf_struct", _struct_with_nulls),
        (info_schema, "insert_text_lengths_sql", _lengths),
        # Its MERGE notes the comment of a temporary table in another database: not within a transaction of DuckDB.
        (info_schema, "insert_table_comment_sql", lambda *names: "SELECT 1"),
        (cursor.FakeSnowflakeCursor, "_transform", _transform),
        (cursor.FakeSnowflakeCursor, "_describe_last_sql", _described),
        # Each statement is parsed twice, most of them have been seen before, and that is half of their time.
        (import_module("fakesnow.server"), "parse_one", _parsed),
        (cursor, "parse_one", lambda sql: _parsed(sql).copy()),
    ):
        setattr(module, name, better)


@lru_cache(maxsize=4000)
def _parsed(sql: str) -> Any:
    expression = dialect.parse_one(sql)
    expression.meta["text"] = sql
    return expression


def _struct_with_nulls(times: Any) -> Any:
    """A time that is null comes out as null, and not as 1970."""
    times = times.combine_chunks() if isinstance(times, pyarrow.ChunkedArray) else times
    made = _struct(pyarrow.compute.fill_null(times, 0))
    mask = pyarrow.compute.is_null(times)
    return pyarrow.StructArray.from_arrays(made.flatten(), fields=list(made.type), mask=mask)


def _lengths(catalog: str, schema: str, table: str, lengths: list[tuple[str, int]]) -> str:
    """Names with a quote are quoted; and its MERGE notes no lengths (see `insert_table_comment_sql`)."""
    if table.lower() == "merge_candidates":
        return "SELECT 1"
    safe = [(name.replace("'", "''"), length) for name, length in lengths]
    return str(_insert_lengths(catalog, schema, table.replace("'", "''"), safe))


def _described(self: Any) -> list[Any]:
    """The columns of the last result, without taking its statement apart once more."""
    found: list[Any] = self._duck_conn.execute(f"DESCRIBE {self._last_sql}", self._last_params).fetchall()
    return found


def _transform(self: Any, expression: Any, params: Any) -> Any:
    """Only what our statements need of its 77 passes over each statement: they are most of the time of these tests.

    Without `integer_precision`, which makes a 64-bit integer of NUMBER(38,0).
    """
    text = expression.meta.get("text") if isinstance(expression, _ROWS) else None
    if text is None:
        return _transformed(self, expression, params)
    if text not in _SEEN:
        _SEEN[text] = _transformed(self, expression, params)
    return _SEEN[text].copy()


def _transformed(self: Any, expression: Any, params: Any) -> Any:
    database, schema, stages = self._conn.database, self._conn.schema, self._conn.table_stages
    for one in (
        lambda e: transforms.identifier(e, params),
        transforms.upper_case_unquoted_identifiers,
        lambda e: transforms.set_schema(e, database),
        lambda e: transforms.create_database(e, self._conn.db_path),
        transforms.extract_comment_on_table,
        transforms.information_schema_fs,
        transforms.drop_schema_cascade,
        transforms.semi_structured_types,
        transforms.try_parse_json,
        transforms.indices_to_json_extract,
        transforms.json_extract_cast_as_varchar,
        transforms.json_extract_precedence,
        transforms.regex_replace,
        transforms.values_columns,
        transforms.to_date,
        transforms.to_decimal,
        transforms.float_to_double,
        transforms.extract_text_length,
        transforms.array_agg,
        lambda e: transforms.show_tables_etc(e, database, schema),
        lambda e: transforms.show_stages(e, database, schema),
        lambda e: transforms.create_stage(e, database, schema),
        lambda e: transforms.create_file_format(e, database, schema),
        lambda e: transforms.list_stage(e, database, schema, stages),
        lambda e: transforms.put_stage(e, database, schema, params, stages),
        lambda e: transforms.create_table_as(e, self._duck_conn),
    ):
        expression = expression.transform(one, copy=False)
    return expression
