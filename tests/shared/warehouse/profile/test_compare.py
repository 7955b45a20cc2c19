"""What is told of two profiles, and what is not worth telling."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.warehouse.profile.compare import differences
from shared.warehouse.profile.model import Profile

Make = Callable[..., Profile]
BASE = "SELECT i AS id, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS kind FROM range(100) r(i)"


@pytest.mark.parametrize(
    ("select", "told"),
    [
        (BASE, []),
        (f"SELECT * EXCLUDE kind FROM ({BASE})", ["!kind is gone"]),
        (f"SELECT *, 1 AS more FROM ({BASE})", ["!more is new (INTEGER)"]),
        (f"SELECT id::VARCHAR AS id, kind FROM ({BASE})", ["!id is VARCHAR, was BIGINT"]),
        (
            f"SELECT id % 99 AS id, kind FROM ({BASE})",
            ["!id is not unique any more: 99 different values", " id 0 to 98, was 0 to 99"],
        ),
        (
            f"SELECT id, CASE WHEN id < 10 THEN NULL ELSE kind END AS kind FROM ({BASE})",
            ["!kind 10% null, was 0%"],
        ),
        (
            f"SELECT id, CASE WHEN id = 1 THEN NULL ELSE kind END AS kind FROM ({BASE})",
            [" kind 1% null, was 0%"],
        ),
        (
            f"SELECT id, CASE WHEN id = 1 THEN 'c' ELSE kind END AS kind FROM ({BASE})",
            ["!kind has a new value 'c' (1% of the rows)"],
        ),
        (
            f"SELECT id, 'a' AS kind FROM ({BASE})",
            ["!kind 'a' has 100% of the rows, had 50%", "!kind has no 'b' any more (was 50% of the rows)"],
        ),
        (
            f"SELECT * FROM ({BASE}) WHERE id < 90",
            [" 90 rows, 100 before (-10.0%)", " id 0 to 89, was 0 to 99"],
        ),
        (
            f"SELECT * FROM ({BASE}) WHERE id < 50",
            ["!50 rows, 100 before (-50.0%)", " id 0 to 49, was 0 to 99"],
        ),
    ],
)
def test_differences(profile_of: Make, select: str, told: list[str]) -> None:
    old = profile_of(BASE)
    found = differences(profile_of(select), old)

    assert told == [
        f"{'!' if one.weight == 'strong' else ' '}{one.column and one.column + ' '}{one.text}"
        for one in found
    ]


def test_an_empty_table_before_is_no_division_by_zero(profile_of: Make) -> None:
    empty = profile_of(f"SELECT * FROM ({BASE}) WHERE id < 0")

    assert "100 rows, 0 before" == differences(profile_of(BASE), empty)[0].text
    assert differences(empty, profile_of(BASE))
