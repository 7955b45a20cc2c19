"""YAML text as plain data, each value with its place, without surprises.

An unquoted scalar is a number, a boolean or null only where YAML 1.1 and 1.2 agree; what they read differently stays
text: on, off, yes, no, dates, 1:30, 010, 0o17, 1_000, 1e3. Keys are always text, as written. Refused: duplicate keys,
NaN and infinities, integers of more than 64 bits, tags for anything but JSON's types, several documents, aliases
that grow without bound. `<<` merges mappings as everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from shared.common.places import MAX_DEPTH, MAX_NODES, Position, Problems, Spot, decoded, is_text, position_of

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null")}


def load_yaml(text: str | bytes, file: str) -> tuple[Any, Spot]:
    """The document's data and places. Raises `Misconfigured` with all that is wrong, each with file:line:column."""
    import yaml

    problems = Problems(file)
    content = decoded(text, problems)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data, spot = _Builder(yaml.parse(content, Loader=loader), problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise problems.fatal(at, ", ".join(filter(None, [error.context, error.problem]))) from None
    except yaml.reader.ReaderError as error:
        at = position_of(content, error.position)
        raise problems.fatal(at, f"this character is not allowed in YAML: {error.reason}") from None
    problems.check()
    return data, spot


class _Builder:
    """Builds data and spots from parser events, one pass, bounded in depth and size."""

    def __init__(self, events: Iterator[Any], problems: Problems) -> None:
        self.events = events
        self.problems = problems
        self.anchors: dict[str, tuple[Any, Spot]] = {}
        self.nodes = 0

    def document(self) -> tuple[Any, Spot]:
        result: tuple[Any, Spot] = (None, Spot((1, 1)))
        documents = 0
        for event in self.events:
            match type(event).__name__:
                case "StreamStartEvent" | "StreamEndEvent" | "DocumentEndEvent":
                    continue
                case "DocumentStartEvent":
                    documents += 1
                    if documents > 1:
                        raise self.problems.fatal(
                            _at(event), "a second document starts here; one file holds one"
                        )
                case _:
                    result = self.node(event, 1)
        return result

    def node(self, event: Any, depth: int) -> tuple[Any, Spot]:
        at = _at(event)
        if depth > MAX_DEPTH:
            raise self.problems.fatal(at, f"is nested more than {MAX_DEPTH} levels deep")
        match type(event).__name__:
            case "AliasEvent":
                return self.alias(event.anchor, at)
            case "ScalarEvent":
                value, spot = self.scalar(event, at), Spot(at)
            case "SequenceStartEvent":
                value, spot = self.sequence(event, at, depth)
            case _:
                value, spot = self.mapping(event, at, depth)
        self.count(1, at)
        if event.anchor:
            self.anchors[event.anchor] = (value, spot)
        return value, spot

    def count(self, more: int, at: Position) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            raise self.problems.fatal(
                at, f"the document grows beyond {MAX_NODES:,} values, aliases written out"
            )

    def alias(self, name: str, at: Position) -> tuple[Any, Spot]:
        if name not in self.anchors:
            self.problems.add(at, f"alias *{name} has no anchor &{name} before it")
            return None, Spot(at)
        value, spot = self.anchors[name]
        self.count(spot.size, at)
        return value, spot

    def sequence(self, event: Any, at: Position, depth: int) -> tuple[list[Any], Spot]:
        self.tag(event, at, _CORE + "seq")
        values: list[Any] = []
        spot = Spot(at)
        while type(item := next(self.events)).__name__ != "SequenceEndEvent":
            value, child = self.node(item, depth + 1)
            spot.children[len(values)] = child
            spot.size += child.size
            values.append(value)
        return values, spot

    def mapping(self, event: Any, at: Position, depth: int) -> tuple[dict[str, Any], Spot]:
        self.tag(event, at, _CORE + "map")
        values: dict[str, Any] = {}
        spot = Spot(at)
        merged: list[tuple[Any, Spot]] = []
        while type(item := next(self.events)).__name__ != "MappingEndEvent":
            key_at = _at(item)
            key = self.key(item, key_at, depth)
            value, child = self.node(next(self.events), depth + 1)
            spot.size += child.size + 1
            if key == "<<" and item.implicit[0]:
                merged.append((value, child))
            elif key in values:
                self.problems.add(
                    key_at, f'key "{key}" is here twice; the first is in line {spot.keys[key][0]}'
                )
            elif key is not None:
                values[key], spot.keys[key], spot.children[key] = value, key_at, child
        for value, child in merged:
            self.merge(values, spot, value, child)
        return values, spot

    def key(self, event: Any, at: Position, depth: int) -> str | None:
        """The key as it is written; None, and a problem, for keys that are no text."""
        self.count(1, at)
        match type(event).__name__:
            case "ScalarEvent" if is_text(event.value) and (event.value or not event.implicit[0]):
                self.tag(event, at, _CORE + "str")
                if event.anchor:
                    self.anchors[event.anchor] = (event.value, Spot(at))
                return str(event.value)
            case "AliasEvent":
                value = self.alias(event.anchor, at)[0]
                if isinstance(value, str):
                    return value
            case "ScalarEvent":
                pass
            case _:
                self.node(event, depth + 1)
        self.problems.add(at, "a key must be text on one line, not empty, a list or a mapping")
        return None

    def merge(self, values: dict[str, Any], spot: Spot, value: Any, child: Spot) -> None:
        """`<<: *anchor` or a list of them: keys that the mapping does not have itself; the earlier one wins."""
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.merge(values, spot, item, child.children[index])
        elif isinstance(value, dict):
            self.count(child.size, spot.at)
            spot.size += child.size
            for key in value.keys() - values.keys():
                values[key], spot.keys[key] = value[key], child.keys[key]
                spot.children[key] = child.children[key]
        else:
            self.problems.add(child.at, "<< takes a mapping or a list of mappings, such as *anchor")

    def tag(self, event: Any, at: Position, allowed: str) -> None:
        if event.tag not in (None, "!", allowed):
            self.problems.add(at, f"tag {_short(event.tag)} is not read; write plain YAML")

    def scalar(self, event: Any, at: Position) -> Any:
        text = event.value
        if not is_text(text):
            self.problems.add(at, "half of a surrogate pair is no character")
        if event.tag in _SCALAR_TAGS:
            return self.tagged(event.tag.removeprefix(_CORE), text, at)
        self.tag(event, at, _CORE + "str")
        plain = event.implicit[0] and event.tag is None
        return self.number(plain_value(text), text, at) if plain else text

    def tagged(self, tag: str, text: str, at: Position) -> Any:
        if tag == "str":
            return text
        value = self.number(plain_value(text), text, at)
        if tag == "float" and type(value) is int:
            value = float(value)
        kind = {"NoneType": "null"}.get(type(value).__name__, type(value).__name__)
        if kind != tag:
            self.problems.add(at, f'"{text[:40]}" is not a !!{tag}')
        return value

    def number(self, value: Any, text: str, at: Position) -> Any:
        """The value, with a problem where it is a number that JSON and warehouses cannot hold."""
        if type(value) is float and not math.isfinite(value):
            self.problems.add(
                at, f"{text[:40]} is no number that data can hold; write it in quotes if it is text"
            )
        elif type(value) is int and not -(2**63) <= value < 2**64:
            self.problems.add(at, f"{text[:40]} does not fit in 64 bits; write it in quotes if it is text")
        return value


def plain_value(text: str) -> Any:
    """What an unquoted scalar means.

    >>> [plain_value(text) for text in ("1", "0x1f", "2.5", "true", "~", "yes", "010", "1e3")]
    [1, 31, 2.5, True, None, 'yes', '010', '1e3']
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) < 40 else 2**64
    if _HEX.fullmatch(text):
        return int(text, 16) if len(text) < 40 else 2**64
    if _FLOAT.fullmatch(text):
        return float(text)
    return math.inf if _NOT_FINITE.fullmatch(text) else text


def _at(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _short(tag: str) -> str:
    return tag.replace(_CORE, "!!")[:60]
