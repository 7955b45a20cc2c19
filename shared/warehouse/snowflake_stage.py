"""Fills the stage of a load on Snowflake: the raw tables, what they held, and the typed rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from shared.common.errors import Violation
from shared.contracts.columns import Column
from shared.warehouse.ddl import COMMIT, PART, RUN, quoted
from shared.warehouse.ports import StagedPart
from shared.warehouse.snowflake_connection import Connection
from shared.warehouse.snowflake_copy import FILE, FILES_PER_COPY, ROW, Chunk, Raw, chunks, name_of, verify
from shared.warehouse.snowflake_files import Files
from shared.warehouse.snowflake_values import INTEGER, text, type_of, value, wrong

_T = TypeVar("_T")

PLACE = "_sluice_place"
"""The column of a stage that grows in the order of the log."""

_ROWS_PER_PART = 10**10


@dataclass(slots=True)
class Filling:
    """One attempt to stage one load. `label` makes the names of its tables its own."""

    connection: Connection
    files: Files
    schema: str
    label: str
    columns: Sequence[Column]
    names: Mapping[str, str]
    match: bool
    most: int = FILES_PER_COPY
    _raws: dict[bool, Raw] = field(default_factory=dict)

    @property
    def table(self) -> str:
        return f"{self.schema}.{quoted(f'load:{self.label}')}"

    def fill(self, parts: Sequence[StagedPart]) -> tuple[int, ...]:
        """Make the stage; returns the rows of each part. Raises `Violation` for values that are none of their
        column.
        """
        kinds = [f"{quoted(self.names[c.name])} {type_of(c)}" for c in self.columns]
        ours = [f"{RUN} VARCHAR", f"{COMMIT} {INTEGER}", f"{PART} {INTEGER}", f"{PLACE} {INTEGER}"]
        self.connection.query(f"CREATE TEMPORARY TABLE {self.table} ({', '.join([*kinds, *ours])})")
        origins: dict[str, tuple[StagedPart, int]] = {}
        rows: dict[str, int] = {}
        for chunk in chunks(parts, most=self.most):
            names = self.files.names(self.connection, chunk.parts, chunk.places)
            origins |= zip(names, zip(chunk.parts, chunk.places, strict=True), strict=True)
            rows |= self._copied(chunk, names)
        for raw in self._raws.values():
            files = self._counted(raw, rows, origins)
            self._refuse_wrong(raw, {file: part.key for file, (part, _) in files.items()})
            for some in batched(files.items(), self.most):
                self._insert(raw, some)
            self.connection.query(raw.drop())
        found = self.connection.query(f"SELECT {PART}, COUNT(*) FROM {self.table} GROUP BY {PART}")
        counts = {int(place): int(count) for place, count in found}
        return tuple(counts.get(place, 0) for place in range(len(parts)))

    def _copied(self, chunk: Chunk, names: Sequence[str]) -> dict[str, int]:
        raw = self._raws.get(chunk.csv)
        if raw is None:
            kind = "csv" if chunk.csv else "json"
            name = f"{self.schema}.{quoted(f'raw:{self.label}:{kind}')}"
            raw = self._raws[chunk.csv] = Raw(name, self.columns, self.names, chunk.csv)
            self.connection.query(raw.create())
        copy = raw.copy(self.files.stage, names, header=chunk.header, match=self.match)
        return verify(self.connection.query(copy), names)

    def _counted(
        self, raw: Raw, said: Mapping[str, int], origins: Mapping[str, tuple[StagedPart, int]]
    ) -> dict[str, tuple[StagedPart, int]]:
        """The parts by what Snowflake calls their files. What COPY said must be what is there."""
        files = {}
        for file, count in self.connection.query(raw.counted()):
            name = name_of(file, origins)
            if name is None or said[name] != int(count):
                raise Violation(
                    f"{count} rows came out of a file, and Snowflake said that it loaded {said.get(name or '', 0)}",
                    hint="load again; the final table is as it was",
                    part=origins[name][0].key if name else file,
                )
            files[file] = origins[name]
        return files

    def _refuse_wrong(self, raw: Raw, parts: Mapping[str, str]) -> None:
        """One query counts what is no value of its column."""
        doubts = [
            (column, place, test)
            for column in self.columns
            for place in [f"r.{quoted(self.names[column.name])}"]
            if (test := wrong(column, place, csv=raw.csv))
        ]
        if not doubts:
            return
        where = f"{FILE} || '\\n' || LPAD(CAST({ROW} AS VARCHAR), 12, '0') || '\\n'"
        first = f"MIN(IFF({{0}}, {where} || CAST({{1}} AS VARCHAR), NULL))"
        found = [f"COUNT_IF({test}), {first.format(test, place)}" for _, place, test in doubts]
        (answer,) = self.connection.query(f"SELECT {', '.join(found)} FROM {raw.name} r")
        for number, (column, _, _) in enumerate(doubts):
            count, example = answer[2 * number : 2 * number + 2]
            if count:
                file, row, shown = example.split("\n", 2)
                raise Violation(
                    f'{"row" if raw.csv else "line"} {int(row)}: the value of column "{column.name}" is no '
                    f"{column.type.value}, like {shown.strip(chr(34))!r:.80}; there are {count} of them",
                    hint="correct the type in the contract, or the records at their source",
                    part=parts[file],
                    column=column.name,
                )

    def _insert(self, raw: Raw, files: Sequence[tuple[str, tuple[StagedPart, int]]]) -> None:
        into = [quoted(self.names[column.name]) for column in self.columns]
        values = [value(c, f"r.{quoted(self.names[c.name])}", csv=raw.csv) for c in self.columns]
        origins = ", ".join(
            f"({text(file)}, {text(part.run)}, {part.commit}, {place})" for file, (part, place) in files
        )
        self.connection.query(
            f"INSERT INTO {self.table} ({', '.join([*into, RUN, COMMIT, PART, PLACE])}) "
            f"SELECT {', '.join([*values, 'p.run', 'p.landed', 'p.part'])}, p.part * {_ROWS_PER_PART} + r.{ROW} "
            f"FROM {raw.name} r JOIN (SELECT column1 AS file, column2 AS run, column3 AS landed, column4 AS part "
            f"FROM VALUES {origins}) p ON r.{FILE} = p.file"
        )


def batched(values: Iterable[_T], most: int) -> Iterator[tuple[_T, ...]]:
    """The values, `most` at a time."""
    rest = iter(values)
    while some := tuple(islice(rest, most)):
        yield some
