r"""Values of a step that may refer to what is known only in a run: parameters, outputs of earlier steps, secrets.

In a definition a reference is text in `${…}`. Alone it keeps the type of what it refers to; inside other text it
becomes text. `$${` is the text `${`. What a reference does not find is null, and null inside text is nothing.

>>> parse_value("${steps.extract.output.rows}")
Reference(root=<Root.STEP: 'steps'>, name='extract', path=('rows',))
>>> parse_value("day ${run.date}, $${as is}")
Template(parts=('day ', Reference(root=<Root.RUN: 'run'>, name='date', path=()), ', ${as is}'))
>>> parse_value({"limit": 5})
MapOf(items=(('limit', Literal(value=5)),))
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from shared.common.errors import Misconfigured, unknown
from shared.common.places import Key
from shared.common.types import JSON


class Root(StrEnum):
    """What a reference begins with."""

    STEP = "steps"  # ${steps.NAME.output} or ${steps.NAME.output.a.0.b}
    PARAMETER = "params"  # ${params.NAME}
    RUN = "run"  # ${run.id}, see RUN_FIELDS
    ITEM = "item"  # ${item}: the item that the nearest `foreach` is at
    SECRET = "secrets"  # noqa: S105  ${secrets.NAME}: only where a step sends credentials


RUN_FIELDS = ("id", "pipeline", "date", "time")
"""id: of this run; pipeline: its name; date: the logical day (YYYY-MM-DD, zone of the schedule); time: the logical
time (RFC 3339, UTC). The logical time is the scheduled one, or the start of a run that nobody scheduled."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in what is known in a run. `name` is the step, parameter, run field or secret; empty for an item."""

    root: Root
    name: str
    path: tuple[Key, ...] = ()

    def __str__(self) -> str:
        """As it is written between `${` and `}`."""
        first = {Root.STEP: f"{_named('steps', self.name)}.output", Root.ITEM: "item"}
        text = first.get(self.root) or _named(self.root.value, self.name)
        for element in self.path:
            text = f"{text}[{element}]" if isinstance(element, int) else _named(text, element)
        return text


