"""Python text out of values: literals that no text can break out of, and expressions for what a run finds out."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from shared.pipelines.conditions import AllOf, AnyOf, Compare, Condition, Negate, Operator
from shared.pipelines.names import identifiers
from shared.pipelines.values import ListOf, Literal, MapOf, Reference, Template, Value

WIDTH = 110

Refer = Callable[[Reference], str]
"""The expression that finds what a reference refers to."""


class Raw(str):
    """An expression, written as it is. Never made of text of a definition but by the functions of this file."""

    __slots__ = ()


def quoted(text: str) -> str:
    r"""A literal of a text: `repr`, which escapes all that does not print, in double quotes where that is shorter.

    >>> quoted("it's"), quoted('say "a"'), quoted("a\u202eb")
    ('"it\'s"', '\'say "a"\'', '"a\\u202eb"')
    """
    found = repr(str(text))
    plain = found.startswith("'") and '"' not in found and "\\'" not in found
    return f'"{found[1:-1]}"' if plain else found


def python(data: Any, indent: int = 0, *, used: int = 0) -> str:
    """A literal of plain data, which may hold `Raw` expressions; in lines of their own where it is long.

    `indent`: where the line begins; `used`: characters before and behind it on its line.

    >>> python({"a": [1, None, True, 1.5], "b": Raw("run.date")})
    '{"a": [1, None, True, 1.5], "b": run.date}'
    """
    flat = _flat(data)
    if len(flat) + indent + used <= WIDTH and "\n" not in flat:
        return flat
    inner = indent + 4
    pad, end = " " * inner, " " * indent
    match data:
        case Raw():
            return flat
        case Mapping() if data:
            lines = [
                f"{pad}{_flat(k)}: {python(v, inner, used=len(_flat(k)) + 3)},\n" for k, v in data.items()
            ]
            return "{\n" + "".join(lines) + end + "}"
        case list() | tuple() if data:
            lines = [f"{pad}{python(item, inner, used=1)},\n" for item in data]
            opening, closing = ("[", "]") if isinstance(data, list) else ("(", ")")
            return opening + "\n" + "".join(lines) + end + closing
        case str():
            parts = _pieces(data, WIDTH - inner - 8)
            if len(parts) == 1:
                return flat
            return "(\n" + "".join(f"{pad}{quoted(part)}\n" for part in parts) + end + ")"
    return flat


def _flat(data: Any) -> str:
    match data:
        case Raw():
            return str(data)
        case str():
            return quoted(data)
        case bool() | None | int() | float():
            return repr(data)
        case Mapping():
            return "{" + ", ".join(f"{_flat(key)}: {_flat(item)}" for key, item in data.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flat, data)) + "]"
        case tuple():
            inner = ", ".join(map(_flat, data))
            return f"({inner},)" if len(data) == 1 else f"({inner})"
    raise TypeError(f"no literal of {type(data).__name__}")


def _pieces(text: str, longest: int) -> list[str]:
    """A text in lines, long ones cut at a space."""
    found: list[str] = []
    for line in text.split("\n"):
        rest = line
        while len(rest) > longest and (cut := rest.rfind(" ", 1, longest)) > 0:
            found.append(rest[: cut + 1])
            rest = rest[cut + 1 :]
        found.append(rest + "\n")
    found[-1] = found[-1][:-1]
    return [part for part in found if part]


def value(what: Value, refer: Refer) -> Any:
    """A value as plain data with `Raw` where a run decides."""
    match what:
        case Literal(data):
            return data
        case Reference():
            return Raw(refer(what))
        case Template(parts):
            return Raw(f"text({', '.join(quoted(p) if isinstance(p, str) else refer(p) for p in parts)})")
        case ListOf(items):
            return [value(item, refer) for item in items]
        case MapOf(pairs):
            return {name: value(item, refer) for name, item in pairs}


def condition(what: Condition, refer: Refer) -> str:
    """A condition as an expression."""
    match what:
        case Compare(left, Operator.EQUAL, Literal(True)):
            return f"{refer(left)} is True"
        case Compare(left, op, right):
            other = refer(right) if isinstance(right, Reference) else _flat(right.value)
            return f"compare({refer(left)}, {quoted(op.value)}, {other})"
        case AllOf(items):
            return " and ".join(_bracketed(item, refer) for item in items)
        case AnyOf(items):
            return " or ".join(_bracketed(item, refer) for item in items)
        case Negate(item):
            return f"not {_bracketed(item, refer)}"


def _bracketed(what: Condition, refer: Refer) -> str:
    text = condition(what, refer)
    return text if isinstance(what, Compare) else f"({text})"


def call(
    name: str, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None, *, indent: int = 0
) -> str:
    """A call; one argument a line where it is long."""
    options = options or {}
    flat = ", ".join([*map(_flat, arguments), *(f"{key}={_flat(item)}" for key, item in options.items())])
    if indent + len(name) + len(flat) + 2 <= WIDTH and "\n" not in flat:
        return f"{name}({flat})"
    inner = indent + 4
    pad = " " * inner
    lines = [f"{pad}{python(item, inner, used=1)},\n" for item in arguments]
    lines += [f"{pad}{key}={python(item, inner, used=len(key) + 2)},\n" for key, item in options.items()]
    return f"{name}(\n{''.join(lines)}{' ' * indent})"


def variables(names: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """A variable for each name: never a word of Python, never one of `reserved`, never the same for two."""
    taken = {*reserved, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)}
    made = identifiers(names, longest=60)
    found: dict[str, str] = {}
    for name, spelled in made.items():
        variable = f"step{spelled}" if spelled.startswith("_") else spelled
        while variable in taken:
            variable += "_"
        taken.add(variable)
        found[name] = variable
    return found
