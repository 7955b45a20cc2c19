"""What the keys of a definition take: durations, names, conditions and the like, with their words for editors."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from shared.common.errors import Misconfigured
from shared.common.instants import parse_duration
from shared.pipelines.conditions import parse_condition

LONGEST_NAME = 100


class Written(BaseModel):
    """Base of what people write in a definition: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def step_name(text: str) -> str:
    """The name of a step, unchanged. Raises `Misconfigured` for one that cannot be shown or told apart by eye.

    >>> step_name("extract-and-load")
    'extract-and-load'
    """
    bad = [c for c in text if unicodedata.category(c)[0] == "C" or unicodedata.category(c) in ("Zl", "Zp")]
    if not text or text != text.strip() or len(text) > LONGEST_NAME or bad:
        raise Misconfigured(
            "is no name of a step", hint=f"1 to {LONGEST_NAME} characters on one line, no space at the ends"
        )
    return text


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


def pipeline_name(text: str) -> str:
    """The name of a pipeline, unchanged; it also names files and what engines have. Raises `Misconfigured`."""
    if not _NAME.fullmatch(text) or ".." in text:
        raise Misconfigured(
            f'"{text[:80]}" is no name of a pipeline',
            hint="1 to 80 letters of ASCII, digits, _, - and single dots, beginning with none of - and .",
        )
    return text


PipelineName = Annotated[
    str, AfterValidator(pipeline_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})
]


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Misconfigured("is not a duration", hint="write it like 90s, 15m, 1h30m or 7d")
    seconds = parse_duration(value).total_seconds()
    if seconds <= 0:
        raise Misconfigured("is not longer than nothing", hint="write it like 90s, 15m, 1h30m or 7d")
    return seconds


def _condition(text: str) -> str:
    parse_condition(text)
    return text


Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": ["string", "number"], "examples": ["90s", "15m", "1h30m", 30]}),
]
StepName = Annotated[
    str, AfterValidator(step_name), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 100})
]
ConditionText = Annotated[
    str,
    AfterValidator(_condition),
    WithJsonSchema(
        {"type": "string", "examples": ['steps.extract.output.rows > 0 and params.mode == "full"']}
    ),
]
Text = Annotated[str, Field(min_length=1)]
Free = dict[str, Any]
"""A mapping that may hold `${…}` references anywhere in its values."""
