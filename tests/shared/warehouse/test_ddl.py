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


FIELDS = [
    "id",
    "Id",
    "ID",
    "iD_1",
    "",
    "_",
    "_sluice_run",
    "_sluice_run_1",
    "_SLUICE_RUN",
    "é",
    "É",
    "a\0",
    "a_",
]


@given(st.permutations(FIELDS), st.lists(st.integers(0, len(FIELDS)), max_size=4), st.booleans())
def test_fields_get_columns_that_differ_in_more_than_case_and_keep_them(
    fields: list[str], cuts: list[int], fewer: bool
) -> None:
    """However few of the fields a load has, and in whatever order."""
    table: dict[str, str] = {}
    for cut in sorted(cuts):
        some = fields[cut // 2 : cut] if fewer else [*reversed(fields[:cut])]
        names = names_for(some, there=["_sluice_run", *table.values()])

        assert some == list(names)
        assert {f: table[f] for f in names if f in table} == {f: names[f] for f in names if f in table}
        table |= names
    folded = {name.casefold() for name in table.values()} | {"_sluice_run"}
    assert len(table) + 1 == len(folded)


def test_a_field_of_another_case_where_the_warehouse_shouts() -> None:
    table = ["NOTE", "OTHER"]

    assert {"note": "note"} == names_for(["note"], there=table, owned=str.casefold)

    names = names_for(["note", "Note"], there=table, owned=str.casefold)

    table.append(names["Note"].upper())
    assert names == names_for(["Note", "note"], there=table, owned=str.casefold)


def test_a_decimal_grows_to_hold_both() -> None:
    old = Column("x", ColumnType.DECIMAL, precision=10, scale=2)
    new = Column("x", ColumnType.DECIMAL, precision=8, scale=6)

    assert (14, 6) == digits(merged([old], [new])[0])
    assert (38, 9) == digits(merged([Column("x", ColumnType.INTEGER)], [Column("x", ColumnType.DECIMAL)])[0])
