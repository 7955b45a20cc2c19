"""What is wrong with a schema itself, and where: a keyword used wrongly, a reference to nothing or to itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.common.documents import Document, read_json_document, read_yaml
from shared.common.errors import Misconfigured
from shared.common.places import Key
from shared.contracts.columns import pointed

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

_VALUES = frozenset({"enum", "const", "default", "examples", "example"})
"""Keywords whose content is data, not a schema."""
_HERE = ("allOf", "anyOf", "oneOf")
_HERE_ALONE = ("not", "if", "then", "else")
"""Keywords whose schemas are about the same value: a circle of these would never come to an end."""


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """What is wrong at a place in a schema."""

    path: tuple[Key, ...]
    text: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901), `/` for the whole."""
        return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in self.path) or "/"

    def __str__(self) -> str:
        return f"{self.pointer}: {self.text}"


def schema_fault(schema: Mapping[str, Any]) -> SchemaFault | None:
    """The first fault of a schema; None when it can be compiled."""
    import jsonschema_rs  # 7 MB and 50 ms: only where a schema is looked at

    circle = next(_circles(schema), None)
    if circle is not None:
        return circle
    try:
        jsonschema_rs.validator_for(dict(schema), validate_formats=True, offline=True)
    except jsonschema_rs.ValidationError as error:
        path = tuple(error.instance_path)
        if path[-1:] == ("type",) or path[-2:-1] == ("type",):
            return SchemaFault(path, f"{_value_at(schema, path)} is no type; known: {', '.join(TYPES)}")
        if not path and (lost := next(_lost(schema), None)):
            return lost
        return SchemaFault(path, error.message)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return next(_lost(schema), None) or SchemaFault((), str(error).split("\n\n", maxsplit=1)[0])
    return None


def check_schema(document: Document, schema: Mapping[str, Any]) -> None:
    """Raises `Misconfigured` with line and pointer when the schema that stands in a document is not valid."""
    fault = schema_fault(schema)
    if fault is not None:
        raise document.error(f"the schema is not valid: {fault}", *fault.path)


def check_schema_text(text: str | bytes, *, file: str) -> Document:
    """As `check_schema`, for the text of a file, as a document; one with the shorthand `columns:` is not looked at."""
    read = read_yaml if file.endswith((".yml", ".yaml")) else read_json_document
    document = read(text, file=file)
    data = document.data
    if isinstance(data, dict) and ("columns" not in data or "properties" in data):
        check_schema(document, data)
    return document


def _circles(root: Mapping[str, Any]) -> Iterator[SchemaFault]:
    """References that lead back to themselves at the same value: the compiled validator takes them for no rule."""
    found = [(path, schema) for path, schema in _schemas(root, ()) if _is_local(schema.get("$ref"))]
    if any(path and isinstance(schema.get("$id"), str) for path, schema in _schemas(root, ())):
        return  # its references may begin elsewhere than at the root
    for path, schema in found:
        if _leads_back(schema, root):
            text = f'"{schema["$ref"]}" leads back to itself, so it says nothing about any value'
            yield SchemaFault((*path, "$ref"), text)


def _lost(root: Mapping[str, Any]) -> Iterator[SchemaFault]:
    """References to what this file does not find either; asked when the schema could not be compiled."""
    for path, schema in _schemas(root, ()):
        ref = schema.get("$ref")
        if isinstance(ref, str) and not (_is_local(ref) and (ref == "#" or pointed(ref, root) is not None)):
            yield SchemaFault((*path, "$ref"), f'"{ref}" points to nothing in this document')


def _is_local(ref: object) -> bool:
    return isinstance(ref, str) and (ref == "#" or ref.startswith("#/"))


def _leads_back(start: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether what a schema says of a value asks for the same schema about that value again."""
    waiting, seen = list(_about_the_same(start, root)), set[int]()
    while waiting:
        schema = waiting.pop()
        if schema is start:
            return True
        if id(schema) not in seen:
            seen.add(id(schema))
            waiting.extend(_about_the_same(schema, root))
    return False


def _about_the_same(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    parts = [part for key in _HERE if isinstance(schema.get(key), list) for part in schema[key]]
    parts += [schema[key] for key in _HERE_ALONE if key in schema]
    ref = schema.get("$ref")
    if isinstance(ref, str):
        parts.append(root if ref == "#" else pointed(ref, root))
    yield from (part for part in parts if isinstance(part, dict))


def _schemas(value: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Mapping[str, Any]]]:
    """All objects of a schema that are not data, with their places."""
    waiting: list[tuple[Any, tuple[Key, ...]]] = [(value, path)]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, list):
            waiting.extend((part, (*path, number)) for number, part in enumerate(value))
        elif isinstance(value, dict):
            yield path, value
            named = path[-1:] in (("properties",), ("patternProperties",), ("$defs",), ("definitions",))
            waiting.extend((part, (*path, key)) for key, part in value.items() if named or key not in _VALUES)


def _value_at(schema: Any, path: tuple[Key, ...]) -> str:
    for key in path:
        schema = schema[key]
    return f'"{schema}"' if isinstance(schema, str) else str(schema)


def invalid(schema: Mapping[str, Any], *, contract: str) -> Misconfigured | None:
    """The error for a schema that is not valid, where nobody knows any more where it was written."""
    fault = schema_fault(schema)
    return None if fault is None else Misconfigured(f"the schema is not valid: {fault}", contract=contract)
