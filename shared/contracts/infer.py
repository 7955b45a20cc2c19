"""Proposes a contract from records: what they have in common, in memory that does not grow with their number.

What is proposed accepts every record that was looked at. It is a proposal: nothing says that the next one is alike.
The same records in the same order give the same proposal.

>>> shape = Shape()
>>> for record in ({"id": 1, "at": "2024-01-31", "note": None}, {"id": 2, "at": "2024-02-29"}):
...     shape.add(record)
>>> proposal = shape.contract()
>>> proposal["properties"]["at"], proposal["required"]
({'type': 'string', 'format': 'date'}, ['id', 'at'])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from shared.contracts.columns import DIALECT, kind_of

MAX_FIELDS = 400
"""An object with more different keys than this is a map: one schema for all of its values."""
MAX_SHAPES = 20_000
"""Places that are told apart in all; what comes up beyond them is left open."""
MAX_DEPTH = 12
MAX_VALUES = 20
MAX_EXAMPLES = 3
MAX_TEXT = 80
"""Longer texts are neither examples nor values to choose from."""

_KINDS = ("string", "integer", "number", "boolean", "object", "array", "null")
_FORMATS = {"date-time": 1, "date": 1, "time": 1, "uuid": 1, "email": 10, "ipv4": 10, "ipv6": 10, "uri": 10}
"""Formats in the order of preference, with how many texts it takes: the first four make a column of another type."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a proposal says beyond types, nulls and formats. Values and examples show data, so they are asked for.

    `closed`: fields that were never seen are refused. Later versions can then add them and stay compatible.
    """

    enums: bool = False
    examples: bool = False
    closed: bool = True


@dataclass(slots=True, eq=False)
class _Budget:
    left: int = MAX_SHAPES


@dataclass(slots=True, eq=False)
class Shape:
    """What was seen at one place of the records: feed it with `add`, ask it for the `contract`."""

    seen: int = 0
    budget: _Budget = field(default_factory=_Budget)
    kinds: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    values_of_map: Shape | None = None
    partial: bool = False
    """Something here was not looked at: it lies too deep, or there is too much of it."""
    formats: tuple[str, ...] | None = None
    texts: int = 0
    values: dict[Any, int] | None = field(default_factory=dict)
    """Texts and whole numbers with how often they came; None when there are too many."""

    def add(self, value: Any, depth: int = 0) -> None:
        """Look at one more value (plain data of JSON)."""
        self.seen += 1
        kind = kind_of(value)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        match value:
            case str():
                self._text(value)
                self._choice(value)
            case int() if kind == "integer":
                self._choice(value)
            case dict() if depth < MAX_DEPTH:
                self._object(value, depth)
            case list() if depth < MAX_DEPTH:
                for item in value:
                    self.items = self.items or self._new()
                    if self.items is None:
                        self.partial = True
                        break
                    self.items.add(item, depth + 1)
            case dict() | list():
                self.partial = True

    def contract(self, asked: Asked | None = None) -> dict[str, Any]:
        """The JSON Schema of the records."""
        return {"$schema": DIALECT, "type": "object", **self.schema(asked or Asked())}

    def schema(self, asked: Asked) -> dict[str, Any]:
        """The schema of this place; `{}` where nothing but null was seen."""
        kinds = [
            kind
            for kind in _KINDS
            if kind in self.kinds and not (kind == "integer" and "number" in self.kinds)
        ]
        if self.kinds.keys() <= {"null"}:
            return {}
        made: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds}
        if form := self._format():
            made["format"] = form
        if asked.enums and (values := self._values()):
            made["enum"] = [*values, *([None] if "null" in kinds else [])]
        if asked.examples and self.values:
            made["examples"] = list(self.values)[:MAX_EXAMPLES]
        if "object" in self.kinds:
            made |= self._properties(asked)
        if self.items is not None and not self.partial:
            made |= {"items": items} if (items := self.items.schema(asked)) else {}
        return made

    def _properties(self, asked: Asked) -> dict[str, Any]:
        if self.values_of_map is not None:
            inner = {} if self.partial else self.values_of_map.schema(asked)
            return {"additionalProperties": inner} if inner else {}
        made: dict[str, Any] = {
            "properties": {name: part.schema(asked) for name, part in self.fields.items()}
        }
        required = [name for name, part in self.fields.items() if part.seen == self.kinds["object"]]
        if required:
            made["required"] = required
        if asked.closed and not self.partial:
            made["additionalProperties"] = False
        return made

    def _object(self, value: Mapping[str, Any], depth: int) -> None:
        for name, part in value.items():
            if self.values_of_map is not None:
                self.values_of_map.add(part, depth + 1)
                continue
            place = self.fields.get(name) or self._new()
            if place is None:
                self.partial = True
                continue
            self.fields[name] = place
            place.add(part, depth + 1)
            if len(self.fields) > MAX_FIELDS:
                self._become_map()

    def _become_map(self) -> None:
        whole = Shape(budget=self.budget)
        for part in self.fields.values():
            whole.join(part)
        self.values_of_map = whole
        self.budget.left += len(self.fields) - 1
        self.fields = {}

    def join(self, other: Shape) -> None:
        """Take over what another shape has seen."""
        self.seen += other.seen
        self.partial |= other.partial
        for kind, count in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count
        for name, part in other.fields.items():
            self.fields.setdefault(name, Shape(budget=self.budget)).join(part)
        for name in ("items", "values_of_map"):
            theirs = getattr(other, name)
            if theirs is not None:
                ours = getattr(self, name) or Shape(budget=self.budget)
                ours.join(theirs)
                setattr(self, name, ours)
        if self.values_of_map is not None and self.fields:
            self._become_map()
        if other.texts:
            self.formats = tuple(f for f in other.formats or () if self.formats is None or f in self.formats)
            self.texts += other.texts
        for value, count in (other.values or {}).items():
            self._choice(value, count)
        self.values = None if other.values is None else self.values

    def _new(self) -> Shape | None:
        if self.budget.left <= 0:
            return None
        self.budget.left -= 1
        return Shape(budget=self.budget)

    def _text(self, text: str) -> None:
        self.texts += 1
        if self.formats is None:
            self.formats = tuple(_FORMATS)
        if self.formats:
            self.formats = tuple(name for name in self.formats if _checker(name)(text))

    def _format(self) -> str | None:
        return next((name for name in self.formats or () if self.texts >= _FORMATS[name]), None)

    def _choice(self, value: str | int, count: int = 1) -> None:
        if self.values is None:
            return
        if value not in self.values and (len(self.values) >= MAX_VALUES or len(str(value)) > MAX_TEXT):
            self.values = None
            return
        self.values[value] = self.values.get(value, 0) + count

    def _values(self) -> Sequence[Any]:
        """Values to choose from: all of one kind, and each seen twice on average, else they are keys or free text."""
        only = {"string", "null"} if "string" in self.kinds else {"integer", "null"}
        if not self.values or not self.kinds.keys() <= only or self._format():
            return ()
        return sorted(self.values) if sum(self.values.values()) >= 2 * len(self.values) else ()


def unsaid(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The schema with nothing said of the field at a dotted path: masked there, its own type cannot be seen."""
    name, _, rest = path.partition(".")
    if "items" in schema and "properties" not in schema:
        return schema | {"items": unsaid(schema["items"], path)}
    known = schema.get("properties", {})
    if rest and name not in known:
        return schema
    inner = unsaid(known[name], rest) if rest else {}
    required = [other for other in schema.get("required", ()) if rest or other != name]
    changed = schema | {"properties": {**known, name: inner}, "required": required}
    return changed if required else {key: value for key, value in changed.items() if key != "required"}


@cache
def _checker(name: str) -> Callable[[str], bool]:
    """The validator's own opinion of a format, so that what is proposed holds."""
    import jsonschema_rs  # 7 MB and 50 ms: only where contracts are inferred

    compiled = jsonschema_rs.validator_for({"$schema": DIALECT, "format": name}, validate_formats=True)
    is_valid: Callable[[str], bool] = compiled.is_valid
    return is_valid
