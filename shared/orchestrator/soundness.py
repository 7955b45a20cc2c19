"""What is wrong with a document beyond single settings: names, links, circles, paths of webhooks, with their places.

Looked up in the document as it was read, so that they are told beside whatever else is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from shared.common.complaints import complaints
from shared.common.documents import Document
from shared.common.errors import SluiceError, unknown
from shared.common.places import Problems
from shared.common.ways import way
from shared.orchestrator.http_door import is_reserved
from shared.orchestrator.settings import InputSettings, ProcessSettings

_BASES: Mapping[str, type[BaseModel]] = {"input": InputSettings, "process": ProcessSettings}


@dataclass(frozen=True, slots=True)
class _Link:
    """One pair of ends of the link with this number."""

    number: int
    source: str
    target: str
    rest: str


def look_for_faults(document: Document, types: Mapping[str, set[str]], problems: Problems) -> None:
    """Add the faults to `problems`; `types` are the types that are known, by section."""
    first: dict[str, str] = {}
    processes = set[str]()
    are_names_known = True
    for section, known in types.items():
        for number, node in _mappings(document, section):
            _check_rest(document, section, number, node, known, problems)
            name, place = node.get("name"), (section, number, "name")
            if not isinstance(name, str):
                are_names_known = False
                continue
            if name in first:
                text = f'the name "{name}" is taken; the first is at {first[name]}'
                problems.add(document.position(*place), text)
            first.setdefault(name, document.where(*place))
            processes |= {name} if section == "process" else set()
    if are_names_known:
        _check_ends(document, set(first), processes, problems)
    links = list(_links(document))
    _check_twins(document, links, problems)
    _check_circles(document, [one for one in links if {one.source, one.target} <= processes], problems)
    _check_paths(document, problems)


def _check_rest(
    document: Document,
    section: str,
    number: int,
    node: Mapping[str, Any],
    types: set[str],
    problems: Problems,
) -> None:
    """What every node has, of one whose type is not known: nobody else looks at it."""
    kind, base = node.get("type"), _BASES[section]
    if isinstance(kind, str) and kind in types:
        return
    common = {key: value for key, value in node.items() if key in base.model_fields} | {"type": "any"}
    try:
        base.model_validate(common)
    except ValidationError as error:
        for path, is_key, text in complaints(error, base, common):
            at = document.positions.find((section, number, *path), key=is_key)
            problems.add(at, f"{section}[{number}].{text}" if path else f"{section}[{number}]: {text}")


def _check_ends(document: Document, names: set[str], processes: set[str], problems: Problems) -> None:
    for number, link in _mappings(document, "links"):
        for key, known in (("from", names), ("to", processes)):
            for error in _strangers(key, _ends(link, key), known, names - processes):
                problems.add(document.position("links", number, key), f"{error.message}; {error.hint}")


def _strangers(key: str, names: Sequence[str], known: set[str], inputs: set[str]) -> Iterator[SluiceError]:
    what = "input or process" if key == "from" else "process"
    for name in names:
        if name in known:
            continue
        error = unknown(what, name, known)
        if name in inputs:
            listed = ", ".join(sorted(known)) or "none"
            error.hint = f"{name} is an input: events come from it; known: {listed}"
        yield error


def _check_twins(document: Document, links: Sequence[_Link], problems: Problems) -> None:
    """Two links between the same ends are fine where their filters differ: what either lets pass goes there."""
    first: dict[tuple[str, str, str], int] = {}
    for link in links:
        ends = (link.source, link.target, link.rest)
        if ends in first:
            there = document.where("links", first[ends])
            where = "in its own lists" if first[ends] == link.number else f"at {there}"
            problems.add(
                document.position("links", link.number),
                f"the link from {link.source} to {link.target} is there already, {where}",
            )
        first.setdefault(ends, link.number)


def _check_circles(document: Document, links: Sequence[_Link], problems: Problems) -> None:
    """Tell each link that closes a circle with those before it."""
    parents: dict[str, set[str]] = {}
    for link in links:
        parents.setdefault(link.target, set()).add(link.source)
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        ahead: dict[str, list[str]] = {}
        for link in links:
            found = way(ahead, link.target, link.source)
            if found:
                problems.add(
                    document.position("links", link.number, "to"),
                    f"processes lead in a circle: {' -> '.join([*found, link.target])}; "
                    "an event would never come to an end: let the last one raise a new event through an input",
                )
            else:
                ahead.setdefault(link.source, []).append(link.target)


def _check_paths(document: Document, problems: Problems) -> None:
    first: dict[str, str] = {}
    for number, node in _mappings(document, "input"):
        text = node.get("connection_string")
        if node.get("type") != "webhook" or not isinstance(text, str):
            continue
        try:
            path = urlsplit(text).path
        except ValueError:
            continue
        place = ("input", number, "connection_string")
        if is_reserved(path):
            problems.add(
                document.position(*place),
                f"the path {path} is the dispatcher's own, as are /, /api, /page, /metrics and /health; "
                "for example /in/orders",
            )
        elif path in first:
            problems.add(
                document.position(*place), f"the path {path} is taken; the first is at {first[path]}"
            )
        first.setdefault(path, document.where(*place))


def _links(document: Document) -> Iterator[_Link]:
    for number, link in _mappings(document, "links"):
        rest = repr(
            sorted((str(key), str(value)) for key, value in link.items() if key not in ("from", "to"))
        )
        for source in _ends(link, "from"):
            for target in _ends(link, "to"):
                yield _Link(number, source, target, rest)


def _ends(link: Mapping[str, Any], key: str) -> list[str]:
    names = [link.get(key)] if isinstance(link.get(key), str) else link.get(key)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _mappings(document: Document, section: str) -> list[tuple[int, Mapping[str, Any]]]:
    found = document.data.get(section) if isinstance(document.data, Mapping) else None
    some = found if isinstance(found, list) else []
    return [(number, one) for number, one in enumerate(some) if isinstance(one, Mapping)]
