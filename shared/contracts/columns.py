"""Columns: what a table sees of a contract, and the short way of writing one.

>>> spec = {"id": "string", "total": {"type": "decimal", "nullable": True}}
>>> [column.type.value for column in columns_of(schema_from_columns(spec))]
['string', 'decimal']
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shared.common.complaints import complaints
from shared.common.errors import Misconfigured

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MOST_DIGITS = 1000
"""The most that any warehouse of ours can hold (PostgreSQL); others take more than theirs as text."""

MAX_DEPTH = 5
"""How deep objects are flattened; what lies deeper, or inside itself, stays JSON."""

_DECIMAL = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$"
_BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class ColumnType(StrEnum):
    """The logical types of a column; each warehouse maps them to its own."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    JSON = "json"
    UUID = "uuid"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Column:
    """A top-level field of the records. `nullable`: it may be null or missing. Nested values are `json`.

    `precision` and `scale` are digits in all and behind the point, of a decimal that declares them.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    description: str = ""
    precision: int | None = None
    scale: int | None = None


DIGITS, SCALE = 38, 9
"""Digits in all and behind the point, of a decimal that declares none: what every warehouse of ours can hold."""


def wrong_digits(precision: Any, scale: Any) -> str:
    """Why these cannot be the digits of a decimal, in all and behind the point; empty where they can.

    >>> wrong_digits(12, 2), wrong_digits(5, None)
    ('', 'precision 5 is less than the scale, which is 9 where none is written')
    """
    total, behind = DIGITS if precision is None else precision, SCALE if scale is None else scale
    if type(total) is not int or not 1 <= total <= MOST_DIGITS:
        return f"precision {total!r} is no number of digits: 1 to {MOST_DIGITS}"
    if type(behind) is not int or behind < 0:
        return f"scale {behind!r} is no number of digits: 0 or more"
    if behind > total:
        default = "" if scale is not None else " where none is written"
        least = f"precision {total}" if precision is not None else f"precision {total}, which is that of all,"
        return f"{least} is less than the scale, which is {behind}{default}"
    return ""


class ShortType(StrEnum):
    """The types of the `columns:` shorthand: those of a column, and `object` and `array`, which are json columns."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    JSON = "json"
    OBJECT = "object"
    ARRAY = "array"
    UUID = "uuid"
    BINARY = "binary"


class ColumnSpec(BaseModel):
    """One entry of `columns:`, written as a type alone (`id: string`) or with its options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ShortType
    nullable: bool = False
    """Null is allowed, and so is a record without the field."""
    description: str = ""
    enum: tuple[str | int, ...] = ()
    precision: int | None = None
    scale: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _type_alone(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _digits_fit(self) -> ColumnSpec:
        if wrong := wrong_digits(self.precision, self.scale):
            raise ValueError(wrong)
        return self

    def schema_document(self) -> dict[str, Any]:
        """The JSON Schema of the field."""
        schema = dict(_SHORT[self.type])
        if "type" in schema and self.nullable:
            kinds = schema["type"]
            schema["type"] = [*([kinds] if isinstance(kinds, str) else kinds), "null"]
        if self.enum:
            schema["enum"] = [*self.enum, *([None] if self.nullable else [])]
        extras = {"description": self.description, "x-precision": self.precision, "x-scale": self.scale}
        return schema | {name: value for name, value in extras.items() if value not in ("", None)}


class _Columns(BaseModel):
    columns: dict[str, ColumnSpec]


_SHORT: dict[ShortType, dict[str, Any]] = {
    ShortType.STRING: {"type": "string"},
    ShortType.INTEGER: {"type": "integer"},
    ShortType.NUMBER: {"type": "number"},
    # A decimal that must keep its digits travels as a number or, in careful APIs, as a string.
    ShortType.DECIMAL: {"type": ["number", "string"], "format": "decimal", "pattern": _DECIMAL},
    ShortType.BOOLEAN: {"type": "boolean"},
    ShortType.DATE: {"type": "string", "format": "date"},
    ShortType.TIMESTAMP: {"type": "string", "format": "date-time"},
    # JSON Schema's own `time` demands a zone, which the times of databases and of most APIs do not have.
    ShortType.TIME: {"type": "string", "format": "local-time", "pattern": _TIME},
    ShortType.JSON: {},
    ShortType.OBJECT: {"type": "object"},
    ShortType.ARRAY: {"type": "array"},
    ShortType.UUID: {"type": "string", "format": "uuid"},
    ShortType.BINARY: {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
}

_FORMATS = {
    "date": ColumnType.DATE,
    "date-time": ColumnType.TIMESTAMP,
    "time": ColumnType.TIME,
    "local-time": ColumnType.TIME,
    "uuid": ColumnType.UUID,
    "decimal": ColumnType.DECIMAL,
}
_KINDS = {
    "string": ColumnType.STRING,
    "integer": ColumnType.INTEGER,
    "number": ColumnType.NUMBER,
    "boolean": ColumnType.BOOLEAN,
}


def schema_from_columns(columns: Mapping[str, Any], *, file: str = "") -> dict[str, Any]:
    """The JSON Schema that the shorthand stands for; fields beyond the listed ones are allowed.

    Raises `Misconfigured` naming every entry that is wrong and the known types.
    """
    document = {"columns": {name: {"type": c} if isinstance(c, str) else c for name, c in columns.items()}}
    try:
        specs = _Columns.model_validate(document).columns
    except ValidationError as error:
        found = [text for _, _, text in complaints(error, _Columns, document)]
        raise Misconfigured("\n".join(found), file=file) from None
    if not specs:
        raise Misconfigured("columns: is empty", hint="list at least the primary key", file=file)
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {name: spec.schema_document() for name, spec in specs.items()},
        "required": [name for name, spec in specs.items() if not spec.nullable],
    }


def columns_of(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of a contract's schema, in the order in which its properties are written."""
    root = resolve(schema, schema)
    required = set(root.get("required", ()))
    return tuple(
        _column(name, part, name in required, schema) for name, part in root.get("properties", {}).items()
    )


