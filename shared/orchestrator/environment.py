"""Variables of a process's environment, as a mapping or in the short form `K=V,K2=V2`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def environment(value: Any) -> Any:
    """`K=V,K2=V2` as a mapping.

    >>> environment("A=1,B=x=y")
    {'A': '1', 'B': 'x=y'}
    """
    if not isinstance(value, str):
        return value
    pairs = [one.partition("=") for one in value.split(",") if one.strip()]
    if any(not found or not name.strip() for name, found, _ in pairs):
        raise ValueError("expected K=V,K2=V2 or a mapping")
    return {name.strip(): text for name, _, text in pairs}


Environment = Annotated[dict[str, str], BeforeValidator(environment)]
