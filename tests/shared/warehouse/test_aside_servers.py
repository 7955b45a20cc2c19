"""Setting rows aside, and telling another log from the loaded one, on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Violation
from tests.shared.warehouse.house import House
from tests.shared.warehouse.houses import mariadb_house, postgres_house
from tests.shared.warehouse.stream import columns


@pytest.fixture(params=["postgres", "mariadb"])
def house(request: Any) -> House:
    if request.param == "postgres":
        return postgres_house(request.getfixturevalue("postgres_url"))
    return mariadb_house(request.getfixturevalue("mariadb_url"))


@pytest.mark.parametrize("format", ["jsonl.gz", "csv.gz"])
def test_a_value_beyond_its_column_blocks_nothing(house: House, tmp_path: Path, format: str) -> None:
    stream = house.stream(tmp_path / "landing")
    spec = stream.spec(columns=columns(id="string", n="integer", d="decimal", j="json"))
    rows = [("a", 1, "0.5"), ("b", 10**40, "1"), ("c", 2, "1e-999999999"), ("d", 3, "9" * 39)]
    if format.startswith("csv"):
        lines = ["id,n,d,j", *(f'"{id}",{n},{d},"text"' for id, n, d in rows)]
    else:
        lines = [f'{{"id":"{id}","n":{n},"d":{d},"j":"text"}}' for id, n, d in rows]
    stream.commit(lines, format=format)
    stream.commit(['{"id":"e","n":4}'], run="r2")

    report = stream.load(spec)

    assert ("loaded", 2, 3, 2) == (report.status, report.rows, report.aside, report.to_sequence)
    assert [("a", 1), ("e", 4)] == house.rows(stream, "id", "n")


def test_another_log_is_told_from_the_loaded_one(house: House, tmp_path: Path) -> None:
    stream, other = house.stream(tmp_path / "one"), house.stream(tmp_path / "other")
    spec = stream.spec(columns=columns(id="string"))
    stream.commit([{"id": "a"}], run="r1")
    stream.load(spec)
    other.commit([{"id": "b"}], run="r2")

    with pytest.raises(Violation, match="commit 1 of run r1, and in the log it is of run r2"):
        other.load(spec)
