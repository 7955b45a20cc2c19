"""`sluice sweep`: delete files of the landing zone that no commit names."""

from __future__ import annotations

from dataclasses import asdict

import click

from src.cli.app import json_option, verb
from src.cli.screen import Screen, table


@verb(
    "sweep",
    "sluice sweep recurly --dry-run             what would be deleted",
    "sluice sweep recurly",
    "sluice sweep recurly --older-than 30d --json | jq '.streams[] | select(.files > 0)'",
)
@click.argument("source")
@click.option(
    "--older-than", default="7d", show_default=True, metavar="TIME", help="The least age; 2d at least."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@json_option
@click.pass_obj
def sweep(screen: Screen, source: str, older_than: str, dry_run: bool) -> None:
    """Delete the parts of SOURCE that no commit names: what killed or superseded runs have left.

    They cost storage and do no harm: nobody reads a part that no commit names. What any commit names stays, the log
    stays, and so does what a run that still works could commit.
    """
    from shared.common.instants import parse_duration
    from shared.landing.log import CommitLog
    from shared.landing.streams import landed_streams
    from shared.landing.sweeping import sweep_orphans
    from src.workplace import Workplace

    place = Workplace.open()
    screen.redactor = place.redactor
    age = parse_duration(older_than)
    found = [
        sweep_orphans(
            place.store,
            CommitLog(place.store, source, stream, place.clock),
            older_than=age,
            dry_run=dry_run,
            tell=lambda info: screen.warn(f"{'would delete' if dry_run else 'deletes'} {info.key}"),
        )
        for stream in landed_streams(place.store, source)
    ]
    left = [one for one in found if one.files]
    head = ("stream", "orphans", "bytes", "oldest")
    rows = [(one.stream, f"{one.files:,}", f"{one.bytes:,}", one.oldest) for one in left]
    where = place.redactor.url(place.settings.landing_url)
    none = "no old file is without a commit" if found else f"{source}: nothing has landed in {where}"
    screen.say(table(rows, head=head, right=[1, 2]) if rows else none)
    screen.answer({"source": source, "dry_run": dry_run, "streams": [asdict(one) for one in found]})
