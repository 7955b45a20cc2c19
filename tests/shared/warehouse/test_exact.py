"""Rewriting JSON lines keeps every value that a column has, byte for byte where it can."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.columns import Column, ColumnType
from shared.warehouse.exact import rewrite
from shared.warehouse.ports import StagedPart

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(records=st.lists(st.fixed_dictionaries({"a": values, "b": values, "other": values}), max_size=4))
def test_other_values_stay_as_they_are(tmp_path_factory: object, records: list[dict[str, object]]) -> None:
    folder = Path(tmp_path_factory.mktemp("x", numbered=True))  # type: ignore[attr-defined]
    (folder / "in").write_text("".join(json.dumps(record) + "\n" for record in records))
    part = StagedPart("k", folder / "in", len(records), "jsonl", "r", 1)
    columns = [Column("a", ColumnType.JSON), Column("b", ColumnType.STRING)]

    longest = rewrite(part, folder / "out", columns=columns, names={"a": "A", "b": "b"})

    lines = (folder / "out").read_bytes().splitlines(keepends=True)
    assert [{"A": record["a"], "b": record["b"]} for record in records] == [
        json.loads(line) for line in lines
    ]
    assert longest == max(map(len, lines), default=0)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_a_decimal_keeps_its_digits(tmp_path_factory: object, number: Decimal) -> None:
    folder = Path(tmp_path_factory.mktemp("x", numbered=True))  # type: ignore[attr-defined]
    (folder / "in").write_text(f'{{"a":{number}}}\n'.replace("E+", "e"))
    part = StagedPart("k", folder / "in", 1, "jsonl", "r", 1)

    rewrite(part, folder / "out", columns=[Column("a", ColumnType.DECIMAL)], names={"a": "a"})

    text = json.loads((folder / "out").read_text())["a"]
    assert number == Decimal(text)
    assert "e" not in text.lower()
