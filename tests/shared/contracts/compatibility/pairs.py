"""Makes pairs of schemas, the second a mutation of the first, and values that are near the edge of both.

Everything comes out of a `random.Random`, so a seed is a pair.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

NAMES = ("a", "b", "n_a", "n_b", "kind")
WORDS = ("", "a", "ab", "abc", "2024-01-31", "b", "a@b.co")
KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
PATTERNS = ("^n_", "a", "^b$")
LEAVES: tuple[Any, ...] = (
    True,
    {},
    {"type": "string"},
    {"type": "integer"},
    {"type": "null"},
    False,
    {"const": "a"},
)
OF_ARRAY = (
    "items", "items", "tuple", "tuple", "minItems", "maxItems", "uniqueItems", "contains", "minContains",
    "maxContains", "additionalItems", "unevaluatedItems",
)  # fmt: skip
OF_OBJECT = (
    *["properties"] * 6, *["required"] * 3, *["additionalProperties"] * 3, "patternProperties", "needs", "implies",
    "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties",
)  # fmt: skip
DIALECTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#",
)


class Maker:
    """Schemas of one document; `valid(schema, value)` is asked for defaults."""

    def __init__(self, dice: Random, dialect: str, valid: Callable[[Any, Any], bool]) -> None:
        self.dice, self.dialect, self.valid = dice, dialect, valid
        self.tuples = "prefixItems" if "2020" in dialect else "items"

    def document(self) -> dict[str, Any]:
        made = self.schema(3)
        made = made if isinstance(made, dict) else {"type": "object"}
        if self.dice.random() < 0.3:
            made["$defs"] = {"it": self.schema(1, refs=True)}
        return {"$schema": self.dialect, **made}

    def schema(self, depth: int, *, refs: bool = False) -> Any:
        dice = self.dice
        draw = dice.random()
        if depth <= 0 or draw < 0.1:
            return dice.choice(
                [True, {}, {"type": "string"}, {"type": "integer"}, {"type": "null"}, False, {"const": "a"}]
            )
        if draw < 0.2:
            union = dice.choice(["anyOf", "oneOf", "oneOf", "allOf"])
            return {union: [self.schema(depth - 1, refs=refs) for _ in range(dice.randint(1, 3))]}
        if draw < 0.23:
            return {"not": self.schema(depth - 1)}
        if draw < 0.27:
            return {"enum": dice.sample([*WORDS[:4], 1, 2, None, True], dice.randint(1, 3))}
        if draw < 0.30 and refs:
            return {"$ref": "#/$defs/it"}
        if draw < 0.33:
            return {"if": self.schema(1), "then": self.schema(1), "else": self.schema(1)}
        kinds = dice.sample(KINDS, 1 if dice.random() < 0.75 else 2)
        made: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
        if dice.random() < 0.1:
            del made["type"]
        for kind in kinds:
            for _ in range(dice.randint(0, 3)):
                self.keyword(made, kind, depth, refs)
        return made

    def keyword(self, made: dict[str, Any], kind: str, depth: int, refs: bool = False) -> None:
        """Set one keyword of a kind of values (again)."""
        dice = self.dice
        match kind:
            case "string":
                name = dice.choice(["minLength", "maxLength", "pattern", "format", "contentEncoding"])
                value = {
                    "minLength": dice.randint(0, 3),
                    "maxLength": dice.randint(0, 4),
                    "pattern": dice.choice(PATTERNS),
                    "format": dice.choice(["date", "email", "decimal"]),
                    "contentEncoding": "base64",
                }[name]
            case "integer" | "number":
                name = dice.choice(
                    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
                )
                value = (
                    dice.choice([1, 2, 3, 4, 0.5])
                    if name == "multipleOf"
                    else dice.choice([-1, 0, 1, 2, 2.5, 3])
                )
            case "array":
                name, value = self._of_array(depth, refs)
            case "object":
                self._of_object(made, depth, refs)
                return
            case _:
                return
        made[name] = value

    def _of_array(self, depth: int, refs: bool) -> tuple[str, Any]:
        dice = self.dice
        name = dice.choice(OF_ARRAY)
        if name == "tuple":
            return self.tuples, [self.schema(depth - 1, refs=refs) for _ in range(dice.randint(1, 2))]
        if name == "uniqueItems":
            return name, dice.random() < 0.8
        if name in ("minItems", "maxItems", "minContains", "maxContains"):
            return name, dice.randint(0, 3)
        return name, self.schema(depth - 1, refs=refs)

    def _of_object(self, made: dict[str, Any], depth: int, refs: bool) -> None:
        dice, name = self.dice, self.dice.choice(NAMES)
        match dice.choice(OF_OBJECT):
            case "properties":
                made.setdefault("properties", {})[name] = self.with_default(self.schema(depth - 1, refs=refs))
            case "required":
                made["required"] = sorted({*made.get("required", []), name})
            case "additionalProperties":
                made["additionalProperties"] = dice.choice(
                    [False, False, True, self.schema(depth - 1, refs=refs)]
                )
            case "patternProperties":
                made.setdefault("patternProperties", {})[dice.choice(PATTERNS)] = self.schema(
                    depth - 1, refs=refs
                )
            case "needs":
                made.setdefault(dice.choice(["dependentRequired", "dependencies"]), {})[name] = dice.sample(
                    NAMES, 1
                )
            case "implies":
                made.setdefault(dice.choice(["dependentSchemas", "dependencies"]), {})[name] = self.schema(1)
            case "propertyNames":
                made["propertyNames"] = {"maxLength": dice.randint(1, 4)}
            case "unevaluatedProperties":
                made["unevaluatedProperties"] = dice.choice([False, self.schema(depth - 1, refs=refs)])
            case count:
                made[count] = dice.randint(0, 3)

    def with_default(self, schema: Any) -> Any:
        """Perhaps with a default, which is a value that passes."""
        if isinstance(schema, dict) and "$ref" not in schema and self.dice.random() < 0.25:
            for _ in range(3):
                value = guess(schema, schema, self.dice)
                if self.valid({"$schema": self.dialect, **schema}, value):
                    return schema | {"default": value}
        return schema

    def mutated(self, document: dict[str, Any]) -> dict[str, Any]:
        """Another version of the document: one to three changes somewhere in it."""
        made = copy.deepcopy(document)
        for _ in range(self.dice.choice([1, 1, 1, 2, 3])):
            holder, key = self.dice.choice(list(places(made)))
            part = made if holder is None else holder[key]
            changed = self.changed(part, root=holder is None)
            if holder is None:
                made = changed
            else:
                holder[key] = changed
        return made

    def changed(self, part: Any, *, root: bool) -> Any:
        dice = self.dice
        draw = dice.random()
        if not isinstance(part, dict):
            return self.schema(1)
        if draw < 0.25 and not root:
            wrapped = [part, *(self.schema(1) for _ in range(dice.randint(0, 2)))]
            dice.shuffle(wrapped)
            return dice.choice([{dice.choice(["anyOf", "oneOf", "allOf"]): wrapped}, self.schema(1), {}])
        if draw < 0.35 and "type" in part:
            kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
            more = sorted({*kinds, dice.choice(KINDS)}) if dice.random() < 0.7 else kinds[:1]
            return part | {"type": more if len(more) > 1 else more[0]}
        if draw < 0.55 and part.keys() - {"$schema", "$defs", "$ref"}:
            gone = dice.choice(sorted(part.keys() - {"$schema", "$defs", "$ref"}))
            return {name: value for name, value in part.items() if name != gone}
        if draw < 0.75 and part:
            return self.moved(part)
        kinds = part.get("type", KINDS)
        part = dict(part)
        self.keyword(part, kinds if isinstance(kinds, str) else dice.choice(kinds), 2)
        return part

    def moved(self, part: dict[str, Any]) -> dict[str, Any]:
        """With a limit a little higher or lower, or one member more or less."""
        dice = self.dice
        name = dice.choice(sorted(part))
        match part[name]:
            case bool():
                return part
            case int() | float() as number:
                step = dice.choice([-1, 1])
                return part | {name: max(1, number + step) if name == "multipleOf" else
                               number + step if "mum" in name else max(0, number + step)}  # fmt: skip
            case list() as members if name in ("enum", "required") and members:
                other = dice.choice(NAMES) if name == "required" else dice.choice([*WORDS, 1, None])
                keep = (
                    members[1:]
                    if dice.random() < 0.4 and (name == "required" or len(members) > 1)
                    else members
                )
                return part | {name: keep if keep != members or other in members else [*members, other]}
            case list() as members if name in ("anyOf", "oneOf", "allOf", self.tuples):
                if len(members) > 1 and dice.random() < 0.4:
                    return part | {name: members[1:]}
                more = [*members, self.schema(1)]
                dice.shuffle(more)
                return part | {name: more}
            case dict() as members if (
                name in ("properties", "patternProperties", "dependentSchemas") and members
            ):
                gone = dice.choice(sorted(members))
                return part | {name: {key: value for key, value in members.items() if key != gone}}
        return part


def places(schema: Any, holder: Any = None, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """Where schemas lie in a schema: what holds them, and under which key."""
    yield holder, key
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        if name in ("properties", "patternProperties", "$defs", "dependentSchemas", "dependencies"):
            for inner in value:
                if not isinstance(value[inner], list):
                    yield from places(value[inner], value, inner)
        elif name in ("anyOf", "oneOf", "allOf", "prefixItems") or (
            name == "items" and isinstance(value, list)
        ):
            for index in range(len(value)):
                yield from places(value[index], value, index)
        elif name in ("items", "additionalItems", "additionalProperties", "contains", "not", "if", "then", "else",
                      "unevaluatedProperties", "unevaluatedItems", "propertyNames"):  # fmt: skip
            yield from places(value, schema, name)


def guess(schema: Any, root: Any, dice: Random, depth: int = 6) -> Any:
    """A value that may pass."""
    if not isinstance(schema, dict) or depth <= 0 or dice.random() < 0.04:
        return anything(dice, 1)
    if "$ref" in schema:
        return guess(root.get("$defs", {}).get("it", True), root, dice, depth - 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return dice.choice(schema["enum"])
    unions = [union for union in ("anyOf", "oneOf", "allOf") if schema.get(union)]
    if unions and dice.random() < 0.8:
        whole = {name: value for name, value in schema.items() if name != unions[0]}
        picked = dice.choice(schema[unions[0]])
        return guess({**whole, **picked} if isinstance(picked, dict) else whole, root, dice, depth - 1)
    return _of_kind(schema, root, dice, depth)


def _of_kind(schema: dict[str, Any], root: Any, dice: Random, depth: int) -> Any:
    kinds = schema.get("type") or dice.choice(["string", "object", "array", "number", "object"])
    match kinds if isinstance(kinds, str) else dice.choice(kinds):
        case "string":
            return _text(schema, dice)
        case "integer":
            return dice.choice([-1, 0, 1, 2, 3, 4, 6, 12])
        case "number":
            return dice.choice([-1.5, -1, 0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 12])
        case "boolean":
            return dice.random() < 0.5
        case "null":
            return None
        case "array":
            return _list(schema, root, dice, depth)
        case _:
            return _object(schema, root, dice, depth)


def _text(schema: dict[str, Any], dice: Random) -> str:
    if schema.get("format") in ("date", "email"):
        return "2024-01-31" if schema["format"] == "date" else "a@b.co"
    texts = [text for text in WORDS if schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 99)]
    fit = [text for text in texts if "pattern" not in schema or re.search(schema["pattern"], text)]
    return dice.choice(fit or WORDS)


def _list(schema: dict[str, Any], root: Any, dice: Random, depth: int) -> list[Any]:
    items = schema.get("items", True)
    first = items if isinstance(items, list) else schema.get("prefixItems", [])
    rest = schema.get("additionalItems", True) if isinstance(items, list) else items
    made = []
    for index in range(dice.randint(schema.get("minItems", 0), schema.get("maxItems", 4))
                       if schema.get("minItems", 0) <= schema.get("maxItems", 4) else 1):  # fmt: skip
        part = (
            first[index]
            if index < len(first)
            else schema["contains"]
            if "contains" in schema and dice.random() < 0.4
            else rest
        )
        if part is not False:
            made.append(guess(part, root, dice, depth - 1))
    return made


def _object(schema: dict[str, Any], root: Any, dice: Random, depth: int) -> dict[str, Any]:
    declared, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    names = {*schema.get("required", [])} | {name for name in declared if dice.random() < 0.6}
    if rest is not False or "patternProperties" in schema:
        names |= {name for name in NAMES if dice.random() < 0.25}
    made = {}
    for name in sorted(names):
        part = declared.get(name)
        if part is None:
            part = next(
                (p for text, p in schema.get("patternProperties", {}).items() if re.search(text, name)), rest
            )
        if part is not False:
            made[name] = guess(part, root, dice, depth - 1)
    return made


def anything(dice: Random, depth: int) -> Any:
    if depth > 0 and dice.random() < 0.4:
        return [anything(dice, 0)] if dice.random() < 0.4 else {dice.choice(NAMES): anything(dice, 0)}
    return dice.choice([None, True, False, 0, 1, 2, 2.5, -1, 12, *WORDS, [], {}])


def nudged(value: Any, dice: Random) -> Any:
    """The value with something changed in it."""
    match value:
        case dict() if value and dice.random() < 0.8:
            name = dice.choice(sorted(value))
            draw = dice.random()
            if draw < 0.35:
                return {key: part for key, part in value.items() if key != name}
            return value | (
                {name: nudged(value[name], dice)} if draw < 0.7 else {dice.choice(NAMES): anything(dice, 1)}
            )
        case list() if value and dice.random() < 0.8:
            place = dice.randrange(len(value))
            draw = dice.random()
            if draw < 0.3:
                return value[:place] + value[place + 1 :]
            return (
                [*value, dice.choice(value)]
                if draw < 0.5
                else [*value[:place], nudged(value[place], dice), *value[place + 1 :]]
            )
        case bool():
            return anything(dice, 1)
        case int() | float():
            return value + dice.choice([-1, 1, 0.5])
        case _:
            return anything(dice, 1)


def filled(schema: Any, value: Any, root: Any, depth: int = 8) -> Any:
    """The value with defaults where the schema requires what is missing, as a reader puts them."""
    if not isinstance(schema, dict) or depth <= 0:
        return value
    if "$ref" in schema and ("draft-07" in root["$schema"] or schema.keys() == {"$ref"}):
        return filled(root.get("$defs", {}).get("it", True), value, root, depth - 1)
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        made = dict(value)
        for name in schema.get("required", []):
            part = declared.get(name)
            if name not in made and isinstance(part, dict):
                target = root.get("$defs", {}).get("it", True) if "$ref" in part else part
                if isinstance(target, dict) and "default" in target:
                    made[name] = target["default"]
        rest = schema.get("additionalProperties", True)
        return {name: filled(declared.get(name, rest), part, root, depth - 1) for name, part in made.items()}
    if isinstance(value, list):
        items = schema.get("items", True)
        first = items if isinstance(items, list) else schema.get("prefixItems", [])
        rest = schema.get("additionalItems", True) if isinstance(items, list) else items
        return [
            filled(first[i] if i < len(first) else rest, part, root, depth - 1)
            for i, part in enumerate(value)
        ]
    return value
