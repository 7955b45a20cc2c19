"""Deploys an environment: packages into its bucket, a change set, and its execution when somebody says yes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, unknown

if TYPE_CHECKING:
    from shared.aws.stacks import Proposal, Stacks
    from shared.common.ports import ObjectStore

DEPLOY = Path(__file__).parents[2] / "deploy"
TEMPLATE = DEPLOY / "infra" / "template.yml"
BUCKET_TEMPLATE = DEPLOY / "cicd" / "artifacts.yml"
PARAMETERS = DEPLOY / "cicd" / "parameters"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The parameters and tags of an environment, as CodePipeline reads them (TemplateConfiguration)."""

    parameters: Mapping[str, str]
    tags: Mapping[str, str]


def read_inputs(path: Path, known: Mapping[str, Any], changes: Mapping[str, str]) -> Inputs:
    """The file of an environment with changes. Raises `Misconfigured` for a parameter that the template lacks."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = sorted(one.stem for one in path.parent.glob("*.json"))
        raise unknown("environment", path.stem, names, folder=path.parent) from None
    except ValueError as error:
        raise Misconfigured(f"this file is no JSON: {error}", file=path) from error
    parameters = {**document.get("Parameters", {}), **changes}
    for name in parameters:
        if name not in known:
            raise unknown("parameter", name, known, file=path)
    return Inputs(parameters, document.get("Tags", {}))


def bucket_for(stacks: Stacks, app: str, account: str, *, say: Say) -> str:
    """The bucket for packages of this account; made when it is not there."""
    from shared.aws.stacks import Rollout
    from src.delivery.template import read_template, text_of

    stack = f"{app}-packages"
    if stacks.outputs(stack) is None:
        say(f"making the bucket for packages: stack {stack}")
        body = text_of(read_template(BUCKET_TEMPLATE))
        proposal = stacks.propose(stack, Rollout(body, {"AppName": app}), name="first")
        if proposal is not None:
            stacks.execute(proposal)
    return f"{app}-packages-{account}-{stacks.region}"


def propose(
    stacks: Stacks,
    store: ObjectStore,
    template: dict[str, Any],
    inputs: Inputs,
    *,
    stack: str,
    name: str,
    url: Callable[[str], str],
    role: str = "",
    alarms: tuple[str, ...] = (),
) -> Proposal | None:
    """The change set of a packaged template; `url` gives the address of a key for CloudFormation."""
    from shared.aws.stacks import Rollout
    from src.delivery.package import put_template

    rollout = Rollout(
        url(put_template(template, store)),
        inputs.parameters,
        inputs.tags,
        role=role,
        alarms=alarms,
        watch=5 if alarms else 0,
    )
    return stacks.propose(stack, rollout, name=name)


def shown(proposal: Proposal) -> list[str]:
    """The changes, those that replace something first."""
    marks = {"Add": "+", "Remove": "-", "Modify": "~", "Import": "<", "Dynamic": "?"}
    ordered = sorted(proposal.changes, key=lambda change: (not change.replaced, change.action, change.name))
    return [
        f"{marks.get(one.action, one.action)} {one.name}  {one.kind}{'  REPLACED' if one.replaced else ''}"
        for one in ordered
    ]
