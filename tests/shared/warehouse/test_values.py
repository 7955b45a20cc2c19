"""Values of records become values of columns exactly, or are named as none, in little memory."""

from __future__ import annotations

import tracemalloc
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.columns import Column, ColumnType
from shared.warehouse.values import NotAValue, Scalar, Spelling, cell, decimal, from_text

SPELLING = Spelling(moment=datetime.isoformat, binary=bytes.hex, nested=str)
MONEY = Column("v", ColumnType.DECIMAL, precision=12, scale=3)
WHOLE = Column("v", ColumnType.INTEGER)


def told(column: Column, text: str) -> Scalar:
    return cell(column, text.encode(), SPELLING)


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        (MONEY, "1e-999999999", "rounded to 3 digits"),
        (MONEY, "-12345678901e-999999999", "rounded to 3 digits"),
        (MONEY, "1e999999999", "more than 9 digits before the point"),
        (MONEY, "1e99999999999999999999", "beyond all bounds"),
        (MONEY, "1e-99999999999999999999", "beyond all bounds"),
        (MONEY, "0.0001", "rounded to 3 digits"),
        (WHOLE, "1e-999999999", "^$"),
        (WHOLE, "1e999999999", "^$"),
    ],
)
def test_an_exponent_that_no_column_can_hold_is_refused_without_writing_it_out(
    column: Column, text: str, says: str
) -> None:
    tracemalloc.start()
    try:
        for read in (told, lambda c, t: told(c, f'"{t}"'), lambda c, t: from_text(c, t, SPELLING)):
            with pytest.raises(NotAValue, match=says):
                read(column, text)
        if column is MONEY:
            with pytest.raises(NotAValue, match=says):
                decimal(column)(msgspec.Raw(text.encode()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 10_000_000


@pytest.mark.parametrize("text", ["0e-999999999", "0E+999999999", "-0.000e9"])
def test_nothing_is_nothing_whatever_its_exponent(text: str) -> None:
    assert ("0", 0) == (told(MONEY, text), told(WHOLE, text))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**8), max_value=10**8), st.booleans())
def test_a_decimal_is_its_own_digits_or_none(value: Decimal, quoted: bool) -> None:
    text = f'"{value}"' if quoted else str(value)
    fits = value == value.quantize(Decimal("0.001")) if value.adjusted() > -30 else value.is_zero()

    if fits:
        assert value == Decimal(str(told(MONEY, text)))
    else:
        with pytest.raises(NotAValue):
            told(MONEY, text)
