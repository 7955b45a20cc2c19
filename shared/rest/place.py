"""Where the place in a list stands in a request: a parameter of its query, or a field of its JSON body. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from shared.rest.message import Request

Place = Literal["query", "json"]


def get(request: Request, place: Place, name: str) -> Any:
    """The value that stands there (`a.b` reaches into the body); None where there is none."""
    if place == "query":
        return request.param(name)
    value = request.json
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def name_of(request: Request, place: Place, name: str) -> str:
    """The place as messages name it, `page=3`; "" where there is none."""
    value = get(request, place, name)
    return "" if value is None else f"{name}={value}"


def put(request: Request, place: Place, name: str, value: str | int | float) -> Request:
    """The request with another value there."""
    if place == "query":
        return request.with_params(**{name: str(value)})
    return replace(request, json=_within(request.json, name.split("."), value))


def _within(body: Any, path: list[str], value: str | int | float) -> dict[str, Any]:
    """A copy of the JSON body with one value set: requests are values, and the old one may be kept for a retry."""
    inside = body if isinstance(body, dict) else {}
    rest = path[1:]
    return {**inside, path[0]: _within(inside.get(path[0]), rest, value) if rest else value}
