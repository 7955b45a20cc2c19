"""The keywords of JSON Schema by the kind of value that they decide about, and small readings of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

ASSERTED_FORMATS = frozenset(
    """date time date-time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri
    iri-reference uuid uri-template json-pointer relative-json-pointer regex""".split()
)
"""Formats that the validator holds values against; others are annotations. In draft 07 two more are not asserted."""

STRING = ("minLength", "maxLength", "pattern", "format")
NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
ARRAY = (
    "items", "prefixItems", "additionalItems", "unevaluatedItems", "contains", "minContains", "maxContains",
    "minItems", "maxItems", "uniqueItems",
)  # fmt: skip
OBJECT = (
    "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "propertyNames", "required",
    "dependencies", "dependentRequired", "dependentSchemas", "minProperties", "maxProperties",
)  # fmt: skip
OF_KIND = {"string": STRING, "number": NUMBER, "integer": NUMBER, "array": ARRAY, "object": OBJECT}
DYNAMIC = ("$dynamicRef", "$recursiveRef")
IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "dependencies", *DYNAMIC})
CONTENT = ("contentEncoding", "contentMediaType")
WITHOUT_MEANING = {
    "draft-07": (
        "prefixItems", "dependentRequired", "dependentSchemas", "minContains", "maxContains", "unevaluatedItems",
        "unevaluatedProperties",
    ),
    "2019-09": ("prefixItems",),
    "2020-12": ("additionalItems",),
}  # fmt: skip
"""What the validator does not look at, by dialect. `dependencies` it looks at in all of them."""
DECIDING = frozenset(
    {"type", "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", *DYNAMIC}.union(*OF_KIND.values())
)
_BY_NAME = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_DATA = frozenset({"enum", "const", "default", "examples"})
_CAPITAL = re.compile("([A-Z])")


def canonical(value: Any) -> str:
    """JSON that is the same for equal values: keys sorted, 1.0 written as 1."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def exact(value: Any) -> Fraction:
    """A number as it is written: 0.1 is a tenth."""
    return Fraction(value) if isinstance(value, int) else Fraction(Decimal(repr(value)))


def draft_of(schema: Any) -> str:
    """The draft that a document is written in: as it says, else as it is spelt, else the newest.

    >>> draft_of({"type": "array", "items": [{"type": "string"}]})
    'draft-07'
    """
    dialect = schema.get("$schema") if isinstance(schema, dict) else None
    if dialect is None:
        return "draft-07" if _spelt_the_old_way(schema) else "2020-12"
    return next((name for name in WITHOUT_MEANING if name in str(dialect)), "2020-12")


def _spelt_the_old_way(schema: Any) -> bool:
    """Whether there is a list of items as newer drafts do not have it."""
    if isinstance(schema, list):
        return any(map(_spelt_the_old_way, schema))
    if not isinstance(schema, dict):
        return False
    if "additionalItems" in schema or isinstance(schema.get("items"), list):
        return True
    below = (
        list(value.values()) if name in _BY_NAME and isinstance(value, dict) else value
        for name, value in schema.items()
        if name not in _DATA
    )
    return any(map(_spelt_the_old_way, below))


def matches(pattern: str, name: str) -> bool | None:
    """Whether the pattern is found in the name; None when this regular expression is none of Python's."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return None


def numbers(raw: Mapping[str, Any], *keywords: str) -> dict[str, Any]:
    """The limits among these keywords, named as the nodes name them."""
    return {_CAPITAL.sub(r"_\1", name).lower(): exact(raw[name]) for name in keywords if name in raw}


def types(raw: dict[str, Any]) -> list[str]:
    kinds = raw.get("type", [])
    listed = [kinds] if isinstance(kinds, str) else list(kinds)
    if listed and raw.get("nullable") is True and "null" not in listed:  # as OpenAPI 3.0 means it
        listed.append("null")
    return listed


def typed_part(raw: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"type": kind, **picked(raw, OF_KIND.get(kind, ()))}


def picked(raw: dict[str, Any], keywords: Iterable[str]) -> dict[str, Any]:
    return {keyword: raw[keyword] for keyword in keywords if keyword in raw}


def notes_of(raw: dict[str, Any]) -> dict[str, Any]:
    found = {name: raw[name] for name in ("title", "description", "default") if name in raw}
    name = raw.get("$id", raw.get("id"))
    return found | ({"id": name} if isinstance(name, str) else {})


def named(schema: Any) -> Iterator[tuple[str, Any]]:
    """Schemas that have a name of their own, by what refers to them."""
    if isinstance(schema, dict):
        for keyword, prefix in (("$id", ""), ("$anchor", "#")):
            if isinstance(schema.get(keyword), str):
                yield prefix + schema[keyword], schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from named(part)
