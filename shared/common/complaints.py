"""pydantic's validation errors as sentences for the author of a document: what is wrong, what is known, what was meant.

Pydantic says where an error is in terms of its schema: tags of discriminated unions and labels of plain unions
stand between the keys. The walk below follows the model's core schema beside the path, so that a message names the keys
as they are written, and knows which other keys and values would have been right there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from shared.common.errors import SluiceError, unknown
from shared.common.places import Key

Schema = Mapping[str, Any]
Path = tuple[Key, ...]
Complaint = tuple[Path, bool, str]  # path, whether its key is meant (not its value), text

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "nothing",
}
_FIELDS = {"model-fields", "typed-dict", "dataclass-args"}
_MISSING = object()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a walk stands: in the document, in the schema (several where a union is open), in which plain union."""

    path: Path
    schemas: tuple[Schema, ...]
    union: Path | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """A mistake at `place`, or at the `key` in it; `expected` is set when the value is of the wrong type altogether."""

    place: _Place
    text: str
    about: Literal["value", "key"] = "value"
    key: Key | None = None
    expected: str = ""

    def complaint(self) -> Complaint:
        path = self.place.path if self.key is None else (*self.place.path, self.key)
        name = _dotted(self.place.path)
        return path, self.about == "key", f"{name}: {self.text}" if name else self.text


def complaints(error: ValidationError, model: type[BaseModel], data: Any) -> Iterator[Complaint]:
    """One complaint per mistake in `data`, which `model` did not accept."""
    schema: Schema = model.__pydantic_core_schema__
    findings: list[_Finding] = []
    definitions = {d["ref"]: d for d in schema.get("definitions", ())}
    details = error.errors(include_url=False)
    for detail in details:
        if not _follows(detail, details):
            findings.extend(_findings(detail, _Walk(definitions), schema, data))
    for finding in _without_other_choices(findings, data):
        yield finding.complaint()


