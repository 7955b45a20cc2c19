"""What is measured of a table, whatever its columns are called and hold."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.common.errors import Misconfigured
from shared.warehouse.profile.model import Profile, Top

Make = Callable[..., Profile]


def test_numbers(profile_of: Make) -> None:
    (column,) = profile_of("SELECT unnest([0, 1, 1, 2, 24, NULL])::BIGINT AS n").columns

    assert ("number", 1, 4, 0, 24, 5.6) == (
        column.kind, column.nulls, column.distinct, column.low, column.high, column.mean
    )  # fmt: skip
    assert (Top("1", 2), Top("0", 1)) == column.top[:2]
    assert (24, 5, [1, 2, 1]) == (
        len(column.bins), sum(one.count for one in column.bins), [one.count for one in column.bins[:3]]
    )  # fmt: skip
    assert 1 == column.bins[-1].count


def test_texts_and_their_lengths(profile_of: Make) -> None:
    (column,) = profile_of("SELECT unnest(['b', '', 'größe', 'b', NULL]) AS t").columns

    assert ("text", "", "größe", 0, 5) == (
        column.kind,
        column.low,
        column.high,
        column.shortest,
        column.longest,
    )
    assert (Top("b", 2), Top("", 1), Top("größe", 1)) == column.top


@pytest.mark.parametrize(
    "select",
    [
        "SELECT 1 AS n WHERE false",
        "SELECT NULL::INTEGER AS n",
        "SELECT NULL::VARCHAR AS n",
        "SELECT 7 AS n FROM range(3)",
        "SELECT 'x' || repeat('y', 5000) AS n FROM range(3)",
        "SELECT unnest(['NaN', 'Infinity', '1', '2'])::DOUBLE AS n",
        "SELECT unnest([-1e308, 1e308])::DOUBLE AS n",
        "SELECT unnest([1, 170141183460469231731687303715884105727])::HUGEINT AS n",
        "SELECT unnest([DATE 'infinity', DATE '2026-01-01']) AS n",
        "SELECT unnest([TIMESTAMP '2026-01-01 12:00:00', NULL]) AS n",
        "SELECT unnest([true, false, NULL]) AS n",
        "SELECT unnest(['{\"a\": 1}', '[]'])::JSON AS n",
        "SELECT [1, 2] AS n",
        "SELECT {'a': 1} AS n",
        "SELECT 'ab'::BLOB AS n",
        "SELECT uuid() AS n FROM range(3)",
        "SELECT TIME '12:00:00' AS n",
        "SELECT INTERVAL 1 DAY AS n",
    ],
)
def test_no_kind_of_column_breaks_it(profile_of: Make, select: str) -> None:
    profile = profile_of(select)

    assert ["n"] == [column.name for column in profile.columns]
    assert profile == Profile.from_json(json.loads(json.dumps(profile.to_json())))


def test_odd_names_are_only_names(profile_of: Make) -> None:
    profile = profile_of(
        """SELECT 1 AS "a ""b""; --", 2 AS "select", 3 AS "é", 4 AS _sluice_run""", hidden=("_sluice_run",)
    )

    assert ['a "b"; --', "select", "é"] == [column.name for column in profile.columns]


def test_rows_and_shares_by_day(profile_of: Make) -> None:
    days = profile_of(
        "SELECT DATE '2026-01-01' + i::INTEGER AS day, CASE WHEN i < 2 THEN 'a' ELSE 'b' END AS kind "
        "FROM range(4) r(i)",
        by="day",
    ).days

    assert days is not None
    assert (1, "2026-01-04", (1, 1, 1, 1)) == (days.width, days.last, days.rows)
    assert {"kind": {"a": (1, 1, 0, 0), "b": (0, 0, 1, 1)}} == days.shares


def test_a_long_time_is_in_pieces(profile_of: Make) -> None:
    days = profile_of(
        "SELECT TIMESTAMPTZ '2026-01-01' + to_days(i::INTEGER) AS at FROM range(400) r(i)", by="at"
    ).days

    assert days is not None
    assert (10, 40, 400) == (days.width, len(days.days), sum(days.rows))


def test_days_need_a_column_of_times(profile_of: Make) -> None:
    with pytest.raises(Misconfigured, match="known: at"):
        profile_of("SELECT 1 AS n, now() AS at", by="n")


def test_what_is_no_profile_is_refused() -> None:
    for document in ({}, {"columns": 5}, {"columns": [{"odd": 1}]}):
        with pytest.raises(Misconfigured, match="is no profile"):
            Profile.from_json(document)
