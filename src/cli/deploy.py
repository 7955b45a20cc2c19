"""`sluice deploy`: what is deployed, and how it gets there."""

from __future__ import annotations

import click

from src.cli.app import examples
from src.cli.deploy_local import local
from src.cli.deploy_stack import package, stack
from src.cli.deploy_template import template


@click.group(
    "deploy",
    epilog=examples(
        "sluice deploy template              bring the template in line with the sources",
        "make layers package                 build what is deployed",
        "sluice deploy local                run what is built by `sam local invoke`",
        "sluice deploy stack dev             deploy it: change set, look, execute",
    ),
    no_args_is_help=True,
)
def deploy() -> None:
    """Write what is deployed, and deploy it; docs/deploy.md tells the way."""


deploy.add_command(template)
deploy.add_command(package)
deploy.add_command(local)
deploy.add_command(stack)
