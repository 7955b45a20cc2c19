"""`sluice load`: bring what has landed into the warehouse."""

from __future__ import annotations

from pathlib import Path

import click

from src.cli.app import json_option, verb
from src.cli.outcome import exit_code
from src.cli.screen import Screen, table


@verb("load", "sluice load recurly", "sluice load recurly --streams accounts,plans --json")
@click.argument("source")
@click.option("--streams", metavar="A,B", help="Only these streams.")
@click.option("--source-file", type=click.Path(path_type=Path), help="A source.yml that lies elsewhere.")
@json_option
@click.pass_context
def load(context: click.Context, source: str, streams: str | None, source_file: Path | None) -> None:
    """Load the commits of SOURCE that the warehouse does not have yet. Twice does no harm."""
    from src.cli.stop import Stop
    from src.loading import Loads, landed_streams, listed
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    screen.redactor = place.redactor
    found = place.source(source, file=source_file)
    landed = landed_streams(place.store, source)
    names = listed(streams, [*found.spec.streams, *landed], source) if streams else landed
    with Stop() as stop, Loads(place, found) as loads:
        for name in names:
            loads.ask(name)
        loads.wait(stop)
    rows = [
        (one.stream, one.status, f"{one.rows:,}", f"{one.seconds:.1f} s") for one in loads.reports.values()
    ]
    screen.say(
        table(rows, head=("stream", "", "rows", "time"), right=[2, 3])
        if rows
        else f"{source}: nothing has landed"
    )
    for name, error in loads.failed.items():
        screen.fail(error, label=f"load of {name} failed")
    code = stop.exit_code or exit_code(loads.failed.values(), others=loads.reports)
    screen.answer({"source": source, "loads": loads.to_json(), "exit_code": int(code)})
    context.exit(int(code))
