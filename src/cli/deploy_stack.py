"""`sluice deploy package | stack`: from the built zips to a stack; what the pipeline's build calls, too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.common.errors import Misconfigured
from src.cli.app import json_option, verb
from src.cli.screen import Screen

if TYPE_CHECKING:
    from shared.aws.stacks import Proposal, Stacks
    from shared.common.ports import ObjectStore


@verb(
    "package",
    "sluice deploy package --packages s3://my-artifacts/packages --output build/packaged.json",
)
@click.option("--packages", required=True, metavar="URL", help="Where to: s3://bucket/prefix.")
@click.option("--template", type=click.Path(path_type=Path), help="[default: deploy/infra/template.yml]")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The template with addresses.")
@json_option
@click.pass_context
def package(context: click.Context, packages: str, template: Path | None, output: Path) -> None:
    """Upload the built zips that the template names, and write the template with their addresses.

    Each zip lies under its digest: what is there is not sent again, and a template names the very bytes that were
    tested. SLUICE_VERSION becomes the version that is deployed.
    """
    from src.delivery.package import package as packaged
    from src.delivery.rollout import TEMPLATE
    from src.delivery.template import text_of
    from src.wiring import open_store

    screen: Screen = context.obj
    version = os.environ.get("SLUICE_VERSION", "")
    document = packaged(template or TEMPLATE, open_store(packages), version=version, say=screen.say)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text_of(document), encoding="utf-8")
    screen.say(f"{output}: {len(document['Resources'])} resources")
    screen.answer({"output": str(output), "resources": len(document["Resources"]), "version": version})


@verb(
    "stack",
    "sluice deploy stack dev",
    "sluice deploy stack dev --yes --set Schedules=enabled",
    "sluice deploy stack prod --no-execute          leave the change set for somebody else",
)
@click.argument("environment")
@click.option("--name", metavar="STACK", help="The stack. [default: AppName-ENVIRONMENT]")
@click.option("--template", type=click.Path(path_type=Path), help="[default: deploy/infra/template.yml]")
@click.option(
    "--parameters", type=click.Path(path_type=Path), help="[default: deploy/cicd/parameters/ENVIRONMENT.json]"
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Another value of a parameter; repeatable."
)
@click.option(
    "--packages", metavar="URL", help="Where zips go. [default: a bucket that is made when it is missing]"
)
@click.option("--role", default="", metavar="ARN", help="The role that CloudFormation takes (target.yml).")
@click.option(
    "--alarm", "alarms", multiple=True, metavar="ARN", help="Roll back when this alarm rings; repeatable."
)
@click.option("--no-execute", is_flag=True, help="Only make the change set.")
@click.option("--yes", is_flag=True, help="Do not ask before executing.")
@json_option
@click.pass_context
def stack(
    context: click.Context,
    environment: str,
    name: str | None,
    template: Path | None,
    parameters: Path | None,
    changes: tuple[str, ...],
    packages: str | None,
    role: str,
    alarms: tuple[str, ...],
    no_execute: bool,
    yes: bool,
) -> None:
    """Deploy ENVIRONMENT with the credentials of this shell: upload, change set, look, execute.

    The account and region are those that AWS_PROFILE, AWS_REGION and the like say.
    """
    from shared.aws.stacks import Stacks, account
    from shared.common.clock import SystemClock, random_token
    from src.cli.run import changes_of
    from src.delivery.package import package as packaged
    from src.delivery.rollout import PARAMETERS, TEMPLATE, bucket_for, propose, read_inputs
    from src.delivery.template import local_files, read_template
    from src.wiring import open_store

    screen: Screen = context.obj
    path = template or TEMPLATE
    document = read_template(path)
    list(local_files(document, path.parent))  # what is not built is told before anything is made
    known = document.get("Parameters", {})
    inputs = read_inputs(parameters or PARAMETERS / f"{environment}.json", known, changes_of(changes))
    app = inputs.parameters.get("AppName") or str(known.get("AppName", {}).get("Default", "sluice"))
    name = name or f"{app}-{environment}"
    owner = account()
    stacks = Stacks(SystemClock())
    screen.say(f"account {owner}, {stacks.region}, stack {name}")
    store = open_store(packages or f"s3://{bucket_for(stacks, app, owner, say=screen.say)}/packages")
    proposal = propose(
        stacks,
        store,
        packaged(path, store, version=os.environ.get("SLUICE_VERSION", ""), say=screen.say),
        inputs,
        stack=name,
        name=f"sluice-{random_token()}",
        url=lambda key: _https(store, key),
        role=role,
        alarms=alarms,
    )
    if proposal is None:
        screen.say("nothing would change")
        screen.answer({"stack": name, "changes": 0, "executed": False})
    else:
        _decide(screen, stacks, proposal, execute=not no_execute, yes=yes)


def _decide(screen: Screen, stacks: Stacks, proposal: Proposal, *, execute: bool, yes: bool) -> None:
    """Show the changes and execute them, leave them to somebody else, or drop them."""
    from src.delivery.rollout import shown

    for line in shown(proposal):
        screen.say(f"  {line}")
    found: dict[str, str] = {}
    executed = False
    if not execute:
        screen.say(f"made the change set {proposal.id}; it waits for somebody to execute it")
    elif not yes and not click.confirm(f"Execute {len(proposal.changes)} changes?", err=screen.json):
        stacks.discard(proposal)
        screen.say("nothing was changed; the change set is gone")
    else:
        stacks.execute(proposal)
        executed, found = True, stacks.outputs(proposal.stack) or {}
        for key, value in sorted(found.items()):
            screen.say(f"{key}: {value}")
    answer = {"stack": proposal.stack, "changes": len(proposal.changes), "change_set": proposal.id}
    screen.answer({**answer, "executed": executed, "outputs": found})


def _https(store: ObjectStore, key: str) -> str:
    """The address that CloudFormation wants for a template: of S3, by https."""
    url = store.url(key)
    if not url.startswith("s3://"):
        raise Misconfigured(f"CloudFormation cannot read {url}", hint="give --packages s3://bucket/prefix")
    bucket, _, path = url.removeprefix("s3://").partition("/")
    return f"https://{bucket}.s3.amazonaws.com/{path}"
