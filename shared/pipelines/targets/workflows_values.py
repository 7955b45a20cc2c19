"""Values and conditions of a plan as steps and expressions of Google Cloud Workflows.

Every expression is short: a path, a text and a comparison are each a call of the library whose result has a name, and
`and` joins two names at a time. Text of a definition never becomes part of an expression.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from shared.common.errors import Misconfigured
from shared.common.types import JSON
from shared.pipelines.conditions import AllOf, AnyOf, Compare, Condition, Negate, Operator
from shared.pipelines.step import Place
from shared.pipelines.urls import Where, url_parts
from shared.pipelines.values import ListOf, Literal, MapOf, Reference, Root, Template, Value

Steps = list[dict[str, Any]]


@dataclass(slots=True)
class Values:
    """Makes values for one step; `steps` are those that have to run before the values can be used.

    `outputs` are the variables of outputs by step, `parameters` those of parameters; `item` is that of the item.
    """

    label: str
    place: Place
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    item: str
    used: set[str]
    steps: Steps = field(default_factory=list)
    number: int = 0

    def value(self, value: Value) -> Any:
        """A value for arguments or assignments."""
        match value:
            case Literal(data):
                return self.literal(data)
            case Reference():
                return f"${{{self.variable(value)}}}"
            case Template(parts):
                return f"${{{self._template(parts)}}}"
            case ListOf(items):
                return [self.value(item) for item in items]
            case MapOf(pairs):
                return {self.key(name): self.value(item) for name, item in pairs}

    def url(self, value: Value) -> Any:
        """A URL: what it refers to stays a piece of its path and query."""
        if not isinstance(value, Template):
            return self.value(value)
        names = []
        for part, where in url_parts(value):
            if isinstance(part, str):
                names.append(self.assign(self.literal(part)))
                continue
            name = self.call("text_of", {"value": f"${{{self.variable(part)}}}"})
            if where is not Where.BEFORE:
                name = self.call("url_piece", {"said": f"${{{name}}}", "in_path": where is Where.PATH})
            names.append(name)
        return f"${{{self._joined(names)}}}"

    def literal(self, data: JSON) -> Any:
        """Plain data, where text with `${` in it is put together from pieces without."""
        match data:
            case str() if "${" in data:
                pieces = data.replace("${", "$\0{").split("\0")
                names = [self.assign(piece) for piece in pieces]
                return f"${{{self._joined(names)}}}"
            case list():
                return [self.literal(item) for item in data]
            case dict():
                return {self.key(name): self.literal(item) for name, item in data.items()}
        return data

    def key(self, name: str) -> str:
        """A key of a map, which cannot be put together."""
        if "${" in name:
            raise Misconfigured(
                f'{self.place} Cloud Workflows reads the key "{name}" as an expression; choose another'
            )
        return name

    def variable(self, reference: Reference) -> str:
        """The variable that holds what a reference finds."""
        base = self._base(reference)
        if not reference.path:
            return base
        found = self.call("follow", {"data": f"${{{base}}}", "path": list(reference.path)})
        return self.assign(f"${{{found}[0]}}")

    def _base(self, reference: Reference) -> str:
        match reference.root:
            case Root.STEP:
                return self.outputs[reference.name]
            case Root.PARAMETER:
                return self.parameters[reference.name]
            case Root.RUN:
                return f"run_{reference.name}"
            case Root.ITEM:
                return self.item
            case Root.SECRET:
                name = self._name()
                project = '${sys.get_env("GOOGLE_CLOUD_PROJECT_ID")}'
                args = {"secret_id": self.literal(reference.name), "project_id": project}
                call = "googleapis.secretmanager.v1.projects.secrets.versions.accessString"
                self.steps.append(
                    {f"{self.label}_secret_{name}": {"call": call, "args": args, "result": name}}
                )
                return name
            case never:
                assert_never(never)

    def _template(self, parts: tuple[str | Reference, ...]) -> str:
        names = []
        for part in parts:
            if isinstance(part, str):
                names.append(self.assign(self.literal(part)))
            else:
                names.append(self.call("text_of", {"value": f"${{{self.variable(part)}}}"}))
        return self._joined(names)

    def _joined(self, names: list[str]) -> str:
        """Texts one behind the other, a few at a time: an expression has 400 characters at most."""
        while len(names) > 8:
            names = [self.assign(f"${{{' + '.join(names[n : n + 8])}}}") for n in range(0, len(names), 8)]
        return " + ".join(names)

    def condition(self, condition: Condition) -> str:
        """The variable that holds whether a condition is true."""
        match condition:
            case AllOf(items) | AnyOf(items):
                word = "and" if isinstance(condition, AllOf) else "or"
                found = self.condition(items[0])
                for item in items[1:]:
                    found = self.assign(f"${{{found} {word} {self.condition(item)}}}")
                return found
            case Negate(item):
                return self.assign(f"${{not({self.condition(item)})}}")
            case Compare(left, Operator.NOT_EQUAL, right):
                return self.condition(Negate(Compare(left, Operator.EQUAL, right)))
            case Compare(left, op, right):
                args = {"left": self.value(left), "operator": str(op), "right": self.value(right)}
                return self.call("compare", args)

    def call(self, name: str, args: Mapping[str, Any]) -> str:
        """Call a subworkflow of the library; the variable with its result."""
        self.used.add(name)
        result = self._name()
        self.steps.append({f"{self.label}_{result}": {"call": name, "args": dict(args), "result": result}})
        return result

    def assign(self, value: Any) -> str:
        """A variable with a value."""
        name = self._name()
        self.steps.append({f"{self.label}_{name}": {"assign": [{name: value}]}})
        return name

    def _name(self) -> str:
        self.number += 1
        return f"{self.label}_v{self.number}"
