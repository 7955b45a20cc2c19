"""What a check may say: the expectations of Great Expectations by their own names and arguments, and a few of ours.

The models are what people write (`checks:` of a stream, see docs/checks.md); how a warehouse answers them is not known
here. What they have in common is in `expectation.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import Field, StrictStr, field_validator, model_validator

from shared.contracts.expectation import (
    Between,
    ColumnAggregate,
    ColumnMap,
    Count,
    Duration,
    Expectation,
    ManyMap,
    Name,
    Number,
    OfRows,
    PairMap,
    Set,
    Share,
)


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
