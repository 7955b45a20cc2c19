"""Reads a CloudFormation template and finds the files of this machine that it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured

#: The properties that name a file of code, a layer, a definition or a nested template.
LOCAL = {
    "AWS::CloudFormation::Stack": "TemplateURL",
    "AWS::Serverless::Application": "Location",
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that the resource `name` needs; `place` and `key` are where the template says so."""

    name: str
    place: dict[str, Any]
    key: str
    path: Path


def read_template(path: Path) -> dict[str, Any]:
    """The template as plain data: `!Sub x` is {"Fn::Sub": "x"}. Raises `Misconfigured` when it is none."""
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML with the short forms of CloudFormation's functions."""

    def function(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
        match node:
            case yaml.ScalarNode():
                value: Any = loader.construct_scalar(node)
            case yaml.SequenceNode():
                value = loader.construct_sequence(node, deep=True)
            case _:
                value = loader.construct_mapping(node, deep=True)
        if suffix == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    Loader.add_multi_constructor("!", function)
    # A date is text to CloudFormation: Version: 2012-10-17.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith("timestamp")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a SafeLoader  # nosec B506
    except FileNotFoundError:
        raise Misconfigured(
            "there is no such template", hint="name another one with --template", file=path
        ) from None
    except yaml.YAMLError as error:
        raise Misconfigured(f"this template is no YAML: {error}", file=path) from error
    if not isinstance(found, dict) or not isinstance(found.get("Resources"), dict):
        raise Misconfigured("this is no CloudFormation template: it has no Resources", file=path)
    return found


def local_files(template: dict[str, Any], folder: Path) -> Iterator[LocalFile]:
    """The files of this machine that the template names, paths relative to `folder`.

    Raises `Misconfigured` naming all that are not there.
    """
    found, missing = list[LocalFile](), list[LocalFile]()
    for name, resource in template["Resources"].items():
        key = LOCAL.get(resource.get("Type"))
        place = resource.get("Properties") or {}
        value = place.get(key) if key else None
        if key is None or not isinstance(value, str) or "://" in value:
            continue
        path = (folder / value).resolve()
        (found if path.is_file() else missing).append(LocalFile(name, place, key, path))
    if missing:
        names = ", ".join(f"{one.name} ({one.path.name})" for one in missing)
        raise Misconfigured(
            f"{len(missing)} files that the template names are not built: {names}",
            hint="`make layers package` builds them",
        )
    yield from found


def text_of(template: dict[str, Any]) -> str:
    """The template as JSON, which is a template, too: the same for the same."""
    return json.dumps(template, indent=1, ensure_ascii=False, default=str) + "\n"
