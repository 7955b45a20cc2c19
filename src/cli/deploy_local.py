"""`sluice deploy local`: the template and the built zips as `sam local invoke` can run them."""

from __future__ import annotations

from pathlib import Path

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.screen import Screen


@verb(
    "local",
    "make layers package && sluice deploy local",
    "sam local invoke RecurlyFunction -t build/sam/template.json -e events/ingest.json -n env.json",
    "sluice deploy local --variable AWS_ENDPOINT_URL=http://host.docker.internal:5000",
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("build/sam"))
@click.option("--arch", help="arm64 or x86_64, by default this machine's.")
@click.option(
    "--variable",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another variable of every function; SAM passes only those that the template names.",
)
@json_option
@click.pass_obj
def local(screen: Screen, folder: Path, arch: str | None, variables: tuple[str, ...]) -> None:
    """Write the template for `sam local invoke` into FOLDER, with the built zips unpacked beside it.

    SAM does not open the zip of a layer, and an arm64 function does not run on x86_64: this template is the
    deployed one with folders for zips and with this machine's processor. What FOLDER had is replaced. docs/layers.md
    goes on.
    """
    from src.delivery.local import write_local
    from src.deploying.template import TEMPLATE
    from src.packaging.target import DEPLOYED, Target, machine_arch

    target = Target(DEPLOYED, arch or machine_arch())
    path = write_local(TEMPLATE, folder, arch=target.arch, variables=dict(map(_pair, variables)))
    screen.say(f"{path}: for {target.arch}")
    screen.answer({"file": str(path), "arch": target.arch})


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise Misconfigured(f'"{text}" names no variable', hint="--variable NAME=VALUE")
    return name, value
