"""Compiles a contract to a type that a JSON decoder checks while it reads, for speed.

It is sound and not complete: what a compiled contract accepts, the full validator accepts; what it does not accept is
decided by the full validator (`validate`). So every keyword is in one of three places: in the decoder's type (types,
properties, enums, lengths, ranges); in a check of jsonschema-rs over all values of one field of a page at once
(formats, patterns, and every subschema this file does not understand); or among the annotations, which decide nothing.

Measured on 2.5 KB records with 3 to 13 date-times (docs/performance.md): 6.5 µs a record; by parsing each record and
validating it, 10.6 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Meta

from shared.contracts.checks import All, Check, Fields, Items, Present, Texts, ValidatorFor
from shared.contracts.columns import pointed

# What the decoder's types express, by the JSON type a keyword applies to. For values of other types it says nothing.
_FOR_KIND = {
    "null": frozenset[str](),
    "boolean": frozenset[str](),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems", "prefixItems", "additionalItems"})
    | {"contains", "minContains", "maxContains", "unevaluatedItems"},
    "object": frozenset(
        {"properties", "required", "additionalProperties", "patternProperties", "propertyNames"}
    )
    | {"minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies"}
    | {"unevaluatedProperties"},
}
_ANY_KIND = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "enum", "const", "$ref"})
_NAMES = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor"})
_ASSERTIONS = frozenset[str]().union(*_FOR_KIND.values()) | _ANY_KIND | _NAMES

_NOT_NULL = ("string", "integer", "number", "boolean", "array", "object")

_EXACT = 2**53
"""Beyond it not every integer is a double, and a bound could be passed by rounding."""


class NotTyped(Exception):
    """The contract names places of its own (`$id`, anchors), so that its parts cannot be checked apart."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A decoder's type and what remains to be checked. `attributes` names the attribute of each top-level field."""

    type: Any
    check: Check | None
    attributes: Mapping[str, str] = field(default_factory=dict)


def compile_typed(
    schema: Mapping[str, Any],
    validator_for: ValidatorFor,
    *,
    closed: bool,
    plain: frozenset[str] = frozenset(),
) -> Typed:
    """Compile a schema whose root is an object.

    With `closed`, records with undeclared fields are not accepted even where the schema allows them: then no byte is
    skipped unread. The top-level fields in `plain` are decoded to plain data, which keeps 64-bit integers exact, and
    are declared if they are not. Raises `NotTyped`.
    """
    return _Compiler(schema, validator_for, closed).record(plain)


