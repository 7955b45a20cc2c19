"""A table in DuckDB, and checks that are written as people write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from shared.common.documents import read_yaml
from shared.common.fakes import FakeClock
from shared.contracts.check_files import read_check_file
from shared.warehouse.checks.dialect import DUCKDB
from shared.warehouse.checks.plan import Context
from shared.warehouse.checks.run import run_checks
from shared.warehouse.checks.verdict import Verdict


class Table:
    """A table `t`, and what its checks find. `asked` are the statements of the last time."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.clock = FakeClock()
        self.asked: list[str] = []

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        self.asked.append(sql)
        return self.connection.execute(sql).fetchall()

    def of(self, select: str) -> Table:
        self.connection.execute(f"CREATE OR REPLACE TABLE t AS {select}")
        return self

    def check(self, *checks: str, about: Verdict | None = None, **context: Any) -> Verdict:
        """The verdict on checks like `expect_column_values_to_be_null: {column: a}`."""
        text = "checks:\n" + "".join(f"  - {check}\n" for check in checks)
        self.asked = []
        return run_checks(
            self,
            "t",
            read_check_file(read_yaml(text, file="checks.yml")),
            dialect=DUCKDB,
            context=Context(self.clock.now(), **context),
            about=about or Verdict("shop", "orders", "shop.orders", run="r1", load="L1", sequence=3),
            clock=self.clock,
        )


@pytest.fixture
def table() -> Iterator[Table]:
    made = Table()
    yield made
    made.connection.close()


@pytest.fixture
def one(table: Table) -> Callable[..., Any]:
    """The result of one check over `SELECT …`."""

    def ask(select: str, check: str, **context: Any) -> Any:
        (result,) = table.of(select).check(check, **context).results
        return result

    return ask
