"""What all expectations have in common: names and arguments, rows, columns, bounds; and what a check does that fails.

Nulls are left out unless an expectation is about them. `mostly` is the share of the values looked at that must be as
expected. `row_condition` picks the rows (see `condition_text.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from shared.common.instants import parse_duration
from shared.contracts.condition_text import parse_condition
from shared.contracts.row_condition import Condition, columns_in


def _no_null(value: object) -> object:
    if isinstance(value, list | tuple) and any(item is None for item in value):
        raise ValueError(
            "null has no place in a set: nulls are left out anyway; expect_column_values_to_not_be_null is for them"
        )
    return value


def _percent(value: object) -> object:
    return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else value


Scalar: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
Bound: TypeAlias = StrictInt | StrictFloat | StrictStr
Number: TypeAlias = StrictInt | StrictFloat
Set: TypeAlias = Annotated[tuple[Scalar, ...], BeforeValidator(_no_null), Field(min_length=1)]
Name: TypeAlias = Annotated[StrictStr, Field(min_length=1)]
Share: TypeAlias = Annotated[float, BeforeValidator(_percent), Field(ge=0, le=1)]
Count: TypeAlias = Annotated[StrictInt, Field(ge=0)]
Duration = Annotated[
    timedelta, BeforeValidator(lambda v: v if isinstance(v, timedelta) else parse_duration(v))
]


class Severity(StrEnum):
    """What a check that does not hold does: `fail` keeps the rows out of the final table, `warn` tells."""

    FAIL = "fail"
    WARN = "warn"


class Expectation(BaseModel):
    """What all checks have in common. `notes` is shown where the check does not hold."""

    # Compiled when first used: a source has a handful of the many kinds.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        defer_build=True,
        allow_inf_nan=False,
        populate_by_name=True,
        ignored_types=(cached_property,),
    )
    #: Whether a column that the table does not have is what the check is about.
    about_columns: ClassVar[bool] = False

    severity: Severity = Severity.FAIL
    notes: str = ""

    @classmethod
    def name(cls) -> str:
        """The name as it is written: Great Expectations', in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def columns(self) -> Iterator[str]:
        """The columns that the check needs, those of its `row_condition` among them."""
        for name in ("column", "column_a", "column_b"):
            if isinstance(column := getattr(self, name, None), str):
                yield column
        yield from getattr(self, "column_list", None) or ()

    def arguments(self) -> dict[str, Any]:
        """What was written, as plain data."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude={"severity", "notes"}
        )


class OfRows(Expectation):
    """Looks at the rows for which `row_condition` is true; `condition_parser` is accepted and means nothing."""

    row_condition: str | dict[str, Any] | None = None
    condition_parser: Literal["great_expectations", "great_expectations__experimental__"] | None = None

    @field_validator("row_condition")
    @classmethod
    def _readable(cls, value: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
        if value is not None:
            parse_condition(value)
        return value

    @cached_property
    def condition(self) -> Condition | None:
        return None if self.row_condition is None else parse_condition(self.row_condition)

    def columns(self) -> Iterator[str]:
        yield from super().columns()
        if self.condition is not None:
            yield from columns_in(self.condition)


class ColumnMap(OfRows):
    """A question about each value of a column."""

    column: Name
    mostly: Share = 1.0


class PairMap(OfRows):
    """A question about two columns of each row."""

    column_a: Name = Field(alias="column_A")
    column_b: Name = Field(alias="column_B")
    mostly: Share = 1.0
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = (
        "both_values_are_missing"
    )


class ManyMap(OfRows):
    """A question about several columns of each row."""

    column_list: Annotated[tuple[Name, ...], Field(min_length=2)]
    mostly: Share = 1.0
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = (
        "all_values_are_missing"
    )


class Between(OfRows):
    """Bounds, inclusive unless strict; at least one of them."""

    min_value: Bound | None = None
    max_value: Bound | None = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _bounded(self) -> Between:
        low, high = self.min_value, self.max_value
        if low is None and high is None:
            raise ValueError("give `min_value`, `max_value` or both")
        if low is not None and high is not None:
            if isinstance(low, str) != isinstance(high, str):
                raise ValueError("`min_value` and `max_value` are of different kinds: a number and a text")
            if low > high:  # type: ignore[operator]
                raise ValueError(f"`min_value` {low} is greater than `max_value` {high}")
        return self


class ColumnAggregate(Between):
    """A number (or the like) that all values of a column make together."""

    column: Name
