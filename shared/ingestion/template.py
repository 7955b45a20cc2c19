"""Path templates: `/accounts/{id}/notes`, filled with the fields of a parent's record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from shared.common.errors import Violation

Record = Mapping[str, Any]
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def lookup(record: Record, path: str) -> Any:
    """A field of a record by its dotted path; None where a part of the path is missing."""
    value: Any = record
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def placeholders(path: str) -> tuple[str, ...]:
    """The names in braces of a path template.

    >>> placeholders("/accounts/{id}/notes/{each.id}")
    ('id', 'each.id')
    """
    return tuple(_PLACEHOLDER.findall(path))


def fill(path: str, names: tuple[str, ...], record: Record, *, stream: str) -> str:
    """A path template with the parent's fields put in, each quoted as one path segment.

    Raises `Violation` when the parent lacks a field that the path needs.
    """
    for name in names:
        value = lookup(record, name)
        if value is None or isinstance(value, dict | list):
            raise Violation(f'the parent has no value "{name}" for the path {path}', stream=stream)
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    return path
