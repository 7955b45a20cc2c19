"""`sluice check`: can the source be reached, and is its credential right?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Violation
from src.cli.app import json_option, verb
from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.workplace import Workplace


@verb(
    "check",
    "sluice check recurly",
    "sluice check acme --source-file acme.yml --set base_url=https://staging.acme.com",
)
@click.argument("source")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value of the source.yml."
)
@json_option
@click.pass_obj
def check(screen: Screen, source: str, source_file: Path | None, changes: tuple[str, ...]) -> None:
    """Test the connection and the credentials of SOURCE, and say what is wrong.

    One small request: the first page of its first stream, or the `check:` path of its file. Secrets and the address of
    the warehouse are looked at before.
    """
    from src.cli.probe import probe
    from src.cli.run import changes_of
    from src.preflight import preflight
    from src.workplace import Workplace

    place = Workplace.open()
    found = place.source(source, file=source_file, changes=changes_of(changes))
    screen.say(
        f"{source}: {found.file} is valid, {len(found.spec.streams) + len(found.spec.reports)} streams"
    )
    preflight(place, found)
    if found.sql is not None:
        _tables(screen, place, found)
        return
    seen = probe(place, found)
    screen.say(f"{source}: {seen.url} answered {seen.status} in {spoken(seen.seconds)}")
    if seen.records == 0:
        screen.say(f"{seen.stream}: no record is there yet, so none could be held against the contract")
    elif seen.records is not None:
        screen.say(f"{seen.stream}: {seen.records} records on the page, {seen.rejected} break the contract")
    if seen.rejected:
        raise Violation(
            f"{seen.rejected} of {seen.records} records break the contract, the first one at {seen.reason}",
            hint="change the stream's `columns` or `contract`, or tell the owner of the data",
            source=source,
            stream=seen.stream,
        )
    screen.say("all is well")
    screen.answer({"source": source, "ok": True, **asdict(seen)})


def _tables(screen: Screen, place: Workplace, source: Source) -> None:
    """A database: every table is looked at, and none is read."""
    from src.cli.probe_sql import probe_tables

    tables = probe_tables(place, source)
    for one in tables:
        key = ", ".join(one["key"]) or "no key"
        screen.say(f"{one['stream']}: {one['table']} has {len(one['columns'])} columns, {key}")
    screen.say("all is well")
    screen.answer({"source": source.name, "ok": True, "tables": tables})
