"""Reads the checks of a stream from a document that people wrote, with the place of every mistake.

checks:
  - expect_column_values_to_not_be_null: { column: id }
  - expect_column_values_to_be_between: { column: total, min_value: 0, mostly: 99%, severity: warn }
  - expect_table_row_count_to_equal_commit
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

from shared.common.documents import Document
from shared.common.errors import Misconfigured, unknown
from shared.common.places import Key
from shared.contracts.check_types import misfits
from shared.contracts.columns import ColumnType
from shared.contracts.expectation import Expectation
from shared.contracts.expectations import ExpectColumnValuesToBeInTable, kinds

Tables: TypeAlias = Mapping[str, Collection[str] | None]
"""The columns of other streams, by `source.stream`; None: not known."""


ANY = "*"
"""In place of a stream: the source has streams that nobody knows before they land."""


class CheckFile(BaseModel):
    """A file of checks for one stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checks: list[Any]


Columns: TypeAlias = "Mapping[str, ColumnType] | Collection[str]"
"""Names of columns, with their types where these are known."""


def read_check_file(
    document: Document, *, columns: Columns | None = None, tables: Tables | None = None
) -> tuple[Expectation, ...]:
    """The checks of a `checks/<stream>.yml`. Raises `Misconfigured`."""
    return read_checks(
        document, document.parse(CheckFile).checks, ("checks",), columns=columns, tables=tables
    )


def read_checks(
    document: Document,
    items: Collection[Any],
    path: tuple[Key, ...],
    *,
    columns: Columns | None = None,
    tables: Tables | None = None,
) -> tuple[Expectation, ...]:
    """The checks that stand at `path` of a document.

    `columns` are the fields of the stream's records; None: not known. `tables` are those of other streams that
    are known, as `source.stream`. Raises `Misconfigured` with all mistakes.
    """
    found, wrong, known = list[Expectation](), list[str](), kinds()
    for number, item in enumerate(items):
        try:
            check = _read(document, item, (*path, number), known, columns)
            _answerable(document, check, (*path, number, check.name()), columns, tables or {})
            found.append(check)
        except Misconfigured as error:
            wrong.append(str(error).replace("\n  ", "; "))
    if wrong:
        raise Misconfigured("\n".join(wrong))
    return tuple(found)


def _read(
    document: Document,
    item: Any,
    path: tuple[Key, ...],
    known: dict[str, type[Expectation]],
    columns: Columns | None,
) -> Expectation:
    match item:
        case str():
            name, arguments = item, None
        case dict() if len(item) == 1:
            ((name, arguments),) = item.items()
        case _:
            raise document.error(
                "is no check",
                *path,
                hint="write one check as: - expect_column_values_to_not_be_null: { column: id }",
            )
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f'did you mean "{near[0]}"?' if near else "docs/checks.md lists the known ones"
        raise document.error(f'unknown expectation "{name}"', *path, hint=hint)
    inner = Document(arguments or {}, _below(document, (*path, name)), document.file)
    check = inner.parse(known[name])
    _columns_known(document, check, (*path, name), columns)
    return check


def _columns_known(
    document: Document, check: Expectation, path: tuple[Key, ...], columns: Columns | None
) -> None:
    if columns is None or check.about_columns:
        return
    for column in check.columns():
        if column not in columns:
            error = unknown("column", column, columns)
            raise document.error(f"{check.name()}: {error.message}", *path, hint=error.hint)


def _answerable(
    document: Document,
    check: Expectation,
    path: tuple[Key, ...],
    columns: Columns | None,
    tables: Tables,
) -> None:
    """Raises `Misconfigured` where no rows could answer the check, by the types that the contract tells."""
    types = columns if isinstance(columns, Mapping) else {}
    wrong = [(argument, f"{check.name()}: {argument}: {why}", "") for argument, why in misfits(check, types)]
    if isinstance(check, ExpectColumnValuesToBeInTable):
        wrong += _foreign(check, tables)
    for argument, text, hint in wrong[:1]:
        raise document.error(text, *path, argument, hint=hint)


def _foreign(check: ExpectColumnValuesToBeInTable, tables: Tables) -> list[tuple[str, str, str]]:
    source, _, stream = check.to.partition(".")
    own = {name.partition(".")[2]: fields for name, fields in tables.items() if name.startswith(f"{source}.")}
    if own and not own.keys() & {stream, ANY}:
        error = unknown("stream", stream, own)
        return [("to", f"{check.name()}: {error.message} of {source}", error.hint)]
    fields = own.get(stream)
    if fields is None or check.field in fields or check.field.startswith("_sluice"):
        return []
    error = unknown("column", check.field, fields)
    return [("field", f"{check.name()}: {error.message} of {check.to}", error.hint)]


def _below(document: Document, path: tuple[Key, ...]) -> Any:
    """The places under `path`, or those of the nearest thing around it."""
    spot = document.positions
    for key in path:
        spot = spot.children.get(key, spot)
    return spot


def to_document(check: Expectation) -> dict[str, Any]:
    """The check as a mapping of one key, as it is written."""
    arguments = check.arguments()
    if check.severity != Expectation.model_fields["severity"].default:
        arguments["severity"] = check.severity.value
    if check.notes:
        arguments["notes"] = check.notes
    return {check.name(): arguments}
