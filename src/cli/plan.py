"""`sluice plan`: what a pull request would change, before there is one."""

from __future__ import annotations

from pathlib import Path

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen

WEAVE = Path("weave.yml")


@verb(
    "plan",
    "sluice plan main                                 merging what is checked out into main",
    "sluice plan origin/main HEAD --diff              with the diff of every artifact",
    "sluice plan main work --repo ../flows --config weave.yml --repository acme/flows",
    "sluice plan HEAD~1 HEAD --definitions 'pipelines/**/*.yml' --json",
)
@click.argument("base")
@click.argument("head", default="HEAD")
@click.option(
    "--repo",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The working repository. [here]",
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What is woven and into what (docs/weave.md). [weave.yml, where there is one]",
)
@click.option(
    "--repository", default="", metavar="NAME", help="The entry of weave.yml, where it has several."
)
@click.option(
    "--definitions", multiple=True, metavar="GLOB", help="Definitions, instead of a weave.yml; repeatable."
)
@click.option("--diff", is_flag=True, help="Show the unified diff of every artifact.")
@json_option
@click.pass_context
def plan(
    context: click.Context,
    base: str,
    head: str,
    repo: Path,
    file: Path | None,
    repository: str,
    definitions: tuple[str, ...],
    diff: bool,
) -> None:
    """Show what merging HEAD into BASE would change in pipelines and contracts, like the preview of a pull request.

    Both are branches, tags or commits of the working repository as they are there: nothing is fetched, run or written,
    and what is not committed does not count.

    The exit code is 4 when it does not pass: a definition is broken, a contract incompatible, or both sides have
    changed the same file.
    """
    from shared.common.clock import SystemClock
    from src.cli.plan_text import document, lines
    from src.weave.plan import entry, planned, without_file

    screen: Screen = context.obj
    if definitions and file:
        raise Misconfigured("--definitions and --config say the same twice", hint="give one of them")
    if file or (WEAVE.exists() and not definitions):
        woven = entry(file or WEAVE, repository=repository, branch=base)
    else:
        woven = without_file(definitions)
    found = planned(repo, woven, base=base, head=head)
    now = SystemClock().now()
    for line in lines(found, now, diff=diff):
        screen.say(line)
    screen.answer(document(found, now))
    if not found.passes:
        context.exit(Exit.VIOLATION)
