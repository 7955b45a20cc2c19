"""Where in the state of a Step Functions execution the values lie that steps refer to, and payloads made of them.

JSONPath of Amazon's States Language fails on a path that is not there, so no payload ever uses a path into data that
somebody else made. When a step has ended, every value that a later step reads of it is copied to a *slot*, null where
there is nothing; payloads refer to slots only. Constant text in templates comes from a list, never from an expression,
so no text of a definition is ever read as one.

The state of an execution: `{"run": {…}, "p": slots of parameters, "i": slots of the item, "s": {STEP: {"state",
"blocks", slots}}, "nothing": null}`; a foreach has one of its own, with the `s` around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from shared.common.errors import Misconfigured
from shared.common.places import Key
from shared.common.types import JSON
from shared.pipelines.step import Place
from shared.pipelines.values import ListOf, Literal, MapOf, Reference, Root, Template, Value

Path = tuple[Key, ...]


@dataclass(slots=True)
class Slots:
    """The slots of a machine. A compilation runs twice: the first time to find what is read, the second to write."""

    names: Mapping[str, str]
    wanted: dict[str, dict[tuple[Path, bool], str]] = field(default_factory=dict)

    def of(self, owner: str) -> dict[tuple[Path, bool], str]:
        """The slots of one owner: by path and whether it is wanted as text, the name."""
        return self.wanted.setdefault(owner, {})

    def path(self, reference: Reference, *, item: str, place: Place, text: bool = False) -> str:
        """The JSONPath of the slot that a reference is in; `item` is the foreach around. Raises `Misconfigured`."""
        match reference.root:
            case Root.RUN:
                return f"$.run.{reference.name}"
            case Root.STEP:
                owner, base, path = f"s {reference.name}", f"$.s.{self.names[reference.name]}", reference.path
            case Root.PARAMETER:
                owner, base, path = "p", "$.p", (reference.name, *reference.path)
            case Root.ITEM:
                owner, base, path = f"i {item}", "$.i", reference.path
            case Root.SECRET:
                raise Misconfigured(f"{place} a secret cannot be part of a payload of Step Functions")
            case never:
                assert_never(never)
        for key in path:
            if isinstance(key, str) and (not key or any(c in "'\"\\" or ord(c) < 32 for c in key)):
                raise Misconfigured(
                    f"{place} {reference}: Step Functions cannot read a key with quotes, backslashes or control "
                    "characters; pass the value on under another name"
                )
        known = self.of(owner)
        name = known.setdefault((path, text), f"{'t' if text else 'v'}{len(known)}")
        if text and path:
            known.setdefault((path, False), f"v{len(known)}")
        return f"{base}.{name}"


def json_path(base: str, path: Path) -> str:
    """A definite path below another one.

    >>> json_path("$.r", ("rows", 1, "a b"))
    "$.r['rows'][1]['a b']"
    """
    return base + "".join(f"[{key}]" if isinstance(key, int) else f"['{key}']" for key in path)


@dataclass(slots=True)
class Payload:
    """Makes payloads of one step. `constants` is what `$.k` must hold when they are used."""

    slots: Slots
    item: str
    place: Place
    constants: list[JSON] = field(default_factory=list)

    def path(self, reference: Reference, *, text: bool = False) -> str:
        return self.slots.path(reference, item=self.item, place=self.place, text=text)

    def entry(self, name: str, value: Value) -> dict[str, Any]:
        """One entry of a payload. Raises `Misconfigured` for a name or a list that Step Functions would misread."""
        if name.endswith(".$"):
            raise Misconfigured(
                f'{self.place} the name "{name}" ends in .$, which Step Functions reads as a reference; choose another'
            )
        match value:
            case Literal(data):
                return {name: data}
            case Reference() | Template():
                return {f"{name}.$": self.expression(value)}
            case MapOf(pairs):
                return {name: self.object(dict(pairs))}
            case ListOf(items):
                if not any(isinstance(item, Reference | Template) for item in items):
                    return {name: [self.entry("x", item)["x"] for item in items]}
                return {f"{name}.$": self.expression(value)}

    def object(self, pairs: Mapping[str, Value]) -> dict[str, Any]:
        """A payload that is an object."""
        made: dict[str, Any] = {}
        for name, value in pairs.items():
            made |= self.entry(name, value)
        return made

    def expression(self, value: Value) -> str:
        """A value as an expression. Raises `Misconfigured` for objects inside of lists that have references too."""
        match value:
            case Literal(data):
                return self.constant(data)
            case Reference():
                return self.path(value)
            case Template(parts):
                holes = "{}" * len(parts)
                paths = [
                    self.constant(part) if isinstance(part, str) else self.path(part, text=True)
                    for part in parts
                ]
                return f"States.Format('{holes}', {', '.join(paths)})"
            case ListOf(items):
                return f"States.Array({', '.join(map(self.expression, items))})"
            case MapOf():
                raise Misconfigured(
                    f"{self.place} a list with both references and objects cannot be written for Step Functions; "
                    "make the list in an earlier step"
                )

    def constant(self, data: JSON) -> str:
        """The path of a constant."""
        self.constants.append(data)
        return f"$.k[{len(self.constants) - 1}]"
