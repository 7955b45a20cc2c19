"""HTML and SVG from values: whatever is no markup already is escaped, so that no value of a table becomes markup."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

_EMPTY = {"meta", "link", "br", "hr", "path", "rect", "line", "circle"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | int | float | list[Markup] | None"


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element. `class_` is the attribute class, `_` in a name is `-`; None and False leave an attribute out.

    >>> print(tag("p", "a < b", tag("br"), class_="note", aria_label='say "hi"'))
    <p class="note" aria-label="say &quot;hi&quot;">a &lt; b<br></p>
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY and not children:
        return Markup(f"<{name}{written}>" if name in ("meta", "link", "br", "hr") else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Children in a row, escaped where they are no markup."""
    parts = []
    for child in children:
        match child:
            case None:
                continue
            case Markup():
                parts.append(str(child))
            case list():
                parts.append("".join(child))
            case _:
                parts.append(escape(str(child), quote=False))
    return Markup("".join(parts))
