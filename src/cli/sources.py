"""`sluice sources`: which sources there are."""

from __future__ import annotations

import click

from shared.common.errors import SluiceError
from src.cli.app import json_option, verb
from src.cli.outcome import exit_code
from src.cli.screen import Screen, table


@verb("sources", "sluice sources", "sluice sources --json")
@json_option
@click.pass_context
def sources(context: click.Context) -> None:
    """List the sources: every src/SOURCE/source.yml, with its streams."""
    from src.workplace import Workplace, source_files

    screen: Screen = context.obj
    place = Workplace.open()
    found, errors = [], []
    for name, path in source_files().items():
        try:
            spec = place.source(name).spec
        except SluiceError as error:
            errors.append(error)
            continue
        streams = [*spec.streams, *spec.reports]
        found.append({"source": name, "base_url": spec.base_url, "streams": streams, "file": str(path)})
    if found:
        rows = [(one["source"], len(one["streams"]), one["base_url"]) for one in found]
        screen.say(table(rows, head=("source", "streams", "base_url"), right=[1]))
    elif not errors:
        screen.say("there are none yet: sluice new source NAME")
    for failed in errors:
        screen.fail(failed)
    screen.answer({"sources": found, "errors": [str(error) for error in errors]})
    context.exit(exit_code(errors))
