"""CloudFormation as YAML that people like to read: short tags, one line where it fits, comments where they belong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

WIDTH = 132
"""Characters of a line up to which a mapping or list stands on one."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A function of CloudFormation in its short form, such as `!Ref Bucket`."""

    name: str
    value: Any


def ref(name: str) -> Tag:
    return Tag("Ref", name)


def att(name: str) -> Tag:
    return Tag("GetAtt", name)


def sub(text: str) -> Tag:
    return Tag("Sub", text)


@dataclass(frozen=True, slots=True)
class Noted:
    """A value with a comment behind it (or behind its key, where the value takes lines of its own)."""

    value: Any
    note: str


def lines(document: Any, indent: int = 0) -> list[str]:
    r"""The lines of a mapping or list, each indented by `indent` spaces.

    >>> print("\n".join(lines({"Type": "T", "Of": [ref("A"), "b: c"], "Key": Noted(sub("${A}-x"), "why")})))
    Type: T
    Of: [!Ref A, "b: c"]
    Key: !Sub ${A}-x # why
    """
    return [" " * indent + line if line else "" for line in _block(document, indent)]


def _block(value: Any, indent: int) -> Iterator[str]:
    match value:
        case Mapping():
            for key, item in value.items():
                yield from _entry(f"{_plain(key, flow=False)}:", item, indent)
        case list() | tuple():
            for item in value:
                yield from _item(item, indent)
        case _:
            yield _scalar(value, flow=False)


def _entry(head: str, item: Any, indent: int) -> Iterator[str]:
    note = ""
    if isinstance(item, Noted):
        item, note = item.value, f" # {item.note}"
    short = _short(item, room=WIDTH - indent - len(head) - 1 - len(note))
    if short is not None:
        yield f"{head} {short}{note}"
        return
    tag = f" !{item.name}" if isinstance(item, Tag) else ""
    inner = item.value if isinstance(item, Tag) else item
    if isinstance(inner, str) and "\n" in inner:
        yield f"{head}{tag} |-{note}"
        yield from ("  " + line for line in inner.split("\n"))
        return
    yield f"{head}{tag}{note}"
    yield from ("  " + line for line in _block(inner, indent + 2))


def _item(item: Any, indent: int) -> Iterator[str]:
    note = ""
    if isinstance(item, Noted):
        item, note = item.value, f" # {item.note}"
    short = _short(item, room=WIDTH - indent - 2 - len(note))
    if short is not None:
        yield f"- {short}{note}"
        return
    inner = list(_block(item, indent + 2))
    yield f"- {inner[0]}{note}"
    yield from ("  " + line for line in inner[1:])


def _short(value: Any, *, room: int) -> str | None:
    """The value on one line, when that is short enough and a person would write it so."""
    if "\n" in str(value.value if isinstance(value, Tag) else value):
        return None
    nested = isinstance(value, Mapping | list | tuple)
    if nested and (_deep(value) > 2 or _has_note(value) or (isinstance(value, Mapping) and len(value) > 4)):
        return None
    text = _scalar(value, flow=nested)
    return text if len(text) <= room or not (nested or isinstance(value, Tag)) else None


def _deep(value: Any) -> int:
    match value:
        case Mapping():
            return 1 + max(map(_deep, value.values()), default=0)
        case list() | tuple():
            return 1 + max(map(_deep, value), default=0)
        case Tag():
            return _deep(value.value)
    return 0


def _has_note(value: Any) -> bool:
    match value:
        case Noted():
            return True
        case Mapping():
            return any(map(_has_note, value.values()))
        case list() | tuple():
            return any(map(_has_note, value))
        case Tag():
            return _has_note(value.value)
    return False


def _scalar(value: Any, *, flow: bool) -> str:
    match value:
        case Mapping():
            inside = ", ".join(f"{_plain(k, flow=True)}: {_scalar(v, flow=True)}" for k, v in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case list() | tuple():
            return "[" + ", ".join(_scalar(item, flow=True) for item in value) + "]"
        case Tag():
            return f"!{value.name} {_scalar(value.value, flow=flow)}"
        case bool():
            return "true" if value else "false"
        case str():
            return _plain(value, flow=flow)
    return json.dumps(value)


def _plain(text: str, *, flow: bool) -> str:
    """As it is where YAML reads it back as the same text, else in quotes."""
    try:
        read = yaml.safe_load(f"[{text}]" if flow else f"key: {text}")
    except yaml.YAMLError:
        read = None
    same = read == ([text] if flow else {"key": text})
    if same and "\n" not in text:
        return text
    return f"'{text}'" if '"' in text and "'" not in text else json.dumps(text, ensure_ascii=False)
