"""A function by the name that a document gives it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from shared.common.errors import Misconfigured


def imported(name: str, **where: str) -> Callable[..., Any]:
    """The callable `module:attribute`. Raises `Misconfigured` when there is none.

    >>> imported("json:dumps")([1])
    '[1]'
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            f'"{name}" cannot be imported: {error}',
            hint="write module:function, as Python imports it",
            **where,
        ) from None
    if not callable(found):
        raise Misconfigured(f'"{name}" is no function').at(**where)
    made: Callable[..., Any] = found
    return made