@dataclass(frozen=True, slots=True)
class Literal:
    """Text, a number, true, false or null, as it stands."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Template:
    """Text with references in it; its value is text. Neighbouring texts are one part."""

    parts: tuple[str | Reference, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class MapOf:
    items: tuple[tuple[str, Value], ...] = ()

    def get(self, name: str) -> Value | None:
        return dict(self.items).get(name)


Value: TypeAlias = Literal | Reference | Template | ListOf | MapOf

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MARK = re.compile(r"\$\$\{|\$\{")
_INDEX = re.compile(r"\[(0|[1-9][0-9]{0,8})\]")
_QUOTED = re.compile(r'\[("(?:[^"\\\x00-\x1f]|\\.)*")\]')
_HINT = (
    "write ${steps.NAME.output}, ${params.NAME}, ${run.date}, ${item} or ${secrets.NAME}; "
    "$${ where the text ${ is meant"
)


def parse_value(data: JSON) -> Value:
    """The value that plain data of a document stands for. Raises `Misconfigured` for a reference that is none."""
    match data:
        case str():
            return parse_text(data)
        case list():
            return ListOf(tuple(parse_value(item) for item in data))
        case dict():
            return MapOf(tuple((name, parse_value(item)) for name, item in data.items()))
    return Literal(data)


def parse_text(text: str) -> Literal | Reference | Template:
    """Text as a literal, a reference or a template. Raises `Misconfigured`."""
    parts: list[str | Reference] = []
    at = 0
    while mark := _MARK.search(text, at):
        _add(parts, text[at : mark.start()])
        if mark.group() == "$${":
            _add(parts, "${")
            at = mark.end()
            continue
        found, end = read_reference(text, mark.end())
        if not text.startswith("}", end):
            raise Misconfigured(f'"{_short(text[mark.start() :])}" is no reference', hint=_HINT)
        parts.append(found)
        at = end + 1
    _add(parts, text[at:])
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return parts[0]
    if all(isinstance(part, str) for part in parts):
        return Literal("".join(str(part) for part in parts))
    return Template(tuple(parts))


def read_reference(text: str, at: int) -> tuple[Reference, int]:
    """The reference that begins at an offset, and the offset behind it. Raises `Misconfigured`."""
    found = _NAME.match(text, at)
    if found is None:
        raise Misconfigured(f'"{_short(text[at:])}" is no reference', hint=_HINT)
    if found.group() not in set(Root):
        raise unknown("beginning of a reference", found.group(), list(Root))
    root = Root(found.group())
    path, end = _path(text, found.end())
    if root is Root.ITEM:
        return Reference(root, "", tuple(path)), end
    if not path or not isinstance(path[0], str):
        raise Misconfigured(f'"{_short(text[at:end])}" names nothing', hint=_HINT)
    name, rest = path[0], path[1:]
    if root is Root.STEP:
        if not rest or rest[0] != "output":
            raise Misconfigured(
                f'"{text[at:end]}" does not say what of the step', hint=f"write steps.{name}.output"
            )
        rest = rest[1:]
    elif root in (Root.RUN, Root.SECRET) and rest:
        raise Misconfigured(f'"{text[at:end]}" goes into text', hint=f"write {root.value}.{name}")
    if root is Root.RUN and name not in RUN_FIELDS:
        raise unknown("field of a run", name, RUN_FIELDS)
    return Reference(root, name, tuple(rest)), end


def references(value: Value) -> Iterator[Reference]:
    """All references in a value, in order."""
    match value:
        case Reference():
            yield value
        case Template(parts):
            yield from (part for part in parts if isinstance(part, Reference))
        case ListOf(items):
            for item in items:
                yield from references(item)
        case MapOf(pairs):
            for _, item in pairs:
                yield from references(item)
        case Literal():
            return


def resolve(value: Value, look_up: Callable[[Reference], Any]) -> Any:
    """The value as plain data; `look_up` finds what a reference refers to (None where there is nothing)."""
    match value:
        case Literal(data):
            return data
        case Reference():
            return look_up(value)
        case Template(parts):
            return "".join(part if isinstance(part, str) else as_text(look_up(part)) for part in parts)
        case ListOf(items):
            return [resolve(item, look_up) for item in items]
        case MapOf(pairs):
            return {name: resolve(item, look_up) for name, item in pairs}


def as_text(value: Any) -> str:
    """What a value is inside of text: text as it is, null nothing, all else as JSON.

    >>> [as_text(value) for value in ("a", None, True, 1.5, ["é"])]
    ['a', '', 'true', '1.5', '["é"]']
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def follow(data: Any, path: tuple[Key, ...]) -> Any:
    """What lies at `path` in plain data; None where there is nothing.

    >>> follow({"rows": [1, 2]}, ("rows", 1)), follow({"rows": []}, ("rows", 1)), follow("text", ("a",))
    (2, None, None)
    """
    for element in path:
        if isinstance(data, Mapping) and isinstance(element, str):
            data = data.get(element)
        elif isinstance(data, list) and isinstance(element, int) and element < len(data):
            data = data[element]
        else:
            return None
    return data


def plain(value: Value) -> JSON:
    """The value as it would be written in a definition: `parse_value(plain(value)) == value`."""
    match value:
        case Literal(str() as text):
            return text.replace("${", "$${")
        case Literal(data):
            return data
        case Reference():
            return f"${{{value}}}"
        case Template(parts):
            return "".join(p.replace("${", "$${") if isinstance(p, str) else f"${{{p}}}" for p in parts)
        case ListOf(items):
            return [plain(item) for item in items]
        case MapOf(pairs):
            return {name: plain(item) for name, item in pairs}


def _path(text: str, at: int) -> tuple[list[Key], int]:
    path: list[Key] = []
    while True:
        if text.startswith(".", at) and (name := _NAME.match(text, at + 1)):
            path.append(name.group())
            at = name.end()
        elif index := _INDEX.match(text, at):
            path.append(int(index.group(1)))
            at = index.end()
        elif quoted := _QUOTED.match(text, at):
            path.append(_unquoted(quoted.group(1)))
            at = quoted.end()
        else:
            return path, at


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise Misconfigured(f"{_short(text)} is no text in double quotes", hint="escape as in JSON") from None


def _named(before: str, name: str) -> str:
    if _NAME.fullmatch(name):
        return f"{before}.{name}"
    return f"{before}[{json.dumps(name, ensure_ascii=False)}]"


def _add(parts: list[str | Reference], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
