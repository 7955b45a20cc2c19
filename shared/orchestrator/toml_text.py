"""TOML text as plain data, each value with its place.

`tomllib` reads and judges the text; what it does not tell is where a value stands, so a second pass over text that is
known to be good TOML finds that. Dates and times are refused: no other form of a document could hold them.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any

from shared.common.documents import Document
from shared.common.places import Key, Position, Problems, Spot, decoded, position_of

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^,\]\}\r\n#]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)
_LINE_OF_ERROR = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_toml(text: str | bytes, *, file: str) -> Document:
    """Read TOML text; `file` is its name for messages. Raises `Misconfigured` with file:line:column."""
    problems = Problems(file)
    content = decoded(text, problems)
    try:
        data = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise problems.fatal(*_complaint(str(error), content)) from None
    spot = _Places(content).document()
    _check(data, (), spot, problems)
    problems.check()
    return Document(data, spot, file)


def _complaint(message: str, content: str) -> tuple[Position, str]:
    found = _LINE_OF_ERROR.search(message)
    text = message[: found.start()] if found else message
    if found and found[1]:
        return (int(found[1]), int(found[2])), text
    return position_of(content, len(content)), text


def _check(value: Any, path: tuple[Key, ...], spot: Spot, problems: Problems) -> None:
    match value:
        case dict():
            for key, inner in value.items():
                _check(inner, (*path, key), spot, problems)
        case list():
            for index, inner in enumerate(value):
                _check(inner, (*path, index), spot, problems)
        case None | bool() | int() | float() | str():
            pass
        case _:
            problems.add(spot.find(path), "dates and times are read as text only: put it in quotes")


class _Places:
    """Walks over good TOML and notes where keys and values begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self.root = Spot((1, 1))

    def position(self) -> Position:
        line = bisect_right(self.lines, self.at)
        return line, self.at - self.lines[line - 1] + 1

    def document(self) -> Spot:
        table = self.root
        self.skip()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip()
        return self.root

    def skip(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def key(self) -> list[tuple[str, Position]]:
        """A dotted key, each part with its place."""
        parts = []
        while True:
            self.skip()
            place = self.position()
            if found := _BARE.match(self.text, self.at):
                parts.append((found.group(), place))
                self.at = found.end()
            else:
                start = self.at
                self.string()
                parts.append((str(tomllib.loads(f"k = {self.text[start : self.at]}")["k"]), place))
            self.skip()
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def header(self) -> Spot:
        place = self.position()
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        parts = self.key()
        self.at += 2 if double else 1
        table = self.root
        for name, _ in parts[:-1]:
            table = _inside(table, name, place)
        name, key_at = parts[-1]
        if not double:
            return _inside(table, name, place)
        table.keys.setdefault(name, key_at)
        array = table.children.setdefault(name, Spot(place))
        made = array.children[len(array.children)] = Spot(place)
        return made

    def pair(self, table: Spot) -> None:
        parts = self.key()
        self.at += 1  # the equals sign
        self.skip()
        for name, place in parts[:-1]:
            table = _inside(table, name, place)
        name, place = parts[-1]
        table.keys[name] = place
        table.children[name] = self.value()

    def value(self) -> Spot:
        spot = Spot(self.position())
        match self.text[self.at]:
            case "[":
                self.items(spot, "]")
            case "{":
                self.items(spot, "}")
            case '"' | "'":
                self.string()
            case _:
                found = _PLAIN.match(self.text, self.at)
                self.at = found.end() if found else self.at + 1
        return spot

    def items(self, spot: Spot, end: str) -> None:
        self.at += 1
        self.skip()
        while self.text[self.at] != end:
            if end == "]":
                spot.children[len(spot.children)] = self.value()
            else:
                self.pair(spot)
            self.skip()
            if self.text[self.at] == ",":
                self.at += 1
                self.skip()
        self.at += 1

    def string(self) -> None:
        found = next(filter(None, (form.match(self.text, self.at) for form in _STRINGS)))
        self.at = found.end()


def _inside(table: Spot, name: str, place: Position) -> Spot:
    """The table of that name, made where it is not there; of an array of tables its last one."""
    table.keys.setdefault(name, place)
    found = table.children.setdefault(name, Spot(place))
    last = len(found.children) - 1
    return found.children[last] if last >= 0 and last in found.children else found
