"""Profiles of what a SELECT finds in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest

from shared.common.fakes import FakeClock
from shared.warehouse.checks.dialect import DUCKDB
from shared.warehouse.profile.measure import measure
from shared.warehouse.profile.model import Profile


@pytest.fixture
def profile_of() -> Iterator[Callable[..., Profile]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")

    def made(select: str, *, by: str | None = None, hidden: tuple[str, ...] = ()) -> Profile:
        connection.execute(f"CREATE OR REPLACE TABLE t AS {select}")
        return measure(
            lambda sql: connection.execute(sql).fetchall(),
            "t", name="shop.orders", dialect=DUCKDB, clock=FakeClock(), hidden=hidden, by=by,
        )  # fmt: skip

    yield made
    connection.close()
