"""Columns out of records that nobody described."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.common.errors import Violation
from shared.warehouse.infer import infer
from shared.warehouse.ports import StagedPart


def part(tmp_path: Path, *lines: str, format: str = "jsonl") -> StagedPart:
    file = tmp_path / f"part.{format}"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return StagedPart("part", file, len(lines), format, "r1", 1)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "null"], "integer"),
        (["1", "2.5"], "number"),
        (["9007199254740993"], "integer"),
        (["9007199254740993", "2.5"], "string"),
        (["1" + "0" * 40], "string"),
        (["1", "true"], "string"),
        (["1", '"1"'], "string"),
        (["{}", "[]"], "json"),
        (["{}", "1"], "string"),
        (["null"], "string"),
        (['"2024-01-01"'], "date"),
        (['"2024-13-01"'], "string"),
        (['"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00.5+02:00"'], "timestamp"),
        (['"2024-01-01T00:00:00"'], "string"),
        (['"2024-01-01"', '"2024-01-01T00:00:00Z"'], "timestamp"),
        (['"2024-01-01"', '"soon"', '"2024-01-01"'], "string"),
        (['"10:00"'], "string"),
        (['""'], "string"),
    ],
)
def test_a_type_is_believed_only_when_every_value_has_it(
    tmp_path: Path, values: list[str], kind: str
) -> None:
    (column,) = infer([part(tmp_path, *(f'{{"x":{value}}}' for value in values))])

    assert kind == column.type


def test_fields_stand_in_the_order_in_which_they_were_first_seen(tmp_path: Path) -> None:
    assert ["b", "a", "c"] == [
        c.name for c in infer([part(tmp_path, '{"b":1}', '{"a":1,"b":2}', '{"c":{}}')])
    ]


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(Violation, match="line 2 of a part is no record"):
        infer([part(tmp_path, "{}", "[]")])
