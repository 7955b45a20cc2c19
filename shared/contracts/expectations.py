"""What a check may say: the expectations of Great Expectations by their own names and arguments, and a few of ours.

The models are what people write (`checks:` of a stream, see docs/checks.md); how a warehouse answers them is not known
here. Nulls are left out unless an expectation is about them. `mostly` is the share of the values looked at that must be
as expected. `row_condition` picks the rows (see `condition_text.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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


class ExpectTableRowCountToEqual(OfRows):
    value: Count


class ExpectTableRowCountToBeBetween(Between):
    pass


class ExpectColumnToExist(Expectation):
    """`column_index` counts from 0."""

    about_columns = True
    column: Name
    column_index: int | None = None


class ExpectTableColumnsToMatchSet(Expectation):
    """Upper and lower case are the same, as in Great Expectations. Columns that Sluice adds do not count."""

    about_columns = True
    column_set: tuple[Name, ...]
    exact_match: bool = True


class ExpectTableColumnsToMatchOrderedList(Expectation):
    about_columns = True
    column_list: tuple[Name, ...]


class ExpectColumnValuesToNotBeNull(ColumnMap):
    pass


class ExpectColumnValuesToBeNull(ColumnMap):
    pass


class ExpectColumnValuesToBeUnique(ColumnMap):
    pass


class ExpectColumnValuesToBeInSet(ColumnMap):
    value_set: Set


class ExpectColumnValuesToNotBeInSet(ColumnMap):
    value_set: Set


class ExpectColumnValuesToBeBetween(ColumnMap, Between):
    pass


class ExpectColumnValuesToMatchRegex(ColumnMap):
    """In the warehouse's own dialect of regular expressions; the pattern may match anywhere in the value."""

    regex: StrictStr


class ExpectColumnValuesToNotMatchRegex(ColumnMap):
    regex: StrictStr


class ExpectColumnValuesToMatchLikePattern(ColumnMap):
    r"""SQL's LIKE: `%` is any text, `_` any character, `\` takes their meaning away."""

    like_pattern: StrictStr


class ExpectColumnValuesToNotMatchLikePattern(ColumnMap):
    like_pattern: StrictStr


class ExpectColumnValuesToBeOfType(Expectation):
    """The type of the column in the warehouse's own word, or one of a contract's (`integer`, `timestamp` …)."""

    column: Name
    type_: Name


class ExpectColumnValuesToBeIncreasing(ColumnMap):
    """In the order of `order_by` (ours); without it in the order in which the rows were loaded."""

    strictly: bool = False
    order_by: Name | None = None

    def columns(self) -> Iterator[str]:
        yield from super().columns()
        if self.order_by is not None:
            yield self.order_by


class ExpectColumnValueLengthsToBeBetween(ColumnMap, Between):
    """Lengths are characters."""


class ExpectColumnValueLengthsToEqual(ColumnMap):
    value: Count


class ExpectCompoundColumnsToBeUnique(ManyMap):
    """Rows in which one of the columns is null repeat nothing."""


class ExpectSelectColumnValuesToBeUniqueWithinRecord(ManyMap):
    """The columns of a row differ from each other; two nulls are equal."""


class ExpectColumnPairValuesAToBeGreaterThanB(PairMap):
    or_equal: bool = False


class ExpectColumnPairValuesToBeEqual(PairMap):
    pass


class ExpectMulticolumnSumToEqual(ManyMap):
    """Rows in which one of the columns is null have no sum, and pass."""

    sum_total: Number


class ExpectColumnMinToBeBetween(ColumnAggregate):
    pass


class ExpectColumnMaxToBeBetween(ColumnAggregate):
    pass


class ExpectColumnMeanToBeBetween(ColumnAggregate):
    pass


class ExpectColumnMedianToBeBetween(ColumnAggregate):
    pass


class ExpectColumnSumToBeBetween(ColumnAggregate):
    pass


class ExpectColumnStdevToBeBetween(ColumnAggregate):
    """The standard deviation of a sample (divided by n - 1)."""


class ExpectColumnUniqueValueCountToBeBetween(ColumnAggregate):
    """How many different values there are."""


class ExpectColumnProportionOfUniqueValuesToBeBetween(ColumnAggregate):
    """Different values by values."""


class ExpectColumnDistinctValuesToBeInSet(OfRows):
    column: Name
    value_set: Set


class ExpectColumnDistinctValuesToEqualSet(OfRows):
    column: Name
    value_set: Set


class ExpectColumnDistinctValuesToContainSet(OfRows):
    column: Name
    value_set: Set


class UnexpectedRowsExpectation(Expectation):
    """A query of one's own that finds the rows that should not be there; `{batch}` is the table."""

    unexpected_rows_query: StrictStr

    @field_validator("unexpected_rows_query")
    @classmethod
    def _one_query(cls, value: str) -> str:
        query = value.strip().removesuffix(";").rstrip()
        if not re.match(r"(?i)(select|with)\b", query):
            raise ValueError("the query begins with SELECT or WITH")
        if ";" in query:
            raise ValueError("one query, without a semicolon in it")
        return query


class ExpectTableToBeFresh(OfRows):
    """The newest value of a date or timestamp column is at most `max_age` old (`26h`, `2d`)."""

    column: Name
    max_age: Duration


class ExpectTableRowCountToEqualCommit(Expectation):
    """As many rows as the commits say that landed. Says nothing about a final table."""


class ExpectColumnValuesToBeInTable(ColumnMap):
    """A foreign key: every value is in the column `field` of the final table of `to`, a stream (`source.stream`)."""

    to: Annotated[StrictStr, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z][A-Za-z0-9_-]*$")]
    field: Name


class Usual(Expectation):
    """Compares with the last `loads` loads that passed; says nothing before there are `min_loads` of them."""

    loads: int = Field(default=14, ge=3, le=200)
    min_loads: int = Field(default=5, ge=2)

    @model_validator(mode="after")
    def _reachable(self) -> Usual:
        if self.min_loads > self.loads:
            raise ValueError(f"`min_loads` {self.min_loads} is more than `loads` {self.loads}")
        return self


class ExpectTableRowCountToBeUsual(Usual):
    """The rows of this load are within `deviations` robust standard deviations, or `tolerance`, of the median."""

    deviations: float = Field(default=4.0, gt=0)
    tolerance: Share = 0.2


class ExpectColumnCategorySharesToBeUsual(Usual):
    """No value's share of the rows moved by more than `max_change` from its median."""

    column: Name
    max_change: Share = 0.1


def kinds() -> dict[str, type[Expectation]]:
    """Every expectation by the name that is written."""
    found, waiting = dict[str, type[Expectation]](), [Expectation]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__ == __name__ and (
                kind.__name__.startswith("Expect") or kind.__name__.startswith("Unexpected")
            ):
                found[kind.name()] = kind
    return found


def distinct(values: Iterable[Any]) -> list[Any]:
    """The different values of a set, in its order; `true` and `1` are different ones.

    >>> distinct([1, 2, 1, True])
    [1, 2, True]
    """
    return list({(isinstance(value, bool), value): value for value in values}.values())
