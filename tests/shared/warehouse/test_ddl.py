"""Names and the lattice of types."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import digits, join, literal, merged, names_for, quoted

kinds = st.sampled_from(ColumnType)


@given(kinds, kinds, kinds)
def test_the_lattice_has_one_answer_in_whatever_order_types_are_met(
    a: ColumnType, b: ColumnType, c: ColumnType
) -> None:
    assert 1 == len({reduce(join, order) for order in permutations((a, b, c))})
    assert join(a, b) == join(join(a, b), a)


@given(st.text(min_size=1).filter(lambda name: "\0" not in name))
def test_a_quoted_name_and_a_literal_cannot_be_broken_out_of(name: str) -> None:
    import duckdb

    with duckdb.connect() as connection:
        ((found,),) = connection.execute(f"SELECT x FROM (SELECT {literal(name)} AS x)").fetchall()
        alias = connection.execute(f"SELECT 1 AS {quoted(name)}").description[0][0]

    assert (name, name) == (found, alias)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_that_no_warehouse_takes(name: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be a name"):
        quoted(name)


@given(st.lists(st.sampled_from(["id", "Id", "ID", "iD_1", "", "_", "_sluice_run", "é", "É"]), unique=True))
def test_fields_get_columns_that_differ_in_more_than_case_whatever_their_order(fields: list[str]) -> None:
    names = names_for(fields)

    assert len(fields) == len({name.casefold() for name in names.values()})
    assert names == {field: names_for(reversed(fields))[field] for field in fields}


def test_a_decimal_grows_to_hold_both() -> None:
    old = Column("x", ColumnType.DECIMAL, precision=10, scale=2)
    new = Column("x", ColumnType.DECIMAL, precision=8, scale=6)

    assert (14, 6) == digits(merged([old], [new])[0])
    assert (38, 9) == digits(merged([Column("x", ColumnType.INTEGER)], [Column("x", ColumnType.DECIMAL)])[0])
