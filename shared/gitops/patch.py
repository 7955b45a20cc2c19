"""Reads whole files out of a diff that shows all their lines, and takes none whose hash is not the one that git tells.

Where a host gives files only one by one, one diff of two commits gives all that changed between them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_INDEX = re.compile(rb"index [0-9a-f]{7,64}\.\.([0-9a-f]{7,64})")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abfnrtv"\\])')
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def contents(diff: bytes) -> dict[str, bytes]:
    """The new side of each file of a git diff, by path, as far as the diff has all of it.

    Files that went, are binary or empty, or of which lines are left out, are not among them.
    """
    found: dict[str, bytes] = {}
    for lines in _sections(diff):
        name, promised, content = _file(lines)
        if name and promised and _hash(content).startswith(promised):
            found[name] = content
    return found


def _sections(diff: bytes) -> Iterator[list[bytes]]:
    """The lines of each file. No line of a file's content begins as a section does: they have a sign before them."""
    section = list[bytes]()
    for line in diff.split(b"\n"):
        if line.startswith(b"diff --git "):
            yield section
            section = []
        section.append(line)
    yield section


def _file(lines: list[bytes]) -> tuple[str, str, bytes]:
    name = promised = ""
    content, inside, last = list[bytes](), False, b""
    for line in lines:
        sign = line[:1]
        if line.startswith(b"@@ "):
            inside = True
        elif inside and sign in (b" ", b"+"):
            content.append(line[1:] + b"\n")
        elif inside and sign == b"\\" and last != b"-" and content:
            content[-1] = content[-1][:-1]
        elif not inside and (match := _INDEX.match(line)):
            promised = match[1].decode()
        elif not inside and line.startswith(b"+++ "):
            name = _name(line[4:])
        last = sign
    return name, promised, b"".join(content)


def _name(written: bytes) -> str:
    """The path as git writes it: `b/a.yml`, with a tab behind it where it has spaces, or in quotes with escapes."""
    if written.startswith(b'"'):
        written = _ESCAPE.sub(_unescaped, written.rstrip(b"\t")[1:-1])
    else:
        written = written.removesuffix(b"\t")
    try:
        return written.decode().removeprefix("b/") if written.startswith(b"b/") else ""
    except UnicodeDecodeError:
        return ""


def _unescaped(match: re.Match[bytes]) -> bytes:
    said = match[1]
    return bytes([int(said, 8)]) if len(said) == 3 else _ESCAPED.get(said, said)


def _hash(content: bytes) -> str:
    """The name that git has for a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
