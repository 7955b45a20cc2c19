"""The template for `sam local invoke` on this machine: its processor, and the built zips unpacked.

SAM runs what `CodeUri` and `ContentUri` name. It does not open the zip of a layer, an arm64 container does not start on
x86_64, and of `--env-vars` it passes only what the template names; the deployed template is otherwise left as it is.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.common.errors import Misconfigured
from src.delivery.template import local_files, read_template, text_of
from src.packaging.room import unpack
from src.packaging.target import MACHINES

TEMPLATE = "template.json"
_BUILT_FOR = re.compile(rf"-({'|'.join(MACHINES)})\.zip$")
_LAYER, _FUNCTION = "AWS::Serverless::LayerVersion", "AWS::Serverless::Function"


def write_local(template: Path, folder: Path, *, arch: str, variables: Mapping[str, str]) -> Path:
    """Write the template and what it names into `folder`, and return its path; what was there before is gone.

    `variables` are added to the environment of every function; `--env-vars` of SAM may give them other values.
    Raises `Misconfigured`: the zips are not built, or `folder` holds something else.
    """
    found = for_processor(read_template(template), arch)
    files = list(local_files(found, template.parent))
    _empty(folder)
    for file in files:
        kind = found["Resources"][file.name]["Type"]
        if kind in (_LAYER, _FUNCTION):
            # A function's folder is named for its zip: those with the same one share it.
            place = folder / ("layers" if kind == _LAYER else "functions") / file.path.stem
            if not place.exists():
                unpack([file.path], place)
            file.place[file.key] = place.relative_to(folder).as_posix()
        else:
            file.place[file.key] = Path(os.path.relpath(file.path, folder.resolve())).as_posix()
    shared = found["Globals"]["Function"]["Environment"]["Variables"]
    shared.update(variables)
    path = folder / TEMPLATE
    path.write_text(text_of(found), encoding="utf-8")
    return path


def for_processor(template: Mapping[str, Any], arch: str) -> dict[str, Any]:
    """The template with every function and layer for the processor `arch`, arm64 or x86_64."""
    found: dict[str, Any] = copy.deepcopy(dict(template))
    found["Globals"]["Function"]["Architectures"] = [arch]
    for resource in found["Resources"].values():
        if resource["Type"] == _LAYER:
            said = resource["Properties"]
            said["ContentUri"] = _BUILT_FOR.sub(f"-{arch}.zip", said["ContentUri"])
            said["CompatibleArchitectures"] = [arch]
    return found


def _empty(folder: Path) -> None:
    """An empty folder. One that is there is emptied only when it is ours."""
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / TEMPLATE).is_file():
            raise Misconfigured(
                "there is something else in this folder",
                hint="name an empty one, or a new one",
                folder=folder,
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
