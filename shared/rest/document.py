"""The common shape of what people write about an API: frozen models that refuse unknown keys, and lengths of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.common.instants import parse_duration


class Document(BaseModel):
    """Base of the models of this room: frozen, unknown keys refused; compiled when first used, not when imported."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _seconds(value: object) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | int | float):
        return parse_duration(value).total_seconds()
    raise ValueError("is not a duration; write it like 500ms, 90s or 15m")


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
"""Seconds, written as a number or as text such as `90s` or `15m`."""
