"""COPY INTO as Snowflake does it, for the forms that the loader writes: which are all that this accepts."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow
from fakesnow.transforms import stage

_TEXT = r"'((?:[^'\\]|''|\\.)*)'"
_FORM = re.compile(
    r"""COPY\ INTO\ (?P<table>"(?:[^"]|"")*")
        (?:\ \((?P<into>.*?)\)\ FROM\ \(SELECT\ (?P<picked>.*)\ FROM\ (?P<from>@\S+)\)|\ FROM\ (?P<stage>@\S+))
        \ FILES\ =\ \((?P<files>.*?)\)\ FILE_FORMAT\ =\ \(TYPE\ =\ (?P<format>JSON|CSV)\ (?P<options>.*?)\)
        (?P<match>\ MATCH_BY_COLUMN_NAME\ =\ CASE_SENSITIVE\ INCLUDE_METADATA\ =\ \(_sluice_file\ =\ METADATA\$FILENAME,
        \ _sluice_row\ =\ METADATA\$FILE_ROW_NUMBER\))?
        \ ON_ERROR\ =\ ABORT_STATEMENT""",
    re.X,
)
_NAME = re.compile(r'"((?:[^"]|"")*)"|(\w+)')
_FIELD = re.compile(rf"\$1\[{_TEXT}\](?:::(\w+))?|\$(\d+)|(METADATA\$\w+)")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|$)')
_RECORD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KINDS = {"JSON": "VARIANT", "DOUBLE": "FLOAT"}


class CopyError(Exception):
    """What Snowflake answers."""

    def __init__(self, number: str, text: str, state: str) -> None:
        super().__init__(text)
        self.number, self.text, self.state = number, text, state


@dataclass(frozen=True)
class Target:
    """A column, and what goes into it: a field of a record, a place of a CSV row, or metadata."""

    column: str
    kind: str
    source: str | int


def copy_into(connection: Any, sql: str, read: Callable[[str], bytes]) -> str:
    """Load the files, or none of them; the SELECT that answers what COPY answers."""
    form = _FORM.fullmatch(sql)
    assert form, f"not a COPY that the loader writes: {sql}"
    duck, table = connection._duck_conn, form["table"]
    url = _stage_url(duck, connection.database, (form["from"] or form["stage"])[1:])
    files = [_unquoted(found[1]) for found in re.finditer(_TEXT, form["files"])]
    assert 0 < len(files) <= 1000, "Snowflake takes 1,000 names"
    described = {row[0]: row[1] for row in duck.execute(f"DESCRIBE {table}").fetchall()}
    kinds = {name: _KINDS.get(kind, "VARCHAR") for name, kind in described.items()}
    targets = _matched(kinds) if form["match"] else list(_picked(form, kinds))
    columns: dict[str, list[Any]] = {target.column: [] for target in targets}
    answer = []
    for file in files:
        rows = _rows(url, file, read, csv=form["format"] == "CSV")
        # Of an external stage Snowflake says the path in the bucket, of another one that in the stage.
        bucket_path = file if url[0] == "f" else (url + file).removeprefix("s3://").partition("/")[2]
        count = 0
        for count, row in enumerate(rows, start=1):
            for target in targets:
                columns[target.column].append(_value(target, row, bucket_path, count))
        answer.append(f"('{(url + file).replace(chr(39), chr(39) * 2)}', 'LOADED', {count}, {count}, 1, 0)")
    _insert(duck, table, columns, described)
    names = "file, status, rows_parsed, rows_loaded, error_limit, errors_seen"
    numbered = ", ".join(f"column{n} AS {name.strip()}" for n, name in enumerate(names.split(","), start=1))
    return f"SELECT {numbered} FROM VALUES {', '.join(answer)}"


def _stage_url(duck: Any, database: str, name: str) -> str:
    found = duck.execute(
        "SELECT url, name FROM _fs_global._fs_information_schema._fs_stages "
        "WHERE lower(name) = lower(?) AND lower(schema_name) = '_sluice' AND database_name = ?",
        (name.rsplit(".", maxsplit=1)[-1].strip('"'), database),
    ).fetchall()
    if not found:
        raise CopyError(
            "002003", f"SQL compilation error: Stage '{name}' does not exist or not authorized.", "02000"
        )
    url, called = found[0]
    return str(url or f"file://{stage.internal_dir(f'{database}._SLUICE.{called}')}")


def _picked(form: re.Match[str], kinds: dict[str, str]) -> Iterator[Target]:
    into = [found[1] or found[2] for found in _NAME.finditer(form["into"])]
    fields = list(_FIELD.finditer(form["picked"]))
    assert len(into) == len(fields), form["picked"]
    for name, field in zip(into, fields, strict=True):
        column = name.replace('""', '"')
        assert column.lower() in {known.lower() for known in kinds}, column
        if field[1] is not None:
            yield Target(column, field[2] or "VARIANT", _unquoted(field[1]))
        elif field[3]:
            yield Target(column, "VARCHAR", int(field[3]))
        else:
            yield Target(column, field[4], field[4])


def _matched(kinds: dict[str, str]) -> list[Target]:
    metadata = {"_sluice_file": "METADATA$FILENAME", "_sluice_row": "METADATA$FILE_ROW_NUMBER"}
    found = []
    for name, kind in kinds.items():
        what = metadata.get(name.lower())
        found.append(Target(name, what or kind, what or name))
    return found


def _rows(url: str, file: str, read: Callable[[str], bytes], *, csv: bool) -> Iterator[Any]:
    try:
        body = Path(url.removeprefix("file://") + file).read_bytes() if url[0] == "f" else read(url + file)
    except (KeyError, FileNotFoundError):
        raise CopyError("091016", f"Remote file '{url}{file}' was not found.", "22000") from None
    body = gzip.decompress(body) if file.endswith(".gz") else body
    if csv:
        yield from _cells(body.decode())
        return
    for number, line in enumerate(body.splitlines() if b"\r" not in body else body.split(b"\n"), start=1):
        if line.strip():
            try:
                yield _RECORD.decode(line)
            except msgspec.DecodeError as error:
                text = f"Error parsing JSON: {error} File '{file}', line {number}, character 1"
                raise CopyError("100069", text, "22P02") from None


def _cells(text: str) -> Iterator[list[str | None]]:
    at, row, header = 0, list[str | None](), True
    while at < len(text):
        found = _CELL.match(text, at)
        assert found, text[at : at + 40]
        row.append(found[2] or None if found[1] is None else found[1].replace('""', '"'))
        at = found.end()
        if found[3] != ",":
            if not header:
                yield row
            row, header = [], False


def _value(target: Target, row: Any, path: str, number: int) -> Any:
    if target.source == "METADATA$FILENAME":
        return path
    if target.source == "METADATA$FILE_ROW_NUMBER":
        return number
    if isinstance(target.source, int):
        return row[target.source - 1] if target.source <= len(row) else None
    raw = row.get(target.source)
    if raw is None:
        return None
    if target.kind == "VARIANT":
        return bytes(raw).decode()
    value = _as_text(bytes(raw))
    if target.kind == "FLOAT" and value is not None:
        try:
            return float(value)
        except ValueError:
            text = f"Numeric value '{value}' is not recognized File '{path}', line {number}, character 1"
            raise CopyError("100038", text, "22018") from None
    return value


def _as_text(raw: bytes) -> str | None:
    """A VARIANT as text: numbers with an exponent, and those of more than 38 digits, were doubles."""
    first = raw[:1]
    if first == b'"':
        return str(msgspec.json.decode(raw))
    if first in b"-0123456789":
        digits = sum(chr(byte).isdigit() for byte in raw)
        return raw.decode() if digits <= 38 and not set(raw) & set(b"eE") else repr(float(raw))
    if first in b"{[":
        return json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":"))
    return None if raw == b"null" else raw.decode()


def _insert(duck: Any, table: str, columns: dict[str, list[Any]], described: dict[str, str]) -> None:
    kinds = {name.lower(): kind for name, kind in described.items()}
    arrays = {}
    for name, values in columns.items():
        kind = kinds[name.lower()]
        form = (
            pyarrow.float64()
            if kind == "DOUBLE"
            else pyarrow.int64()
            if "INT" in kind or "DECIMAL" in kind
            else pyarrow.string()
        )
        arrays[name] = pyarrow.array(values, form)
    rows = pyarrow.table(list(arrays.values()), names=[f"c{place}" for place in range(len(arrays))])
    into = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
    duck.register("_copied", rows)
    try:
        duck.execute(f"INSERT INTO {table} ({into}) SELECT * FROM _copied")
    finally:
        duck.unregister("_copied")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text.replace("''", "'"))
