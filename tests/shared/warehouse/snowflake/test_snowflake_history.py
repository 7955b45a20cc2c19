"""The histories of `test_protocol` on Snowflake: landed in any order, cut off anywhere, the table is the model's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.snowflake.account import Account
from tests.shared.warehouse.snowflake.house import SnowflakeHouse
from tests.shared.warehouse.test_protocol import WAYS, landings, loads, moves, told

# Shrinking would take minutes here; `test_protocol` finds most faults, and shrinks them, on DuckDB.
SOME = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
_NUMBERS = itertools.count(1)
LATE = [
    ("land", [{"id": "a", "v": 1, "c": 1, "gone": None}, {"id": "b", "v": 1, "c": 2, "gone": False}], True),
    ("load", None, 1),
    ("land", [{"id": "a", "v": 2, "c": 4, "gone": True}, {"id": "c", "v": 2, "c": 4, "gone": True}], True),
    ("load", None, 1),
    (
        "land",
        [{"id": "a", "v": 3, "c": 3, "gone": None}, {"id": "c", "v": 3, "c": None, "gone": False}],
        True,
    ),
    ("load", None, 1),
    ("land", [{"id": "a", "v": 4, "c": 5, "gone": False}, {"id": "b", "v": 4, "c": 2, "gone": None}], True),
]
"""A key is deleted, older rows of it come late, and then a newer one."""


@pytest.mark.parametrize("way", WAYS)
def test_late_rows_undo_no_deletion(
    way: str, snowflake: Snowflake, account: Account, s3: Any, bucket: str
) -> None:
    told(SnowflakeHouse(snowflake, "", s3=s3, bucket=bucket), way, LATE)


@pytest.mark.parametrize("way", WAYS)
@SOME
@given(story=st.lists(landings | moves | loads, min_size=3, max_size=8))
def test_any_history_ends_in_the_table_of_the_model(
    way: str, story: list[Any], snowflake: Snowflake, account: Account, s3: Any, bucket: str
) -> None:
    source = f"shop{next(_NUMBERS)}"  # the examples share a database
    told(SnowflakeHouse(snowflake, "", s3=s3, bucket=bucket, source=source), way, story)
