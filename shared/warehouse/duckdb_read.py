r"""How DuckDB reads parts: every column by a type that is said, none guessed, and the part that each row came from.

Facts that shaped this (DuckDB 2.0): JSON numbers pass through a double on their way to DECIMAL; `1.5` becomes BIGINT 2;
BLOB takes text as bytes, without base64; TIME drops an offset; `new_line='\r\n'` reads no row, without an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import COMMIT, PART, RUN, digits, literal, quoted
from shared.warehouse.exact import is_exact, rewrite
from shared.warehouse.ports import StagedPart
from shared.warehouse.text import csv_header

FILE = "_sluice_file"
OBJECT_BYTES = 16 << 20
LONG_LINE = 64 << 20
MOST_DIGITS = 38

_TYPES = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    # Only text keeps the offset of a time of day in every warehouse.
    ColumnType.TIME: "VARCHAR",
    ColumnType.JSON: "JSON",
    ColumnType.UUID: "UUID",
    ColumnType.BINARY: "BLOB",
}
_READ = {ColumnType.INTEGER: "HUGEINT", ColumnType.DECIMAL: "VARCHAR", ColumnType.BINARY: "VARCHAR"}


def type_of(column: Column, *, wide: bool = False) -> str:
    """The type of a column in a final table; `wide` is for integers beyond 64 bits."""
    match column.type:
        case ColumnType.DECIMAL:
            total, scale = digits(column)
            return f"DECIMAL({total},{scale})"
        case ColumnType.INTEGER if wide:
            return "HUGEINT"
        case kind:
            return _TYPES[kind]


def stage_type(column: Column) -> str:
    """As `type_of`; integers of a stage are wide, so that the widest is known before the final table is touched."""
    return type_of(column, wide=True)


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that one statement reads: JSON lines, or CSV of one header.

    `places` are their positions in the load; DuckDB sets aside about twice `longest`, bytes, for each thread.
    """

    parts: tuple[StagedPart, ...]
    places: tuple[int, ...]
    header: tuple[str, ...] | None = None
    longest: int = OBJECT_BYTES

    @property
    def compression(self) -> str:
        return "gzip" if self.parts[0].format.endswith(".gz") else "none"

    def select(self, columns: Sequence[Column], names: Mapping[str, str]) -> str:
        """A query with the columns of a stage: the table's, ours, and the part."""
        place = f"list_position({literal([str(part.file) for part in self.parts])}, {FILE})"
        ours = [
            f"list_extract({literal([part.run for part in self.parts])}, {place}) AS {RUN}",
            f"list_extract({literal([part.commit for part in self.parts])}, {place}) AS {COMMIT}",
            f"list_extract({literal(self.places)}, {place}) AS {PART}",
        ]
        present = {column.name for column in columns if self.header is None or column.name in self.header}
        values = [
            f"CAST({_value(column, quoted(names[column.name]))} AS {stage_type(column)})"
            if column.name in present
            else "NULL"
            for column in columns
        ]
        kinds = {names[column.name]: _READ.get(column.type, stage_type(column)) for column in columns}
        return f"SELECT {', '.join([*values, *ours])} FROM {self.read(kinds, names)}"

    def read(self, kinds: Mapping[str, str], names: Mapping[str, str]) -> str:
        """The table function over the files. `kinds`: type by column; `names`: column by field."""
        files = literal([str(part.file) for part in self.parts])
        common = f"compression={literal(self.compression)}, filename={literal(FILE)}"
        if self.header is None:
            # A record without a single column of ours is a row all the same.
            columns = _struct(kinds or {"_sluice_nothing": "VARCHAR"})
            return (
                f"read_json({files}, columns={columns}, format='newline_delimited', records=true, "
                f"maximum_object_size={self.longest}, {common})"
            )
        named = [names.get(field, f"_sluice_skip_{place}") for place, field in enumerate(self.header)]
        columns = _struct({name: kinds.get(name, "VARCHAR") for name in named})
        return (
            f"read_csv({files}, columns={columns}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
            f"nullstr='', allow_quoted_nulls=false, strict_mode=true, "
            f"max_line_size={self.longest}, buffer_size={2 * self.longest}, {common})"
        )


def groups(parts: Sequence[StagedPart]) -> Iterator[Group]:
    """The parts in as few statements as can read them, in their order."""
    headers = [tuple(csv_header(part)) if part.format.startswith("csv") else None for part in parts]
    keys = [(part.format, header) for part, header in zip(parts, headers, strict=True)]
    for (_, header), places in groupby(range(len(parts)), key=keys.__getitem__):
        found = tuple(places)
        yield Group(tuple(parts[place] for place in found), found, header)


def rewritten(group: Group, columns: Sequence[Column], names: Mapping[str, str], *, folder: Path) -> Group:
    """The group with its JSON lines rewritten into `folder` (see `exact`); CSV is exact as it is."""
    if group.header is not None:
        return replace(group, longest=LONG_LINE)
    parts, longest = [], OBJECT_BYTES
    for place, part in zip(group.places, group.parts, strict=True):
        target = folder / f"exact-{place:05d}.jsonl"
        longest = max(longest, rewrite(part, target, columns=columns, names=names))
        parts.append(replace(part, file=target, format="jsonl"))
    return replace(group, parts=tuple(parts), longest=longest)


def needs_rewriting(columns: Sequence[Column], names: Mapping[str, str]) -> bool:
    return any(is_exact(column) or names[column.name] != column.name for column in columns)


def doubts(group: Group, columns: Sequence[Column]) -> Sequence[Column]:
    """The columns whose values may fail to be read."""
    safe = {ColumnType.STRING, ColumnType.TIME} | ({ColumnType.JSON} if group.header is None else set())
    return [column for column in columns if column.type not in safe]


def tried(column: Column, name: str) -> str:
    """An expression that is null where the text in `name` is no value of the column."""
    if column.type is ColumnType.BINARY:
        return f"TRY({_value(column, name)})"
    return f"TRY_CAST({_value(column, name)} AS {stage_type(column)})"


def _value(column: Column, name: str) -> str:
    """The value of a column out of what was read."""
    match column.type:
        case ColumnType.DECIMAL:
            _, scale = digits(column)
            # DuckDB rounds without a word: a digit behind the scale that is not 0 must make the cast fail.
            cut = literal(f"(\\.[0-9]{{{scale}}}[0-9]*[1-9])|[eE]")
            return f"CASE WHEN regexp_matches({name}, {cut}) THEN 'would be rounded' ELSE {name} END"
        case ColumnType.BINARY:
            return f"from_base64({name})"
        case _:
            return name


def _struct(kinds: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items()) + "}"