def flat_columns_of(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of a table without nesting: objects with declared fields are taken apart, `address.city`."""
    return tuple(_flat(resolve(schema, schema), schema, "", 0, False))


def _flat(
    schema: Mapping[str, Any], root: Mapping[str, Any], prefix: str, depth: int, nullable: bool
) -> Iterator[Column]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        column = _column(name, part, name in required, root)
        column = replace(column, name=prefix + name, nullable=column.nullable or nullable)
        inner = resolve(part, root)
        inner = _without_null_branch(inner, root)[0] if isinstance(inner, dict) else {}
        if depth < MAX_DEPTH and inner.get("properties") and (_kinds(inner) or set()) <= {"object", "null"}:
            yield from _flat(inner, root, f"{column.name}.", depth + 1, column.nullable)
        else:
            yield column


def resolve(schema: Any, root: Mapping[str, Any]) -> Any:
    """Follow a local `$ref` that stands alone; anything else is returned as it is."""
    seen = 0
    while isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and seen < 100:
        target = pointed(schema["$ref"], root)
        if target is None:
            return schema
        schema, seen = target, seen + 1
    return schema


def pointed(ref: str, root: Mapping[str, Any]) -> Any:
    """What a reference of the form `#/a/b` points to; None when there is nothing (or it is not of that form)."""
    if not ref.startswith("#/"):
        return None
    place: Any = root
    for name in ref[2:].split("/"):
        key = name.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, dict) else None
    return place


def _column(name: str, schema: Any, required: bool, root: Mapping[str, Any]) -> Column:
    schema = resolve(schema, root)
    if not isinstance(schema, dict):
        return Column(name, ColumnType.JSON)
    inner, optional = _without_null_branch(schema, root)
    kinds = _kinds(inner)
    nullable = optional or not required or kinds is None or "null" in kinds
    return Column(
        name,
        _type_of(inner, (kinds or set()) - {"null"}),
        nullable,
        description=str(schema.get("description", "")),
        precision=inner.get("x-precision"),
        scale=inner.get("x-scale"),
    )


def _without_null_branch(schema: dict[str, Any], root: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """`anyOf: [X, null]` is a nullable X."""
    for keyword in ("anyOf", "oneOf"):
        branches = [resolve(branch, root) for branch in schema.get(keyword, ())]
        others = [branch for branch in branches if branch != {"type": "null"}]
        if len(branches) == 2 and len(others) == 1 and isinstance(others[0], dict):
            return others[0], True
    return schema, False


def _kinds(schema: Mapping[str, Any]) -> set[str] | None:
    """The JSON types a value may have; None when the schema does not say."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        found = {kinds}
    elif isinstance(kinds, list):
        found = set(kinds)
    elif "enum" in schema or "const" in schema:
        found = {kind_of(value) for value in schema.get("enum", [schema.get("const")])}
    else:
        return None
    if "enum" in schema and None not in schema["enum"]:
        found.discard("null")
    return found


def kind_of(value: Any) -> str:
    """The JSON type of plain data; a whole number written with a fraction counts as a number.

    >>> [kind_of(value) for value in (None, True, 1, 1.0, "a", {}, [])]
    ['null', 'boolean', 'integer', 'number', 'string', 'object', 'array']
    """
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            return "object" if isinstance(value, dict) else "array"


def _type_of(schema: Mapping[str, Any], kinds: set[str]) -> ColumnType:
    form = schema.get("format")
    if kinds == {"string"} and schema.get("contentEncoding") == "base64":
        return ColumnType.BINARY
    if kinds == {"string"} and form in _FORMATS:
        return _FORMATS[form]
    if kinds and kinds <= {"integer", "number", "string"} and form == "decimal":
        return ColumnType.DECIMAL
    if kinds == {"integer", "number"}:
        return ColumnType.NUMBER
    return _KINDS.get(next(iter(kinds)), ColumnType.JSON) if len(kinds) == 1 else ColumnType.JSON
