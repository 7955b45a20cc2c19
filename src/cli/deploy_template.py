"""`sluice deploy template`: the parts of the template that follow from the sources and from dispatch.yml."""

from __future__ import annotations

import click

from src.cli.app import json_option, verb
from src.cli.outcome import Exit
from src.cli.screen import Screen


@verb(
    "template",
    "sluice deploy template            write the parts of the template that follow from the sources",
    "sluice deploy template --check    say whether they are as they should be",
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when something would change.")
@json_option
@click.pass_context
def template(context: click.Context, check: bool) -> None:
    """Bring deploy/infra/template.yml in line with src/*/source.yml and dispatch.yml."""
    from src.deploying.dispatched import deployed_dispatch
    from src.deploying.sources import deployed_sources
    from src.deploying.template import TEMPLATE, generated

    screen = context.ensure_object(Screen)
    before = TEMPLATE.read_text("utf-8")
    after = generated(before, deployed_sources(), dispatched=deployed_dispatch())
    changed = before != after
    if changed and not check:
        TEMPLATE.write_text(after, "utf-8")
    said = "would be another one: sluice deploy template" if check else "written"
    screen.say(f"{TEMPLATE}: {said if changed else 'as it should be'}")
    code = Exit.FAILED if changed and check else Exit.DONE
    screen.answer({"file": str(TEMPLATE), "changed": changed, "exit_code": int(code)})
    context.exit(code)
