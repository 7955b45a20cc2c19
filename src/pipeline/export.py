"""Outputs that are files: what has landed, or the rows of a query, as CSV, JSON lines or Parquet in a folder or S3."""

# ruff: noqa: S608 - paths are quoted, and the SQL is its author's

from __future__ import annotations

import csv
import gzip
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured
from shared.pipelines.outputs import path_fault
from shared.pipelines.runner.executor import Task
from shared.pipelines.step import Step
from shared.pipelines.work import Ref, Write
from src.pipeline.objects import check_place, duckdb_for, format_of, names_in, put, remove

if TYPE_CHECKING:
    from shared.landing.commit import Commit, Part
    from src.workplace import Workplace

_READERS = {
    "jsonl": "read_json({}, format = 'newline_delimited', sample_size = -1)",
    "csv": "read_csv({}, header = true, sample_size = -1)",
}
_WRITERS = {"jsonl": "FORMAT json", "csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet"}


def check_folder(ref: Ref, step: Step) -> None:
    """Raises `Misconfigured` where what has landed cannot be written, before anything lands."""
    check_place(ref, step)
    format_of(ref, step)
    if not ref.path.endswith("/"):
        raise Misconfigured(
            f'output "{ref.name}": an ingestion adds files, and {ref.path} is one',
            hint="give it a folder, with / at its end",
            step=step.name,
            at=step.place,
        )


def landed(place: Workplace, source: str, streams: Iterable[str], ref: Ref, task: Task) -> int:
    """Write what has landed of these streams and is not in the output's folder yet; how many files that made.

    A file is named by its commit, `<stream>-<sequence>-<part>`: each part is there exactly once, whatever is repeated.
    """
    form, there, made = format_of(ref, task.step), names_in(ref, task.step), 0
    for stream in streams:
        wanted: set[str] = set()
        for commit in _current(place, source, stream):
            for number, part in enumerate(commit.draft.parts):
                ending = f"{form}.gz" if form != "parquet" and _kind(part) == form else form
                name = f"{stream}-{commit.sequence:010d}-{number:03d}.{ending}"
                wanted.add(name)
                if name not in there:
                    with _as(place, part, form) as file:
                        put(ref, name, file, task.step)
                    made += 1
        own = re.compile(rf"{re.escape(stream)}-[0-9]{{10}}-[0-9]{{3}}\..+")
        for name in sorted(there - wanted):
            if own.fullmatch(name):
                remove(ref, name)
    return made


def _current(place: Workplace, source: str, stream: str) -> list[Commit]:
    """The commits whose rows are the stream's: all, or from the newest whole snapshot on, which replaces the others.

    A snapshot that is still being taken is not there yet.
    """
    from shared.landing.log import CommitLog

    commits = list(CommitLog(place.store, source, stream, place.clock).since(0))
    whole = [one.draft.run for one in commits if one.draft.snapshot and one.draft.resume is None]
    if not whole:
        return [one for one in commits if not one.draft.snapshot]
    first = next(number for number, one in enumerate(commits) if one.draft.run == whole[-1])
    return [one for one in commits[first:] if not one.draft.snapshot or one.draft.run == whole[-1]]


@contextmanager
def _as(place: Workplace, part: Part, form: str) -> Iterator[Path]:
    """A part as a file of a format; one that has it already is copied as it is, after it was proven."""
    from isal import igzip

    from shared.landing.reader import read_part

    with TemporaryDirectory(prefix="sluice-step-") as folder:
        own = _kind(part)
        target = Path(folder) / f"part.{form}"
        packed = own == form
        read = target if packed else Path(folder) / f"read.{own}"
        opened: Any = igzip.open(read, "wb") if packed else read.open("wb")
        with closing(read_part(place.store, part)) as source, opened as file:
            shutil.copyfileobj(source, file)
        if not packed:
            _convert(read, own, target, form)
        yield target


def _kind(part: Part) -> str:
    from shared.landing.layout import format_of as layout_format

    return layout_format(part.key).removesuffix(".gz")


def _convert(source: Path, own: str, target: Path, form: str) -> None:
    with duckdb_for(f"writing {form} from {own}").connect() as connection:
        reader = _READERS[own].format(_text(source))
        connection.execute(f"COPY (SELECT * FROM {reader}) TO {_text(target)} ({_WRITERS[form]})")


def query(
    cursor: Any, sql: str, values: Sequence[Any], ref: Ref, write: Write, task: Task
) -> tuple[int, str]:
    """Write the rows of a query; how many, and where. `append` makes a file of its own for each run, in a folder."""
    form = format_of(ref, task.step)
    if write is Write.APPEND and not ref.path.endswith("/"):
        raise Misconfigured(
            f'output "{ref.name}": nothing is appended to the file {ref.path}',
            hint="give it a folder, with / at its end: each run makes a file of its own there",
            step=task.step.name,
            at=task.step.place,
        )
    name = f"{task.facts.id if write is Write.APPEND else ref.name}.{form}"
    if fault := path_fault(ref):
        raise Misconfigured(f'output "{ref.name}": {fault}', step=task.step.name, at=task.step.place)
    with TemporaryDirectory(prefix="sluice-step-") as folder:
        file = Path(folder) / f"rows.{form}"
        if type(cursor).__module__.startswith(("duckdb", "_duckdb")):
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE sluice_rows AS {sql}", list(values) or None)
            rows = int(cursor.execute("SELECT count(*) FROM sluice_rows").fetchone()[0])
            cursor.execute(f"COPY sluice_rows TO {_text(file)} ({_WRITERS[form]})")
        else:
            rows = _drain(cursor, sql, values, file, form)
        if ref.path.lower().endswith(".gz"):
            file = _packed(file)
        return rows, put(ref, name, file, task.step)


def _packed(file: Path) -> Path:
    """The file as gzip, beside it; the same rows are the same bytes."""
    packed = file.with_name(f"{file.name}.gz")
    with (
        file.open("rb") as source,
        packed.open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as zipped,
    ):
        shutil.copyfileobj(source, zipped)
    return packed


def _drain(cursor: Any, sql: str, values: Sequence[Any], file: Path, form: str) -> int:
    """Rows as any driver gives them, in batches."""
    import msgspec

    cursor.execute(sql, tuple(values) or None)
    names = [column[0] for column in cursor.description]
    lines = file if form != "parquet" else file.with_suffix(".jsonl")
    encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
    rows = 0
    with lines.open("w", encoding="utf-8", newline="") as target:
        table = csv.writer(target, lineterminator="\n")
        if form == "csv":
            table.writerow(names)
        while batch := cursor.fetchmany(5000):
            rows += len(batch)
            if form == "csv":
                table.writerows(batch)
            else:
                target.writelines(encode(dict(zip(names, row, strict=True))).decode() + "\n" for row in batch)
    if form == "parquet":
        if not rows:
            raise Misconfigured(
                "a query without rows tells no types, and Parquet needs them", hint="use csv or jsonl"
            )
        _convert(lines, "jsonl", file, form)
    return rows


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
