"""Shared defaults: what a `_defaults.yml` says holds for the definitions of its folder and of those below it.

The rules are docs/decisions/0011-shared-defaults.md: what a definition says itself always wins, and the nearest
defaults win over those above them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, reduce
from pathlib import Path
from posixpath import basename
from typing import Any, get_args

from shared.common.documents import Document, read_yaml
from shared.common.errors import Misconfigured
from shared.common.places import Spot
from shared.pipelines.defaults_place import NAME, is_defaults
from shared.pipelines.spec import DefaultsSpec, StepDefaultsSpec
from shared.pipelines.step_specs import StepSpec

Node = tuple[Any, Spot]
"""A value of a document, and where it stands."""

_BY_ENTRY = frozenset({"parameters", "pools", "notifications"})
"""Keys of a pipeline whose entries are taken over one by one; of all others the value is one piece."""


def files_above(definition: Path) -> tuple[Path, ...]:
    """The defaults of a definition that are there on this machine, the nearest first, named as the definition is.

    They are looked for up to the folder with `.git`; where there is none, up to the current directory, if the
    definition lies below it.
    """
    folder = Path(os.path.abspath(definition.parent))
    up = (folder, *folder.parents)
    top = next((one for one in up if (one / ".git").exists()), None)
    if top is None:
        top = Path.cwd() if folder.is_relative_to(Path.cwd()) else folder
    found = [one / NAME for one in up[: up.index(top) + 1] if (one / NAME).is_file()]
    return tuple(one if definition.is_absolute() else Path(os.path.relpath(one)) for one in found)


def read_defaults(text: str | bytes, *, file: str) -> Document:
    """Shared defaults, checked by themselves. Raises `Misconfigured` with all faults and their lines."""
    document = read_yaml(text, file=file)
    if document.data is None:  # comments only
        return Document({}, document.positions, file)
    document.parse(DefaultsSpec)
    return document


def names_in(defaults: Iterable[Document]) -> frozenset[str]:
    """The parameters and pools that they name: not every pipeline of a folder uses them."""
    pipelines = [one.data.get("pipeline", {}) for one in defaults]
    return frozenset(
        name for one in pipelines for key in ("parameters", "pools") for name in one.get(key, ())
    )


def refuse_defaults(file: str) -> None:
    """Raises `Misconfigured` for a file that is read as a definition and is none."""
    if basename(file) == "_defaults.yaml":
        raise Misconfigured(f"{file}:1:1 is not read by anybody", hint=f"shared defaults are called {NAME}")
    if is_defaults(file):
        raise Misconfigured(
            f"{file}:1:1 holds shared defaults and no pipeline",
            hint="it is read with the definitions beside and below it",
        )


def under(document: Document, defaults: Sequence[Document]) -> Document:
    """The definition with what it leaves out taken from `defaults`, the nearest first; each value keeps its place."""
    return reduce(_under, defaults, document)


def _under(document: Document, defaults: Document) -> Document:
    data, theirs = document.data, (defaults.data, defaults.positions.elsewhere(defaults.file))
    pipeline = data.get("pipeline") if isinstance(data, Mapping) else None
    if not isinstance(pipeline, Mapping):
        return document
    root = _entries((data, document.positions), _only(theirs, {"resources"}), {"resources"})
    laid = _entries(_child(root, "pipeline"), _child(theirs, "pipeline"), _BY_ENTRY)
    laid = _steps(laid, _child(theirs, "steps"))
    values, spot = _with(root, "pipeline", laid)
    return replace(document, data=values, positions=spot)


def _steps(node: Node, theirs: Node) -> Node:
    """A pipeline or a foreach whose steps have what they leave out."""
    steps = node[0].get("steps")
    if not isinstance(steps, list):
        return node
    found, spot = list[Any](), _copied(_child(node, "steps")[1])
    for index, step in enumerate(steps):
        one = (step, spot.children[index])
        if isinstance(step, Mapping):
            one = _steps(
                _entries(one, _only(theirs, _keys().get(str(step.get("type")), frozenset()))), theirs
            )
        found.append(one[0])
        spot.children[index] = one[1]
    return _with(node, "steps", (found, spot))


@cache
def _keys() -> dict[str, frozenset[str]]:
    """The keys of `StepDefaultsSpec` that each type of step has."""
    shared = StepDefaultsSpec.model_fields.keys()
    models = get_args(get_args(StepSpec)[0])
    return {
        get_args(one.model_fields["type"].annotation)[0]: shared & one.model_fields.keys() for one in models
    }


def _entries(mine: Node, theirs: Node, deeper: Collection[str] = ()) -> Node:
    """A mapping with those entries of another one that it lacks; of those in `deeper`, with theirs in turn."""
    made: Node = (dict(mine[0]), _copied(mine[1]))
    for key, value in theirs[0].items():
        own = made[0].get(key)
        if key not in made[0]:
            made = _with(made, key, (value, theirs[1].children[key]))
            made[1].keys[key] = theirs[1].keys.get(key, theirs[1].at)
        elif key in deeper and isinstance(own, Mapping) and isinstance(value, Mapping):
            made = _with(made, key, _entries(_child(made, key), _child(theirs, key)))
    return made


def _only(node: Node, keys: Collection[str]) -> Node:
    return {key: value for key, value in node[0].items() if key in keys}, node[1]


def _child(node: Node, key: str) -> Node:
    """What is at a key; an empty mapping where there is nothing."""
    return node[0].get(key) or {}, node[1].children.get(key) or Spot(node[1].at)


def _with(node: Node, key: str, child: Node) -> Node:
    values, spot = node[0], _copied(node[1])
    spot.children[key] = child[1]
    return {**values, key: child[0]}, spot


def _copied(spot: Spot) -> Spot:
    """Spots are shared by aliases, so none is changed."""
    return replace(spot, keys=dict(spot.keys), children=dict(spot.children))
