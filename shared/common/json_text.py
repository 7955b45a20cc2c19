"""JSON text (RFC 8259) as plain data, each value with its place; stricter than the standard library.

Refused: duplicate keys, NaN and infinities, integers of more than 64 bits, half surrogate pairs, control characters.
Files that people write are small, so places are worth more here than speed; data goes through other readers.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from json.decoder import JSONDecodeError
from typing import Any

from shared.common.places import MAX_DEPTH, MAX_NODES, Position, Problems, Spot, decoded, is_text

_scan_string = json.decoder.scanstring  # type: ignore[attr-defined]  # the standard library's, in C
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_]+|\S")
_LITERALS = {"true": True, "false": False, "null": None}


def load_json(text: str | bytes, file: str) -> tuple[Any, Spot]:
    """The document's data and places. Raises `Misconfigured` with what is wrong, each with file:line:column."""
    problems = Problems(file)
    reader = _Reader(decoded(text, problems), problems)
    if reader.skip(0) == len(reader.text):
        return None, Spot((1, 1))
    data, spot, end = reader.value(reader.skip(0), 1)
    if (end := reader.skip(end)) != len(reader.text):
        raise problems.fatal(reader.at(end), "the document ended before this")
    problems.check()
    return data, spot


class _Reader:
    """A recursive descent over the text; every method takes an offset and gives the one behind what it read."""

    def __init__(self, text: str, problems: Problems) -> None:
        self.text = text
        self.problems = problems
        self.lines = [0, *(m.end() for m in re.finditer("\n", text))]
        self.nodes = 0

    def at(self, offset: int) -> Position:
        line = bisect_right(self.lines, offset)
        return line, offset - self.lines[line - 1] + 1

    def skip(self, offset: int) -> int:
        found = _SPACE.match(self.text, offset)
        return found.end() if found else offset

    def expected(self, what: str, offset: int) -> Exception:
        found = _WORD.match(self.text, offset)
        got = f'"{found.group()[:40]}"' if found else "the end"
        return self.problems.fatal(self.at(offset), f"expected {what}, got {got}")

    def value(self, offset: int, depth: int) -> tuple[Any, Spot, int]:
        at = self.at(offset)
        self.nodes += 1
        if depth > MAX_DEPTH:
            raise self.problems.fatal(at, f"is nested more than {MAX_DEPTH} levels deep")
        if self.nodes > MAX_NODES:
            raise self.problems.fatal(at, f"the document holds more than {MAX_NODES:,} values")
        match self.text[offset : offset + 1]:
            case "{":
                return self.mapping(offset, at, depth)
            case "[":
                return self.sequence(offset, at, depth)
            case '"':
                text, end = self.string(offset)
                return text, Spot(at), end
        if found := _NUMBER.match(self.text, offset):
            return self.number(found, at), Spot(at), found.end()
        word = _WORD.match(self.text, offset)
        if word and word.group() in _LITERALS:
            return _LITERALS[word.group()], Spot(at), word.end()
        raise self.expected("a value", offset)

    def number(self, found: re.Match[str], at: Position) -> int | float:
        text = found.group()
        if found.group(2) or found.group(3):
            number: int | float = float(text)
        else:
            number = int(text) if len(text) < 40 else 2**64
        if isinstance(number, float) and not math.isfinite(number):
            self.problems.add(at, f"{text[:40]} is no number that data can hold")
        elif isinstance(number, int) and not -(2**63) <= number < 2**64:
            self.problems.add(at, f"{text[:40]} does not fit in 64 bits; write it in quotes if it is text")
        return number

    def string(self, offset: int) -> tuple[str, int]:
        try:
            text, end = _scan_string(self.text, offset + 1, True)
        except JSONDecodeError as error:
            raise self.problems.fatal(self.at(error.pos), error.msg.removesuffix(" at")) from None
        if not is_text(text):
            self.problems.add(self.at(offset), "half of a surrogate pair is no character")
        return text, end

    def sequence(self, offset: int, at: Position, depth: int) -> tuple[list[Any], Spot, int]:
        values: list[Any] = []
        spot = Spot(at)
        offset = self.skip(offset + 1)
        if self.text.startswith("]", offset):
            return values, spot, offset + 1
        while True:
            value, child, offset = self.value(self.skip(offset), depth + 1)
            spot.children[len(values)] = child
            values.append(value)
            offset = self.skip(offset)
            if self.text.startswith("]", offset):
                return values, spot, offset + 1
            if not self.text.startswith(",", offset):
                raise self.expected("a comma or ]", offset)
            offset += 1

    def mapping(self, offset: int, at: Position, depth: int) -> tuple[dict[str, Any], Spot, int]:
        values: dict[str, Any] = {}
        spot = Spot(at)
        offset = self.skip(offset + 1)
        if self.text.startswith("}", offset):
            return values, spot, offset + 1
        while True:
            offset = self.member(values, spot, self.skip(offset), depth)
            if self.text.startswith("}", offset):
                return values, spot, offset + 1
            if not self.text.startswith(",", offset):
                raise self.expected("a comma or }", offset)
            offset += 1

    def member(self, values: dict[str, Any], spot: Spot, offset: int, depth: int) -> int:
        if not self.text.startswith('"', offset):
            raise self.expected("a key in double quotes", offset)
        key_at = self.at(offset)
        key, end = self.string(offset)
        end = self.skip(end)
        if not self.text.startswith(":", end):
            raise self.expected("a colon", end)
        value, child, end = self.value(self.skip(end + 1), depth + 1)
        if key in values:
            self.problems.add(key_at, f'key "{key}" is here twice; the first is in line {spot.keys[key][0]}')
        else:
            values[key], spot.keys[key], spot.children[key] = value, key_at, child
        return self.skip(end)