def _follows(detail: Mapping[str, Any], details: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is too short only because pydantic leaves out what is wrong in it."""
    path = detail["loc"]
    inside = (one for one in details if len(one["loc"]) > len(path) and one["loc"][: len(path)] == path)
    return detail["type"] == "too_short" and any(inside)


class _Walk:
    """Steps along an error's location through a core schema; `definitions` are its shared parts."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.definitions = definitions

    def open(self, schema: Schema) -> Iterator[Schema]:
        """The schemas that say something about the value itself, inside wrappers such as defaults and validators."""
        match schema["type"]:
            case "definition-ref":
                yield from self.open(self.definitions[schema["schema_ref"]])
            case "lax-or-strict":
                yield from self.open(schema["lax_schema"])
            case "json-or-python":
                yield from self.open(schema["python_schema"])
            case "chain":
                for step in schema["steps"]:
                    yield from self.open(step)
            case _ if isinstance(inner := schema.get("schema"), Mapping):
                yield from self.open(inner)
            case _:
                yield schema

    def start(self, schema: Schema) -> _Place:
        return _Place((), tuple(self.open(schema)))

    def step(self, place: _Place, element: Key) -> _Place:
        """The place one element of a location further; elements that only choose from a union keep the path."""
        found: list[Schema] = []
        chosen: list[Schema] = []
        for schema in place.schemas:
            match schema["type"]:
                case "tagged-union":
                    chosen += [c for tag, c in _tags(schema).items() if tag == str(element)]
                case "union":
                    chosen += self.labelled(schema, element)
                case _:
                    found += self.below(schema, element)
        if chosen and not found:
            plain = any(schema["type"] == "union" for schema in place.schemas)
            return replace(place, schemas=self.opened(chosen), union=place.path if plain else place.union)
        return replace(place, path=(*place.path, element), schemas=self.opened(found))

    def opened(self, schemas: list[Schema]) -> tuple[Schema, ...]:
        return tuple(inner for schema in schemas for inner in self.open(schema))

    def labelled(self, schema: Schema, label: Key) -> list[Schema]:
        """The choices of a plain union that a label means: that of this name, else all of them."""
        choices = [c[0] if isinstance(c, tuple | list) else c for c in schema["choices"]]
        exact = [c for c in choices if label in (_class_name(c, self.definitions), c["type"])]
        return exact or [c for c in choices if str(label).startswith(str(c["type"]))] or choices

    @staticmethod
    def below(schema: Schema, element: Key) -> list[Schema]:
        match schema["type"]:
            case kind if kind in _FIELDS:
                return [f["schema"] for name, f in _fields(schema).items() if name == element]
            case "dict":
                return [schema["values_schema"]] if "values_schema" in schema else []
            case "list" | "set" | "frozenset":
                return [schema["items_schema"]] if "items_schema" in schema else []
            case "tuple":
                items = schema["items_schema"]
                return [items[min(element, len(items) - 1)]] if isinstance(element, int) and items else []
        return []


def _findings(detail: Mapping[str, Any], walk: _Walk, schema: Schema, data: Any) -> Iterator[_Finding]:
    kind = detail["type"]
    place = walk.start(schema)
    last = len(detail["loc"]) if kind not in ("missing", "extra_forbidden") else len(detail["loc"]) - 1
    for element in detail["loc"][:last]:
        if element == "[key]":
            yield _Finding(place, f"this key is not allowed: {_sentence(detail)}", about="key")
            return
        place = walk.step(place, element)
    match kind:
        case "missing":
            yield _Finding(place, f'"{detail["loc"][-1]}" is missing', about="key")
        case "extra_forbidden":
            yield _unknown_key(
                place, str(detail["loc"][-1]), {n for s in place.schemas for n in _field_names(s)}
            )
        case "too_short":
            there, least = (detail["ctx"][name] for name in ("actual_length", "min_length"))
            yield _Finding(place, f"needs {least} or more, and has {there}")
        case "union_tag_not_found":
            yield from _no_tag(place, walk, _at(data, place.path))
        case "union_tag_invalid":
            yield _wrong_tag(place, data)
        case "literal_error" | "enum":
            yield _Finding(place, _not_in(_at(data, place.path), _allowed(place.schemas)))
        case _ if kind in _EXPECTED:
            value = _at(data, place.path, detail.get("input"))
            yield _Finding(place, _wrong_type(_EXPECTED[kind], value), expected=_EXPECTED[kind])
        case _:
            yield _Finding(place, _sentence(detail))


def _unknown_key(place: _Place, key: str, known: set[str]) -> _Finding:
    error = unknown("key", key, known)
    return _Finding(place, f"{error.message}; {error.hint}", about="key", key=key)


def _no_tag(place: _Place, walk: _Walk, value: Any) -> Iterator[_Finding]:
    """The key that chooses the kind is missing: perhaps it is there, misspelt, with a value that names the kind."""
    union = next(s for s in place.schemas if s["type"] == "tagged-union")
    discriminator = str(union["discriminator"]) if isinstance(union["discriminator"], str) else "kind"
    known = {tag: set(_keys_of(walk, choice)) for tag, choice in _tags(union).items()}
    everything = {name for names in known.values() for name in names} | {discriminator}
    strangers = [key for key in value if key not in everything] if isinstance(value, Mapping) else []
    for key in strangers:
        names = known.get(str(value[key]), everything) if isinstance(value, Mapping) else everything
        yield _unknown_key(place, str(key), names)
    if not any(isinstance(value, Mapping) and str(value[key]) in known for key in strangers):
        yield _Finding(place, f'"{discriminator}" is missing; known: {", ".join(sorted(known))}', about="key")


def _keys_of(walk: _Walk, choice: Schema) -> Iterator[str]:
    """The keys of a choice of a union."""
    for schema in walk.open(choice):
        yield from _field_names(schema)


def _wrong_tag(place: _Place, data: Any) -> _Finding:
    union = next(s for s in place.schemas if s["type"] == "tagged-union")
    discriminator = union["discriminator"]
    if not isinstance(discriminator, str):
        return _Finding(place, f"is of no known kind; known: {', '.join(sorted(_tags(union)))}")
    spot = replace(place, path=(*place.path, discriminator))
    return _Finding(spot, _not_in(_at(data, spot.path), list(_tags(union))))


def _wrong_type(expected: str, value: Any) -> str:
    quotes = "; put it in quotes" if expected == "text" and isinstance(value, int | float) else ""
    return f"expected {expected}, got {_shown(value)}{quotes}"


def _not_in(value: Any, allowed: list[str]) -> str:
    if not isinstance(value, str):
        return f"expected one of {', '.join(sorted(allowed))}, got {_shown(value)}"
    error = unknown("value", value[:80], allowed)
    return f"{error.message}; {error.hint}"


def _without_other_choices(findings: list[_Finding], data: Any) -> Iterator[_Finding]:
    """In a plain union every choice complains; keep those of the choice that was meant, or join them."""
    by_union: dict[Path, list[_Finding]] = {}
    for finding in findings:
        if finding.place.union is not None:
            by_union.setdefault(finding.place.union, []).append(finding)
    joined: set[Path] = set()
    for finding in findings:
        union = finding.place.union
        if union is None or not finding.expected or finding.place.path != union:
            yield finding
            continue
        mismatches = [f for f in by_union[union] if f.expected and f.place.path == union]
        if union in joined or len(mismatches) < len(by_union[union]):
            continue
        joined.add(union)
        expected = " or ".join(dict.fromkeys(f.expected for f in mismatches))
        yield replace(finding, text=_wrong_type(expected, _at(data, union)))


def _fields(schema: Schema) -> dict[str, Schema]:
    """The fields of a schema by the key that a document uses for them."""
    fields = schema.get("fields", {})
    pairs = fields.items() if isinstance(fields, Mapping) else ((f["name"], f) for f in fields)
    named = {}
    for name, spec in pairs:
        alias = spec.get("validation_alias")
        named[alias if isinstance(alias, str) else name] = spec
    return named


def _field_names(schema: Schema) -> list[str]:
    return list(_fields(schema)) if schema["type"] in _FIELDS else []


def _tags(union: Schema) -> dict[str, Schema]:
    return {str(getattr(tag, "value", tag)): choice for tag, choice in union["choices"].items()}


def _allowed(schemas: tuple[Schema, ...]) -> list[str]:
    values = [v for s in schemas for v in s.get("expected", s.get("members", ()))]
    return [str(getattr(value, "value", value)) for value in values]


def _class_name(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if schema["type"] == "definition-ref":
        schema = definitions[schema["schema_ref"]]
    return schema["cls"].__name__ if "cls" in schema else ""


def _at(data: Any, path: Path, default: Any = _MISSING) -> Any:
    """The value of the document at `path`; `default` where a validator made what pydantic looked at."""
    for element in path:
        try:
            data = data[element]
        except (KeyError, IndexError, TypeError):
            return default
    return data


def _shown(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"number {value}"
        case str():
            return f'"{value}"' if len(value) <= 40 else f'"{value[:37]}…"'
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping"
    return "nothing" if value is _MISSING else type(value).__name__


def _sentence(detail: Mapping[str, Any]) -> str:
    """Pydantic's own sentence, or that of the validator that refused the value."""
    match detail.get("ctx", {}).get("error"):
        case SluiceError() as error:
            return f"{error.message}; {error.hint}" if error.hint else error.message
        case Exception() as error:
            return str(error)
    text = detail["msg"].removeprefix("Input ").replace("should", "must", 1)
    return f"{text}, got {_shown(detail.get('input'))}"


def _dotted(path: Path) -> str:
    text = ""
    for element in path:
        text += f"[{element}]" if isinstance(element, int) else f".{element}"
    return text.removeprefix(".")
