"""`sluice ingest-file`: check a file line by line, land it and load it."""

from __future__ import annotations

import shutil
import sys
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from src.cli.app import json_option, verb
from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from shared.ingestion.files_report import FileReport
    from shared.ingestion.files_spec import FileSpec
    from src.loading import Loads
    from src.workplace import Workplace


@verb(
    "ingest-file",
    "sluice ingest-file events.jsonl --schema event.schema.json --table events",
    "sluice ingest-file events.csv.gz --format csv --schema event.yml --table events --primary-key id",
    "zcat events.gz | sluice ingest-file - --schema event.schema.json --table events --json",
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--schema", required=True, type=click.Path(path_type=Path), help="JSON Schema, or `columns:`, of a line."
)
@click.option("--table", required=True, metavar="NAME", help="The table; it lies in the schema `files`.")
@click.option("--warehouse", metavar="URL", help="Where the table is, instead of WAREHOUSE_URL.")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), help="By default what the name says, else jsonl."
)
@click.option("--nested", type=click.Choice(["flatten", "json"]), default="flatten", show_default=True,
              help="Nested objects as columns of their own (address.city), or as JSON.")  # fmt: skip
@click.option(
    "--primary-key", "key", metavar="A,B", default="", help="Merge by these fields, instead of appending."
)
@click.option("--max-rejected", metavar="1%",
              help="Land nothing when more of the lines break the schema. Default: 50%; of few lines all.")  # fmt: skip
@click.option("--again", is_flag=True,
              help="Land all of it once more: rows without a primary key are then there twice.")  # fmt: skip
@click.option("--no-load", is_flag=True, help="Land only; `sluice load files` loads later.")
@json_option
@click.pass_context
def ingest_file(
    context: click.Context,
    file: Path,
    schema: Path,
    table: str,
    warehouse: str | None,
    form: str | None,
    nested: str,
    key: str,
    max_rejected: str | None,
    again: bool,
    no_load: bool,
) -> None:
    """Land FILE (JSON lines or CSV, plain or gzip; - is standard input) and load it into a table.

    Every line is held against the schema. What breaks it is kept beside the landing log, with its number and the
    reasons, and the rest lands; a file of which no line fits the schema does not land (exit code 4). The same file
    again changes nothing; with a corrected schema, the lines land that were refused before and fit now.
    """
    from src.cli.stop import Stop
    from src.filing import file_spec, of_warehouse
    from src.loading import Loads
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = of_warehouse(Workplace.open(), warehouse)
    screen.redactor = place.redactor
    if not no_load:
        _ = (
            place.warehouse
        )  # its URL is read, and nothing is opened: what nobody knows is refused before all else
    spec = file_spec(
        schema, table=table, name=file.name, form=form, nested=nested, key=key, max_rejected=max_rejected
    )
    with Stop() as stop:
        report = _landed(place, spec, file, again=again)
        _say(screen, report, keyed=bool(spec.primary_key))
        if no_load:
            screen.answer({**report.to_json(), "loads": {}, "exit_code": 0})
            return
        with Loads(place, place.source("files")) as loads:
            loads.ask(table)
            loads.wait(stop)
    _end(context, screen, place, report, loads, stopped=stop.exit_code)


def _landed(place: Workplace, spec: FileSpec, file: Path, *, again: bool) -> FileReport:
    """Land the file; standard input goes through the disk first, because a file is read twice."""
    from src.filing import land_file

    if str(file) != "-":
        return land_file(place, spec, lambda: _opened(file), name=str(file), again=again)
    from shared.landing.disk import open_scratch

    target, spooled = open_scratch(place.store.scratch())
    try:
        with BufferedWriter(target) as buffered:
            shutil.copyfileobj(sys.stdin.buffer, buffered)
            buffered.flush()
            return land_file(place, spec, lambda: spooled.open("rb"), name="-", again=again)
    finally:
        spooled.unlink(missing_ok=True)


def _opened(file: Path) -> BinaryIO:
    from shared.common.errors import Misconfigured

    try:
        return file.open("rb")
    except OSError as error:
        raise Misconfigured(
            f"cannot read {file}: {error.strerror}", hint="give a file, or - for stdin"
        ) from None


def _say(screen: Screen, report: FileReport, *, keyed: bool) -> None:
    if report.known:
        _say_known(screen, report)
        return
    before = (
        f"has landed before, in commit {report.earlier}, under another schema; of the lines that were refused then "
        if report.earlier
        else ""
    )
    screen.say(
        f"{report.file}: {before}{report.rows:,} rows landed, {report.rejected:,} rejected, in {spoken(report.seconds)}"
    )
    if report.repeats and not keyed:
        screen.warn(
            f"warning: {report.file} has landed before, in commit {report.repeats}: rows of both are in the table"
        )
    for what, times in sorted(report.faults.items(), key=lambda item: -item[1])[:10]:
        screen.warn(f"  {times:,} x {what}")
    for line in report.first:
        screen.warn(f"  {line}")
    for key in report.rejected_parts:
        screen.warn(f"  they are in {key}")


def _say_known(screen: Screen, report: FileReport) -> None:
    """Nothing was done; what its owner may have hoped for all the same."""
    screen.say(f"{report.file}: has landed before, in commit {report.sequence}: nothing to do")
    if not report.rejected:
        if report.other_schema:
            screen.say("  its schema was another one then; all its lines landed, and are not read again")
        return
    if report.other_schema:
        screen.warn(
            f"  {report.rejected:,} of its lines were rejected then, and this schema refuses them, too"
        )
    else:
        screen.warn(
            f"  {report.rejected:,} of its lines were rejected then: with a corrected schema they land,"
            " and the others do not land twice"
        )
    for line in report.first:
        screen.warn(f"  {line}")
    for key in report.rejected_parts:
        screen.warn(f"  they are in {key}")


def _end(
    context: click.Context,
    screen: Screen,
    place: Workplace,
    report: FileReport,
    loads: Loads,
    *,
    stopped: int,
) -> None:
    """Say what was loaded; the exit code."""
    from src.cli.load import warn_of
    from src.cli.outcome import exit_code

    for done in loads.reports.values():
        if done.rows or done.aside:
            some = f", {done.aside:,} set aside" if done.aside else ""
            what = f"loaded {done.rows:,} rows{some}"
        else:
            what = "the table has all that has landed"
        screen.say(f"{done.table}: {what}: {place.warehouse_name}")
    warn_of(screen, loads)
    for name, error in loads.failed.items():
        screen.fail(error, label=f"load of {name} failed")
    code = stopped or exit_code(loads.failed.values())
    screen.answer({**report.to_json(), "loads": loads.to_json(), "exit_code": int(code)})
    context.exit(int(code))
