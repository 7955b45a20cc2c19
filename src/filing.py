"""Files on their way into the landing zone: what the command line and the drop app have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from shared.common.errors import Misconfigured, unknown

if TYPE_CHECKING:
    from shared.common.documents import Document
    from shared.contracts.contract import Contract
    from shared.ingestion.files_report import FileReport
    from shared.ingestion.files_spec import FileSpec
    from src.workplace import Workplace

CSV = re.compile(r"\.csv(\.gz)?$", re.IGNORECASE)


def of_warehouse(place: Workplace, url: str | None) -> Workplace:
    """The same workplace with another warehouse. Its password is kept out of everything that is told."""
    if url is None:
        return place
    parts = urlsplit(url)
    if parts.password:
        place.redactor.learn(unquote(parts.password))
    if not re.fullmatch(r"[a-z][a-z0-9+]*://.*", url):
        raise Misconfigured(
            "--warehouse is no URL", hint="such as duckdb:///file or postgresql://host/database"
        )
    settings = place.settings.model_copy(update={"warehouse_url": url})
    return replace(place, configuration=replace(place.configuration, settings=settings))


def file_spec(
    schema: Path,
    *,
    table: str,
    name: str,
    form: str | None = None,
    nested: str = "flatten",
    key: str = "",
    max_rejected: str | None = None,
) -> FileSpec:
    """What the options of a command say about a file. Raises `Misconfigured`: the schema or an option is wrong."""
    from shared.contracts.contract import Contract
    from shared.contracts.schema_faults import check_schema_text
    from shared.ingestion.files_spec import SOURCE, FileSpec
    from shared.ingestion.sql_table import key_of
    from shared.landing.layout import Layout

    try:
        text = schema.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"cannot read {schema}: {error.strerror}", hint="--schema is a JSON Schema, or YAML with columns:"
        ) from None
    Layout(SOURCE, table)  # raises when the table cannot have this name
    if table != table.lower():
        raise Misconfigured(
            f'the table "{table}" has capital letters, and some warehouses take it and {table.lower()} for one',
            hint=f"call it {table.lower()}",
        )
    document = check_schema_text(text, file=str(schema))
    chosen: Any = form or ("csv" if CSV.search(name) else "jsonl")
    kept: Any = nested
    contract = Contract.from_text(text, file=str(schema), name=f"{SOURCE}.{table}")
    if nested == "flatten":
        _check_flat(contract, document)
    fields = tuple(part.strip() for part in key.split(",") if part.strip()) or key_of(contract)
    known = [column.name for column in contract.columns()]
    for one in fields:
        if one.partition(".")[0] not in known:
            raise unknown("field in the primary key", one, known, file=str(schema))
    return FileSpec(table, contract, chosen, kept, fields, _share(max_rejected))


def _check_flat(contract: Contract, document: Document) -> None:
    """Raises `Misconfigured` where nested objects cannot be columns of their own."""
    from shared.contracts.flat import flat_columns

    names = [column.name for column in flat_columns(contract)]
    for name in names:
        if names.count(name) > 1:
            raise document.error(
                f'"{name}" is a property, and one of the object "{name.rpartition(".")[0]}" would be the same column',
                *("properties", name),
                hint="rename one of them, or keep objects as JSON: --nested json",
            )
    if len(names) == 1:
        raise Misconfigured(
            "a table of one column cannot be kept as CSV, where a null is an empty line",
            hint="say --nested json",
            file=document.file,
        )


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise Misconfigured(f'--max-rejected "{text}" is no share', hint="write 1% or 0.01")
    return share


def land_file(
    place: Workplace, spec: FileSpec, open_file: Callable[[], BinaryIO], *, name: str, again: bool = False
) -> FileReport:
    """Land a file with what this workplace has."""
    from shared.ingestion.files import ingest_file
    from shared.ingestion.files_spec import Desk

    tools = place.tools()
    desk = Desk(tools.store, tools.clock, tools.token, tools.code_version)
    return ingest_file(desk, spec, open_file, name=name, again=again)
