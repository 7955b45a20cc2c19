"""Reads a JSON Schema into nodes: drafts 07, 2019-09 and 2020-12 come out the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from shared.common.errors import Misconfigured
from shared.contracts.compatibility.keywords import (
    ARRAY,
    ASSERTED_FORMATS,
    CONTENT,
    DECIDING,
    DYNAMIC,
    IN_PLACE,
    NUMBER,
    OBJECT,
    STRING,
    WITHOUT_MEANING,
    canonical,
    draft_of,
    named,
    notes_of,
    numbers,
    picked,
    typed_part,
    types,
)
from shared.contracts.compatibility.nodes import (
    Anything,
    Array,
    Boolean,
    Combined,
    Conditional,
    Const,
    Criterion,
    Enum,
    Node,
    Not,
    Nothing,
    Null,
    Number,
    Object,
    String,
)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A schema at some place of a document: a `Part`."""

    reader: Reader
    raw: Any

    @property
    def node(self) -> Node:
        return self.reader.node(self.raw)

    @property
    def has_default(self) -> bool:
        """Whether the schema, or the one it refers to, says what a missing value stands for."""
        if isinstance(self.raw, dict) and "default" in self.raw:
            return True
        return "default" in self.node.notes


class Reader:
    """The nodes of one document. Raises `Misconfigured` for a reference that leads nowhere in it."""

    def __init__(self, schema: Any) -> None:
        self.root = schema
        self.draft = draft_of(schema)
        self.draft7 = self.draft == "draft-07"
        self._nodes: dict[int, Node] = {}
        self._kept: list[Any] = []  # what the ids of `_nodes` belong to
        self._named: dict[str, Any] = {}
        for name, raw in named(schema):
            self._named.setdefault(name, raw)

    def part(self, raw: Any) -> Place:
        return Place(self, raw)

    def node(self, raw: Any) -> Node:
        raw = self._followed(raw)
        if id(raw) not in self._nodes:
            self._kept.append(raw)
            self._nodes[id(raw)] = self._read(raw)
        return self._nodes[id(raw)]

    def _followed(self, raw: Any) -> Any:
        """The schema behind references that stand alone (in draft 07 they always do)."""
        for _ in range(100):
            if not isinstance(raw, dict) or not isinstance(raw.get("$ref"), str):
                return raw
            if not self.draft7 and DECIDING & raw.keys():
                return raw
            raw = self._target(raw["$ref"])
        raise Misconfigured("a $ref leads back to itself", ref=raw.get("$ref"))

    def _target(self, ref: str) -> Any:
        if ref in self._named:
            return self._named[ref]
        place = self.root
        if ref == "#":
            return place
        if not ref.startswith("#/"):
            raise Misconfigured(f'the reference "{ref}" leads nowhere', hint="write it as #/$defs/NAME")
        for name in ref[2:].split("/"):
            key = unquote(name).replace("~1", "/").replace("~0", "~")
            try:
                place = place[int(key)] if isinstance(place, list) else place[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Misconfigured(
                    f'the reference "{ref}" leads nowhere', hint=f'there is no "{key}"'
                ) from None
        return place

    def _read(self, raw: Any) -> Node:
        if not isinstance(raw, dict):
            return Nothing() if raw is False else Anything()
        opaque = self._opaque(raw)
        about: dict[str, Any] = {"notes": notes_of(raw), "opaque": opaque}
        left_out = {*WITHOUT_MEANING[self.draft], *opaque}
        said = list(self._said({keyword: value for keyword, value in raw.items() if keyword not in left_out}))
        if not said:
            return Anything(**about)
        if len(said) > 1 or (opaque and "$ref" in said[0]):
            return Combined(criterion=Criterion.ALL, members=tuple(map(self.part, said)), made=True, **about)
        return self._one(said[0], about)

    def _said(self, raw: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The schema cut into schemas that say one thing each."""
        if self._format(raw) is None:
            raw = {keyword: value for keyword, value in raw.items() if keyword != "format"}
        kinds = types(raw)
        if len(kinds) > 1:
            yield {"type": [typed_part(raw, kind) for kind in kinds]}
        elif kinds:
            yield typed_part(raw, kinds[0])
        else:
            yield from filter(None, (picked(raw, keywords) for keywords in (STRING, NUMBER, ARRAY, OBJECT)))
        if "enum" in raw:
            nullable = raw.get("nullable") is True and "type" in raw and None not in raw["enum"]
            yield {"enum": [*raw["enum"], None] if nullable else raw["enum"]}
        for keyword in ("const", "allOf", "anyOf", "oneOf", "not"):
            if keyword in raw:
                yield {keyword: raw[keyword]}
        if "$ref" in raw and not self.draft7:
            yield {"$ref": raw["$ref"]}
        if "if" in raw and ("then" in raw or "else" in raw):
            yield picked(raw, ("if", "then", "else"))

    def _one(self, raw: dict[str, Any], about: dict[str, Any]) -> Node:
        """The node of a schema that says one thing."""
        match raw:
            case {"$ref": ref}:
                return self.node({"$ref": ref})
            case {"enum": values}:
                return Enum(values=tuple(values), **about)
            case {"const": value}:
                return Const(value=value, **about)
            case {"not": refused}:
                return Not(refused=self.part(refused), **about)
            case {"if": when}:
                then, otherwise = self._optional(raw, "then"), self._optional(raw, "else")
                return Conditional(when=self.part(when), then=then, otherwise=otherwise, **about)
            case {"type": list(members)}:
                return self._union(Criterion.ANY, members, about, made=True)
        for criterion in Criterion:
            if criterion in raw:
                return self._union(criterion, raw[criterion], about)
        return self._of_kind(raw, about)

    def _union(
        self, criterion: Criterion, members: list[Any], about: dict[str, Any], *, made: bool = False
    ) -> Node:
        if criterion is not Criterion.ONE:  # there, a member that occurs twice refuses what it matches
            members = list({canonical(member): member for member in members}.values())
        return Combined(criterion=criterion, members=tuple(map(self.part, members)), made=made, **about)

    def _of_kind(self, raw: dict[str, Any], about: dict[str, Any]) -> Node:
        kind, typed = raw.get("type"), "type" in raw
        if kind == "null":
            return Null(**about)
        if kind == "boolean":
            return Boolean(**about)
        if kind == "string" or (not typed and raw.keys() & set(STRING)):
            limits = numbers(raw, "maxLength", "minLength")
            return String(
                typed=typed, pattern=raw.get("pattern"), format=self._format(raw), **limits, **about
            )
        if kind in ("number", "integer") or (not typed and raw.keys() & set(NUMBER)):
            return Number(typed=typed, integer=kind == "integer", **numbers(raw, *NUMBER), **about)
        if kind == "array" or (not typed and raw.keys() & set(ARRAY)):
            return self._array(raw, typed, about)
        return self._object(raw, typed, about)

    def _format(self, raw: dict[str, Any]) -> str | None:
        form = raw.get("format")
        asserted = form in ASSERTED_FORMATS and not (self.draft7 and form in ("uuid", "duration"))
        return str(form) if asserted else None

    def _array(self, raw: dict[str, Any], typed: bool, about: dict[str, Any]) -> Node:
        items, additional, beyond = raw.get("items", True), raw.get("additionalItems", True), True
        if self.draft == "2020-12":
            listed = raw.get("prefixItems", [])
            # `items: false` without a list closes the array, as `additionalItems` does behind a list.
            every, additional = (True, items) if listed or items is False else (items, True)
        else:
            beyond = isinstance(items, list)
            listed, every = (items, True) if isinstance(items, list) else ([], items)
        spoken = "items" in raw if self.draft == "2020-12" or not beyond else "additionalItems" in raw
        contains = self._optional(raw, "contains")  # an empty one still demands an item
        counts = (
            {}
            if contains is None
            else {"min_contains": Fraction(1)} | numbers(raw, "maxContains", "minContains")
        )
        return Array(
            typed=typed,
            every=self._unless_empty(every),
            listed=tuple(map(self.part, listed)),
            additional=self._rest(additional),
            beyond=beyond,
            unevaluated=None if spoken else self._unless_empty(raw.get("unevaluatedItems")),
            contains=contains,
            unique=raw.get("uniqueItems") is True,
            **counts,
            **numbers(raw, "maxItems", "minItems"),
            **about,
        )

    def _object(self, raw: dict[str, Any], typed: bool, about: dict[str, Any]) -> Node:
        needs = {name: frozenset(others) for name, others in raw.get("dependentRequired", {}).items()}
        implies = {name: self.part(part) for name, part in raw.get("dependentSchemas", {}).items()}
        for name, part in raw.get("dependencies", {}).items():
            if isinstance(part, list):
                needs[name] = needs.get(name, frozenset()) | frozenset(part)
            else:
                implies.setdefault(name, self.part(part))
        return Object(
            typed=typed,
            properties={name: self.part(part) for name, part in raw.get("properties", {}).items()},
            patterns={text: self.part(part) for text, part in raw.get("patternProperties", {}).items()},
            additional=self._rest(raw.get("additionalProperties", True)),
            unevaluated=None
            if "additionalProperties" in raw
            else self._unless_empty(raw.get("unevaluatedProperties")),
            required=frozenset(raw.get("required", ())),
            needs=needs,
            implies=implies,
            names=self._unless_empty(raw.get("propertyNames")),
            **numbers(raw, "maxProperties", "minProperties"),
            **about,
        )

    def _rest(self, raw: Any) -> Place | bool:
        part = self._unless_empty(raw)
        return True if part is None else part if part.raw is not False else False

    def _unless_empty(self, raw: Any) -> Place | None:
        """The schema, unless it lets everything pass. A reference is not followed: it may lead to where we are."""
        return None if raw is None or raw is True or raw == {} else self.part(raw)

    def _optional(self, raw: dict[str, Any], keyword: str) -> Place | None:
        return self.part(raw[keyword]) if keyword in raw else None

    def _opaque(self, raw: dict[str, Any]) -> dict[str, str]:
        """What can only be compared as a whole: what it means depends on its neighbours, or on who refers to it."""
        if self.draft7:
            return {name: canonical(raw[name]) for name in CONTENT if name in raw}
        whole: tuple[str, ...] = DYNAMIC
        if IN_PLACE & raw.keys():
            whole += ("unevaluatedProperties", "unevaluatedItems")
        elif "contains" in raw:
            whole += ("unevaluatedItems",)
        return {name: self._surroundings(raw) for name in whole if raw.get(name, True) not in (True, {})}

    def _surroundings(self, raw: dict[str, Any]) -> str:
        text = canonical(raw)
        return text + canonical(self.root) if '"$ref"' in text or '"$dynamicRef"' in text else text


def is_empty(node: Node) -> bool:
    """Whether everything passes."""
    return isinstance(node, Anything) and not node.opaque
