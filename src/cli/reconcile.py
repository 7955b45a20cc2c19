"""`sluice reconcile`: hold what landed, the ledger and the tables against each other, and name any difference."""

from __future__ import annotations

from pathlib import Path

import click

from src.cli.app import json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen, table

_BY_REPLAY = ("ledger:", "loads:", "table:")
"""What a replay of everything mends, as long as all that has landed is there."""


@verb(
    "reconcile",
    "sluice reconcile recurly",
    "sluice reconcile recurly --streams accounts --json | jq '.streams[].differences'",
)
@click.argument("source")
@click.option("--streams", metavar="A,B", help="Only these streams.")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@json_option
@click.pass_context
def reconcile(context: click.Context, source: str, streams: str | None, source_file: Path | None) -> None:
    """Compare commits, quarantine, ledger, loads and final tables of SOURCE, and name what does not fit.

    Rows that wait to be loaded are no difference. No table is changed. Exit code 4: there is a difference.
    """
    from src.loading import known_streams, listed, nothing_landed, reconciled
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    found = place.source(source, file=source_file)
    landed = known_streams(place, source)
    names = listed(streams, [*found.spec.streams, *landed], source) if streams else landed
    results = reconciled(place, found, names)
    head = ("stream", "commits", "rows", "rejected", "waiting", "in the table", "")
    rows = [
        (
            one.stream,
            f"{one.commits:,}",
            f"{one.rows:,}",
            f"{one.rejected:,}",
            f"{one.waiting_rows:,}",
            f"{one.table_rows:,}",
            "differs" if one.differences else "fits",
        )
        for one in results
    ]
    screen.say(table(rows, head=head, right=[1, 2, 3, 4, 5]) if rows else nothing_landed(place, source))
    differ = [one for one in results if one.differences]
    for one in differ:
        for difference in one.differences:
            screen.warn(f"{one.source}.{one.stream}: {difference}")
    mended = [one.stream for one in differ if all(d.startswith(_BY_REPLAY) for d in one.differences)]
    if mended:
        screen.warn(
            f"  hint:  sluice load {source} --streams {','.join(mended)} --replay-from 0 loads anew what has landed"
        )
    code = Exit.VIOLATION if differ else Exit.DONE
    screen.answer({"source": source, "streams": [one.to_json() for one in results], "exit_code": int(code)})
    context.exit(code)
