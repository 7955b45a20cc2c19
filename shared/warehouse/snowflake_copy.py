"""COPY: exactly these files of the landing zone into the raw table of one load, and proof of what came in.

The table belongs to one load and one session (it is temporary), so nothing can be in it twice: no file was
ever loaded into it before, and when the answer of a COPY is lost, the table is lost with its session and made
anew under another name. Snowflake's own memory of loaded files (64 days, per table) is never relied on.

With `names=exact`, COPY matches fields to columns by name (MATCH_BY_COLUMN_NAME). With `names=upper`, or when
a column is not called like its field, it cannot (`id` and `Id` would be one), so the fields are picked by a
SELECT over the file: `$1['id']`. CSV is always picked by place: with MATCH_BY_COLUMN_NAME, fields that differ
in case alone would be one as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from shared.common.errors import Misconfigured, Transient
from shared.contracts.columns import Column
from shared.warehouse.ddl import quoted
from shared.warehouse.ports import StagedPart
from shared.warehouse.snowflake_connection import Row
from shared.warehouse.snowflake_values import raw_type, text
from shared.warehouse.text import csv_header

FILE, ROW = "_sluice_file", "_sluice_row"
"""Columns of a raw table: the file that a row came from, and its place in it."""

FILES_PER_COPY = 1_000
"""Snowflake takes no more names in FILES."""

JSON_FORMAT = (
    "TYPE = JSON COMPRESSION = AUTO ALLOW_DUPLICATE = TRUE STRIP_OUTER_ARRAY = FALSE STRIP_NULL_VALUES = FALSE "
    "NULL_IF = ()"
)
# Nothing unquoted is NULL, "" is the empty text, and a backslash is a backslash (Snowflake's defaults say otherwise).
CSV_FORMAT = (
    "TYPE = CSV COMPRESSION = AUTO SKIP_HEADER = 1 FIELD_DELIMITER = ',' FIELD_OPTIONALLY_ENCLOSED_BY = '\"' "
    "ESCAPE = NONE ESCAPE_UNENCLOSED_FIELD = NONE EMPTY_FIELD_AS_NULL = TRUE NULL_IF = () TRIM_SPACE = FALSE "
    "ENCODING = 'UTF8'"
)

_METADATA = "METADATA$FILENAME, METADATA$FILE_ROW_NUMBER"
_LOADED = "LOADED"


@dataclass(frozen=True, slots=True)
class Raw:
    """A temporary table for what COPY reads of the fields of a load, from parts of JSON lines or of CSV."""

    name: str
    columns: Sequence[Column]
    names: Mapping[str, str]
    csv: bool

    def create(self) -> str:
        fields = [f"{quoted(self.names[c.name])} {raw_type(c, csv=self.csv)}" for c in self.columns]
        listed = ", ".join([*fields, f"{FILE} VARCHAR", f"{ROW} NUMBER(38,0)"])
        return f"CREATE TEMPORARY TABLE {self.name} ({listed})"

    def drop(self) -> str:
        return f"DROP TABLE IF EXISTS {self.name}"

    def counted(self) -> str:
        """How many rows came out of each file."""
        return f"SELECT {FILE}, COUNT(*) FROM {self.name} GROUP BY {FILE}"

    def copy(self, stage: str, files: Sequence[str], *, header: Sequence[str] | None, match: bool) -> str:
        """Read `files`, which lie in `stage`; `header`: the fields of CSV in their order."""
        if match and not self.csv and all(self.names[c.name] == c.name for c in self.columns):
            found = (
                f"INTO {self.name} FROM {stage} {self._files(files)} MATCH_BY_COLUMN_NAME = CASE_SENSITIVE "
                f"INCLUDE_METADATA = ({FILE} = METADATA$FILENAME, {ROW} = METADATA$FILE_ROW_NUMBER)"
            )
        else:
            picked = list(self._picked(header))
            into = ", ".join([*(quoted(name) for name, _ in picked), FILE, ROW])
            fields = ", ".join([*(field for _, field in picked), _METADATA])
            found = f"INTO {self.name} ({into}) FROM (SELECT {fields} FROM {stage}) {self._files(files)}"
        return f"COPY {found} ON_ERROR = ABORT_STATEMENT"

    def _picked(self, header: Sequence[str] | None) -> Iterator[tuple[str, str]]:
        """The columns, and where each is in a record."""
        for column in self.columns:
            name = self.names[column.name]
            if header is None:
                kind = raw_type(column, csv=False)
                field = f"$1[{text(column.name)}]"
                yield name, field if kind == "VARIANT" else f"{field}::{kind}"
            elif column.name in header:
                yield name, f"${header.index(column.name) + 1}"

    def _files(self, files: Sequence[str]) -> str:
        form = CSV_FORMAT if self.csv else JSON_FORMAT
        return f"FILES = ({', '.join(map(text, files))}) FILE_FORMAT = ({form})"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Parts that one COPY reads, with their places in the load."""

    parts: tuple[StagedPart, ...]
    places: tuple[int, ...]
    header: tuple[str, ...] | None

    @property
    def csv(self) -> bool:
        return self.header is not None


def chunks(parts: Sequence[StagedPart], *, most: int = FILES_PER_COPY) -> Iterator[Chunk]:
    """The parts in as few COPYs as can read them, in their order."""
    headers = [tuple(csv_header(part)) if part.format.startswith("csv") else None for part in parts]
    for header, places in groupby(range(len(parts)), key=headers.__getitem__):
        rest = iter(places)
        while some := tuple(islice(rest, most)):
            yield Chunk(tuple(parts[place] for place in some), some, header)


def verify(answer: Iterable[Row], names: Collection[str]) -> dict[str, int]:
    """The rows of each file that a COPY of the files `names` says it has loaded.

    Raises `Transient` when a file was not loaded: then nothing was, and the load begins anew.
    """
    found: dict[str, int] = {}
    for row in answer:
        if len(row) < 4:
            break  # "Copy executed with 0 files processed."
        name = name_of(str(row[0]), names)
        if name is None or row[1] != _LOADED:
            raise Transient(
                f"Snowflake answered {row[1]!r} for a file of a COPY", hint="load again", file=row[0]
            )
        found[name] = int(row[3])
    if missing := set(names) - found.keys():
        raise Misconfigured(
            f"Snowflake found {len(found)} of {len(names)} parts in its stage",
            hint="the stage must point at the landing zone of LANDING_URL: sluice warehouse apply",
            part=min(missing),
        )
    return found


def name_of(file: str, names: Collection[str]) -> str | None:
    """Which of `names` a file of a stage is: Snowflake says its path in the bucket, or its URL.

    >>> name_of("s3://bucket/zone/landing/a/part-0.jsonl.gz", {"landing/a/part-0.jsonl.gz"})
    'landing/a/part-0.jsonl.gz'
    """
    rest = file
    while rest:
        if rest in names:
            return rest
        _, _, rest = rest.partition("/")
    return None
