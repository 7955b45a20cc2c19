"""`docs/cli.md`, made from the commands themselves: `python -m src.cli.manual > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from src.cli.app import sluice

HEAD = """\
# The command line

`pipenv run sluice …` and `python -m src.cli …` are the same. This page is written by
`python -m src.cli.manual > docs/cli.md`; a test compares it with the commands.
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it, in the order of --help."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if found := command.get_command(context, name):
                yield from commands(found, click.Context(found, info_name=name, parent=context))


def top() -> click.Context:
    """The context of the whole tree, as wide as the page."""
    return click.Context(sluice, info_name="sluice", terminal_width=100, **sluice.context_settings)


def manual() -> str:
    """The --help page of every command, one below the other."""
    pages = [
        f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        for command, context in commands(sluice, top())
    ]
    return "\n".join([HEAD, *pages])


if __name__ == "__main__":
    sys.stdout.write(manual())