class _Compiler:
    def __init__(self, root: Mapping[str, Any], validator_for: ValidatorFor, closed: bool) -> None:
        self.root = root
        self.validator_for = validator_for
        self.closed = closed
        self.known: dict[bytes, tuple[Any, Check | None]] = {}
        self.open_refs: list[str] = []

    def record(self, plain: frozenset[str]) -> Typed:
        if _names_places(self.root):
            raise NotTyped
        root = {key: value for key, value in self.root.items() if key not in ("$id", "$defs", "definitions")}
        if _asserted(root) - {"type", "properties", "required", "additionalProperties"}:
            raise NotTyped
        properties = root.get("properties", {})
        if root.get("additionalProperties", True) is not False:
            properties = {**properties, **dict.fromkeys(sorted(plain - properties.keys()), True)}
        elif plain - properties.keys() or not properties:
            raise NotTyped
        made = self.struct({**root, "properties": properties}, plain) if properties else None
        if made is None:
            raise NotTyped
        kind, check = made
        attributes = {f.encode_name: f.name for f in msgspec.structs.fields(kind)}
        return Typed(kind, check, attributes)

    def any(self, schema: Any) -> tuple[Any, Check | None]:
        """The type and check of a schema; the same schema gives the same type."""
        if schema is True or (isinstance(schema, dict) and not _asserted(schema) and "type" not in schema):
            return Any, None
        if not isinstance(schema, dict):
            return self.left_over(schema)
        key = msgspec.json.encode(schema)
        if key not in self.known:
            self.known[key] = self.made(schema) or self.left_over(schema)
        return self.known[key]

    def left_over(self, schema: Any) -> tuple[Any, Check | None]:
        return Any, Present(self.validator_for(schema))

    def made(self, schema: dict[str, Any]) -> tuple[Any, Check | None] | None:
        """The type of a schema; None when this file has no type that says exactly the same."""
        asserted = _asserted(schema)
        if "$ref" in asserted:
            return self.referred(schema["$ref"]) if asserted == {"$ref"} and "type" not in schema else None
        if ("anyOf" in asserted or "oneOf" in asserted) and "type" not in schema:
            return self.nullable(schema, asserted)
        if "enum" in asserted or "const" in asserted:
            return _choice(schema, asserted)
        kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type")
        if not isinstance(kinds, list) or not kinds or asserted & _ANY_KIND:
            return None
        if "number" in kinds:
            kinds = [kind for kind in kinds if kind != "integer"]
        parts = [self.kind(kind, schema) for kind in kinds]
        made = [part for part in parts if part is not None]
        if len(made) < len(parts):
            return None
        checks = tuple(check for _, check in made if check is not None)
        union: Any = Union.__getitem__(tuple(kind for kind, _ in made))  # a union made at run time
        return union, All(checks) if len(checks) > 1 else (checks or (None,))[0]

    def kind(self, kind: Any, schema: dict[str, Any]) -> tuple[Any, Check | None] | None:
        match kind:
            case "null":
                return None.__class__, None
            case "boolean":
                return bool, None
            case "integer" | "number":
                return _number(int if kind == "integer" else float, schema)
            case "string":
                return self.string(schema)
            case "array":
                return self.array(schema)
            case "object":
                return self.object(schema)
            case _:
                return None

    def string(self, schema: dict[str, Any]) -> tuple[Any, Check | None] | None:
        lengths = _counts(schema, "minLength", "maxLength")
        if lengths is None:
            return None
        rest = {keyword: schema[keyword] for keyword in ("format", "pattern") if keyword in schema}
        return _limited(str, lengths), Texts(self.validator_for({"type": "string", **rest})) if rest else None

    def array(self, schema: dict[str, Any]) -> tuple[Any, Check | None] | None:
        lengths = _counts(schema, "minItems", "maxItems")
        items = schema.get("items", True)
        beyond = _asserted(schema) & _FOR_KIND["array"] - {"items", "minItems", "maxItems"}
        if lengths is None or beyond or not isinstance(items, dict | bool):
            return None
        item, check = self.any(items)
        made = _limited(list[item], lengths)  # type: ignore[valid-type]
        return made, Items(check) if check else None

    def object(self, schema: dict[str, Any]) -> tuple[Any, Check | None] | None:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        beyond = _asserted(schema) & _FOR_KIND["object"] - {"properties", "required", "additionalProperties"}
        if beyond or not isinstance(properties, dict):
            return None
        if not properties and not schema.get("required"):
            value, check = self.any(others)
            made = dict[str, value]  # type: ignore[valid-type]
            return made, Items(check) if check else None
        return self.struct(schema, frozenset())

    def struct(self, schema: dict[str, Any], plain: frozenset[str]) -> tuple[Any, Check | None] | None:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        required = set(schema.get("required", ()))
        if not (isinstance(others, bool) or others == {}) or not all(
            map(_can_be_a_name, [*properties, *required])
        ):
            return None
        if others is False and required - properties.keys():
            return None
        undeclared = dict.fromkeys(sorted(required - properties.keys()), True)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        parts: list[tuple[Callable[[Any], Any], Check]] = []
        names = {}
        for number, (name, part) in enumerate({**properties, **undeclared}.items()):
            attribute = f"f{number}"
            names[attribute] = name
            kind, check = (
                (Any, self.left_over(part)[1]) if name in plain and part is not True else self.any(part)
            )
            fields.append((attribute, kind) if name in required else (attribute, kind, UNSET))
            if check is not None:
                parts.append((attrgetter(attribute), check))
        made = msgspec.defstruct(
            "Record",
            fields,
            rename=names,
            forbid_unknown_fields=self.closed or others is False,
            gc=False,
            kw_only=True,
        )
        return made, Fields(made, tuple(parts)) if parts else None

    def referred(self, ref: Any) -> tuple[Any, Check | None] | None:
        """The type of a local reference; a schema inside itself is left to the full validator."""
        target = pointed(ref, self.root) if isinstance(ref, str) else None
        if target is None or ref in self.open_refs:
            return None
        self.open_refs.append(ref)
        try:
            return self.any(target)
        finally:
            self.open_refs.pop()

    def nullable(self, schema: dict[str, Any], asserted: frozenset[str]) -> tuple[Any, Check | None] | None:
        """`anyOf: [X, null]`, and `oneOf` of them where X alone does not take null."""
        if len(asserted) > 1:
            return None
        (keyword,) = asserted
        branches = schema[keyword]
        if not isinstance(branches, list) or len(branches) != 2 or {"type": "null"} not in branches:
            return None
        other = branches[0] if branches[1] == {"type": "null"} else branches[1]
        if other == {"type": "null"} or not isinstance(other, dict | bool):
            return None
        if keyword == "oneOf" and (isinstance(other, bool) or other.get("type") not in _NOT_NULL):
            return None
        kind, check = self.any(other)
        return (Any, None) if kind is Any and check is None else self._or_null(kind, check)

    @staticmethod
    def _or_null(kind: Any, check: Check | None) -> tuple[Any, Check | None] | None:
        # A check over plain data would see the null that the other branch allows.
        return None if kind is Any else (Union[kind, None], check)  # noqa: UP007  (made at run time)


