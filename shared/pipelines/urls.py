"""URLs of calls: what is none, what values become in them, and secrets that are written into them.

A value in the path or the query of a URL is a piece of it: `/`, `?`, `#` and the like in it are percent-encoded, so
that no data chooses another path. What stands before the path (a reference that is the whole URL, its beginning or its
host) stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from shared.common.errors import Misconfigured
from shared.pipelines.values import Literal, Reference, Template, Value, as_text, resolve

SECRET = re.compile(r"passw|secret|token|api_?key|authorization|credential", re.IGNORECASE)
"""Names of what is probably a secret."""
_HINT = "such as https://api.example.com/v1/orders"


class Where(StrEnum):
    """Where in a URL a reference stands."""

    BEFORE = "before"  # before the path
    PATH = "path"
    QUERY = "query"  # or what is behind a #


def url_parts(value: Template) -> Iterator[tuple[str | Reference, Where]]:
    """The parts of a URL, each with where it stands.

    >>> from shared.pipelines.values import parse_value
    >>> [str(where) for _, where in url_parts(parse_value("${params.base}/of/${item}?day=${run.date}"))]
    ['before', 'before', 'path', 'path', 'query']
    """
    before = ""
    for part in value.parts:
        rest = before.partition("://")[2] if "://" in before else before
        if re.search("[?#]", rest):
            where = Where.QUERY
        elif "/" in rest:
            where = Where.PATH
        else:
            where = Where.BEFORE
        yield part, where
        before += part if isinstance(part, str) else "x"


def resolve_url(value: Value, look_up: Callable[[Reference], Any]) -> str:
    """The URL. Raises `Misconfigured` for a value that would step out of its place in the path."""
    if not isinstance(value, Template):
        return as_text(resolve(value, look_up))
    return "".join(
        part if isinstance(part, str) else url_piece(as_text(look_up(part)), where)
        for part, where in url_parts(value)
    )


def url_piece(text: str, where: Where) -> str:
    """A value as a piece of a URL. Raises `Misconfigured` for `.` and `..` in a path, which no encoding keeps there.

    >>> (
    ...     url_piece("a/b c?", Where.PATH),
    ...     url_piece("é&", Where.QUERY),
    ...     url_piece("https://a.example", Where.BEFORE),
    ... )
    ('a%2Fb%20c%3F', '%C3%A9%26', 'https://a.example')
    """
    if where is Where.BEFORE:
        return text
    if where is Where.PATH and text in (".", ".."):
        raise Misconfigured(f'the value "{text}" would choose another path of the URL')
    return quote(text, safe="")


def url_fault(value: Value) -> str:
    """Why a value cannot be the URL of a call, as far as it is written; empty where nothing is wrong with it."""
    match value:
        case Literal(str() as text):
            parts: tuple[str | Reference, ...] = (text,)
        case Template(parts):
            pass
        case _:
            return ""
    if any(re.search(r"[\s\x00-\x1f\x7f]", part) for part in parts if isinstance(part, str)):
        return f"a URL has no blanks: write %20, or put the value into `query`; {_HINT}"
    first = parts[0]
    if not isinstance(first, str):
        return ""
    found = re.match("https?://", first, re.IGNORECASE)
    if not found:
        return f"is no URL that begins with https:// or http://; {_HINT}"
    return _split_fault("".join(part if isinstance(part, str) else "1" for part in parts))


def _split_fault(text: str) -> str:
    try:
        split = urlsplit(text)
        _ = split.port
    except ValueError:
        return f"is no URL; {_HINT}"
    return "" if split.hostname else f"is a URL without a host; {_HINT}"


def secret_in_url(value: Value) -> str:
    """What in a URL looks like a secret written out; empty where nothing does."""
    match value:
        case Literal(str() as text):
            pass
        case Template(parts):
            text = "".join(part for part in parts if isinstance(part, str))
        case _:
            return ""
    if not re.match("[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        return ""
    try:
        split = urlsplit(text)
        password = split.password
    except ValueError:
        return ""
    if password:
        return "password"
    return next((name for name, said in parse_qsl(split.query) if said and SECRET.search(name)), "")
