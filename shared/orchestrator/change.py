"""Changes of a document while it runs: pure functions from a document to the next one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

from shared.common.errors import Misconfigured
from shared.orchestrator.faults import UnknownInput, UnknownProcess

Section = Literal["input", "process"]
Plain = Mapping[str, Any]


def put_node(document: Plain, section: Section, node: Plain) -> dict[str, Any]:
    """Add a node, or replace the one of its name where it stands."""
    made = _copied(document)
    nodes = made.setdefault(section, [])
    for number, known in enumerate(nodes):
        if known.get("name") == node.get("name"):
            nodes[number] = dict(node)
            return made
    nodes.append(dict(node))
    return made


def remove_node(document: Plain, name: str) -> dict[str, Any]:
    """Take a node out, and all links from it and to it. Raises `UnknownProcess`."""
    made = _copied(document)
    _section(made, name)
    for section in ("input", "process"):
        if section in made:
            made[section] = [node for node in made[section] if node.get("name") != name]
    links = []
    for link in made.get("links", []):
        ends = {key: [one for one in _names(link.get(key)) if one != name] for key in ("from", "to")}
        if all(ends.values()):
            links.append({**link, **{k: v if isinstance(link[k], list) else v[0] for k, v in ends.items()}})
    if "links" in made:
        made["links"] = links
    return made


def put_link(document: Plain, link: Plain) -> dict[str, Any]:
    """Add a link, or replace the one that has the same two ends."""
    made = _copied(document)
    ends = _ends(link)
    kept = [one for one in made.get("links", []) if _ends(one) != ends]
    made["links"] = [*kept, dict(link)]
    return made


def remove_link(document: Plain, source: str, target: str) -> dict[str, Any]:
    """Take the link with these ends out. Raises `Misconfigured` when there is none."""
    made = _copied(document)
    kept = [one for one in made.get("links", []) if _ends(one) != ((source,), (target,))]
    if len(kept) == len(made.get("links", [])):
        raise Misconfigured(
            f"there is no link from {source} to {target}",
            hint="a link with several ends is replaced as a whole",
        )
    made["links"] = kept
    return made


def pause(document: Plain, name: str, *, paused: bool) -> dict[str, Any]:
    """Let a node rest or go on. Raises `UnknownProcess`."""
    made = _copied(document)
    for node in made[_section(made, name)]:
        if node.get("name") == name:
            node.pop("paused", None)
            if paused:
                node["paused"] = True
    return made


def _section(document: Plain, name: str) -> Section:
    names: dict[Section, list[str]] = {
        "input": [node.get("name", "") for node in document.get("input", [])],
        "process": [node.get("name", "") for node in document.get("process", [])],
    }
    for section, known in names.items():
        if name in known:
            return section
    if not names["process"]:
        raise UnknownInput(name, known=names["input"])
    raise UnknownProcess(name, known=[*names["input"], *names["process"]])


def _copied(document: Plain) -> dict[str, Any]:
    return copy.deepcopy(dict(document))


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _ends(link: Plain) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(_names(link.get("from"))), tuple(_names(link.get("to")))