def _asserted(schema: Mapping[str, Any]) -> frozenset[str]:
    """The keywords of a schema that decide something, besides `type`. Unknown ones decide nothing."""
    return _ASSERTIONS & schema.keys()


def _names_places(schema: Any, *, top: bool = True) -> bool:
    if isinstance(schema, list):
        return any(_names_places(part, top=False) for part in schema)
    if not isinstance(schema, dict):
        return False
    named = _NAMES & {key for key, value in schema.items() if isinstance(value, str)}
    outside = isinstance(schema.get("$ref"), str) and not schema["$ref"].startswith(
        ("#/$defs/", "#/definitions/")
    )
    if named - ({"$id"} if top else set()) or outside:
        return True
    return any(_names_places(part, top=False) for part in schema.values())


def _can_be_a_name(name: Any) -> bool:
    return isinstance(name, str) and name.isprintable() and '"' not in name and "\\" not in name


def _limited(kind: Any, limits: dict[str, Any]) -> Any:
    return Annotated[kind, Meta(**limits)] if limits else kind


def _counts(schema: Mapping[str, Any], low: str, high: str) -> dict[str, int] | None:
    """Bounds of a length; None when they are not plain integers."""
    found = {"min_length": schema.get(low), "max_length": schema.get(high)}
    given = {name: value for name, value in found.items() if value is not None}
    return given if all(type(value) is int and 0 <= value < _EXACT for value in given.values()) else None


def _number(kind: Any, schema: Mapping[str, Any]) -> tuple[Any, None] | None:
    names = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
    limits = {names[keyword]: schema[keyword] for keyword in names if keyword in schema}
    if "multipleOf" in schema or {"ge", "gt"} <= limits.keys() or {"le", "lt"} <= limits.keys():
        return None
    if not all(type(bound) in (int, float) and abs(bound) < _EXACT for bound in limits.values()):
        return None
    if kind is int and not all(type(bound) is int for bound in limits.values()):
        return None
    return _limited(kind, limits), None


def _choice(schema: Mapping[str, Any], asserted: frozenset[str]) -> tuple[Any, None] | None:
    """Strings, integers and null to choose from."""
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    if len(asserted) > 1 or not isinstance(values, list):
        return None
    kinds = schema.get("type", ["string", "integer", "null"])
    allowed = {"string": str, "integer": int, "number": int, "null": None.__class__}
    types = {allowed.get(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)}
    kept = [value for value in values if type(value) in types]
    plain = all(value is None or type(value) in (str, int) for value in values)
    if not kept or not plain or any(type(value) is int and abs(value) >= _EXACT for value in kept):
        return None
    if kept == [None]:
        return None.__class__, None
    return Literal[tuple(dict.fromkeys(kept))], None
