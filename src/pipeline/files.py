"""Files as the inputs of an ingestion: CSV, JSON lines or Parquet of a folder or a bucket land once, by their content.

Their columns are what all their lines hold: DuckDB looks through each file, and what earlier files had is kept.
"""

# ruff: noqa: S608 - names of columns are quoted, and paths are bound

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.common.errors import Violation, unknown
from shared.pipelines.runner.executor import Task
from shared.pipelines.work import Ref
from src.pipeline.objects import Found, duckdb_for, found

if TYPE_CHECKING:
    from shared.ingestion.files_report import FileReport
    from src.workplace import Workplace

KNOWN = ("columns", "max_rejected")
"""Keys of the config: types of columns by name, before what is found; the share of lines that may be refused."""

_MERGED = {frozenset({"integer", "number"}): "number", frozenset({"date", "timestamp"}): "string"}
_KINDS = {
    "TINYINT": "integer", "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "integer", "UTINYINT": "integer",
    "USMALLINT": "integer", "UINTEGER": "integer", "FLOAT": "number", "DOUBLE": "number", "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp", "JSON": "json",
}  # fmt: skip
_RULES = {
    "integer": r"-?(0|[1-9][0-9]{0,17})",
    "number": r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?",
    "boolean": r"(?i)true|false",
    "date": r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "timestamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
}
"""What all values of a CSV column have to look like; the first that fits is its type, else it is text."""


def land(place: Workplace, ref: Ref, table: str, task: Task, config: Mapping[str, Any]) -> dict[str, int]:
    """Land the files of an input in the stream `table` of the source `files`; rows by file, 0 for what landed before.

    Raises `Misconfigured` when there is no file or a config key is unknown, `Violation` for lines that do not fit.
    """
    for name in config:
        if name not in KNOWN:
            raise unknown("key of the config of files", name, KNOWN, step=task.step.name, at=task.step.place)
    rows: dict[str, int] = {}
    for file in found(ref, task.step):
        if task.cancelled():
            break
        with file.on_disk() as path:
            rows[file.name] = _land(place, file, path, ref, table, config).rows
    return rows


def _land(
    place: Workplace, file: Found, path: Path, ref: Ref, table: str, config: Mapping[str, Any]
) -> FileReport:
    from shared.contracts.contract import Contract
    from shared.ingestion.files_spec import SOURCE, FileSpec
    from shared.ingestion.sql_known import last_contract
    from src.filing import land_file

    with TemporaryDirectory(prefix="sluice-step-") as folder:
        said = {name: _said(kind) for name, kind in dict(config.get("columns") or {}).items()}
        kinds = {} if said and file.format != "parquet" else _columns(path, file.format)
        if file.format == "parquet":
            path = _as_lines(path, Path(folder) / "lines.jsonl", kinds)
        before = last_contract(place.store, SOURCE, table, clock=place.clock)
        known = {} if before is None else {one.name: one.type.value for one in before.columns()}
        kinds = _widened(known, kinds)
        columns = {
            name: {"type": kind, "nullable": name not in ref.primary_key} for name, kind in kinds.items()
        }
        columns |= said
        spec = FileSpec(
            table,
            Contract.from_columns(columns, name=f"{SOURCE}.{table}"),
            "csv" if file.format == "csv" else "jsonl",
            "json",
            ref.primary_key,
            float(config.get("max_rejected", 0)),
        )
        for key in ref.primary_key:
            if key not in columns:
                raise unknown("field in the primary key", key, columns, file=file.name)
        return land_file(place, spec, lambda: path.open("rb"), name=file.name)


def _said(kind: Any) -> Any:
    return {"type": kind, "nullable": True} if isinstance(kind, str) else kind


def _columns(path: Path, form: str) -> dict[str, str]:
    """The columns of a file with their types. Raises `Violation` where it cannot be read as what it is."""
    duckdb = duckdb_for("looking for the columns of a file without `config: {columns: …}`")
    try:
        with duckdb.connect() as connection:
            if form == "csv":
                return _csv_columns(connection, path)
            reader = "read_parquet(?)"
            if form == "jsonl":
                reader = (
                    "read_json(?, format = 'newline_delimited', sample_size = -1, dateformat = '%Y-%m-%d', "
                    "timestampformat = '%Y-%m-%dT%H:%M:%SZ', ignore_errors = true)"
                )
            cursor = connection.execute(f"DESCRIBE SELECT * FROM {reader}", [str(path)])
            return {str(name): _kind(str(kind)) for name, kind, *_ in cursor.fetchall()}
    except duckdb.Error as error:
        raise Violation(f"it is no {form}: {str(error).splitlines()[0]}", file=path) from error


def _csv_columns(connection: Any, path: Path) -> dict[str, str]:
    reader = (
        "read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', "
        "ignore_errors = true)"  # what is no row is refused when it lands, with its number
    )
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {reader}", [str(path)]).fetchall()]
    asked = [
        f"bool_and(coalesce({_quoted(name)}, '') = '' OR regexp_full_match({_quoted(name)}, ?))"
        for name in names
        for _ in _RULES
    ]
    some = [f"bool_or(coalesce({_quoted(name)}, '') <> '')" for name in names]
    rules = list(_RULES.values()) * len(names)
    sql = f"SELECT {', '.join([*asked, *some])} FROM {reader}"
    row = connection.execute(sql, [*rules, str(path)]).fetchone()
    columns = {}
    for number, name in enumerate(names):
        fits = row[number * len(_RULES) : (number + 1) * len(_RULES)]
        has_values = row[len(asked) + number]
        kind = next((kind for kind, fit in zip(_RULES, fits, strict=True) if fit), "string")
        columns[str(name)] = kind if has_values else "string"
    return columns


def _as_lines(path: Path, lines: Path, kinds: Mapping[str, str]) -> Path:
    """A Parquet file as JSON lines: times in RFC 3339, so that they are times to the contract, too."""
    duckdb = duckdb_for("reading Parquet")
    chosen = []
    for name, kind in kinds.items():
        column = _quoted(name)
        if kind == "timestamp":
            column = f"strftime(CAST({column} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%fZ') AS {column}"
        elif kind == "string":
            column = f"CAST({column} AS VARCHAR) AS {column}"
        chosen.append(column)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        target = str(lines).replace("'", "''")
        connection.execute(
            f"CREATE TEMP TABLE lines AS SELECT {', '.join(chosen)} FROM read_parquet(?)", [str(path)]
        )
        connection.execute(f"COPY lines TO '{target}' (FORMAT json)")
    return lines


def _kind(kind: str) -> str:
    if kind.startswith("TIMESTAMP") and "TIME ZONE" not in kind:
        return "timestamp"
    if kind.startswith(("STRUCT", "MAP", "UNION")) or kind.endswith("]"):
        return "json"
    if kind.startswith("DECIMAL("):
        return "number" if int(kind[8:].partition(",")[0]) <= 15 else "string"
    return _KINDS.get(kind, "string")


def _widened(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """The columns of both; one that is of two types is of one that holds both.

    >>> _widened({"a": "integer", "b": "date"}, {"a": "number", "b": "integer", "c": "json"})
    {'a': 'number', 'b': 'string', 'c': 'json'}
    """
    merged = dict(before)
    for name, kind in now.items():
        known = merged.setdefault(name, kind)
        if known != kind:
            merged[name] = _MERGED.get(frozenset({known, kind}), "string")
    return merged


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
