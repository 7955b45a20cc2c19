"""SQL of steps on Snowflake: the real connector, an account beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.errors import Violation
from src.invoke import LocalContext
from src.step.app import handler_of
from src.workplace import Workplace
from tests.shared.warehouse.snowflake.account import Account, running
from tests.shared.warehouse.snowflake.keys import KEY, PRIVATE_KEY

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

USER = "STEPS"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with running(lambda url: b"") as account:
        account.users[USER] = [KEY.public_key()]
        yield account


@pytest.fixture
def invoke(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for name in ("LANDING_URL", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("WAREHOUSE_URL", account.url("SLUICE_STEPS", user=USER))
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY", PRIVATE_KEY)
    monkeypatch.chdir(tmp_path)
    handler = handler_of(Workplace.open)
    context: Any = LocalContext("step", "r-1", 512, 60, SystemClock())
    return lambda step, **more: handler({"pipeline": "p", "run": {"id": "r"}, "step": step, **more}, context)


def filled(write: str, sql: str = "SELECT ${params.n} AS n UNION ALL SELECT 2") -> dict[str, Any]:
    out = [{"name": "sums", "type": "snowflake", "table": "marts.sums"}]
    return {
        "name": "sums",
        "type": "transformation",
        "write": write,
        "transformation_query": sql,
        "outputs": out,
    }


def holds(invoke: Any, many: int) -> None:
    sql = f"SELECT 1 FROM (SELECT count(*) AS n FROM marts.sums) AS t WHERE t.n <> {many}"
    invoke({"name": "count", "type": "check", "query": sql})


def test_a_table_is_filled_replaced_and_appended_to(invoke: Any) -> None:
    assert {"rows": 2} == invoke(filled("replace"), params={"n": 1})
    assert {"rows": 2} == invoke(filled("replace"), params={"n": 5})
    holds(invoke, 2)
    invoke(filled("append"), params={"n": 7})
    holds(invoke, 4)


def test_a_query_that_fails_leaves_the_table_as_it_was(invoke: Any) -> None:
    invoke(filled("replace"), params={"n": 1})

    with pytest.raises(Violation, match="refuses the SQL"):
        invoke(filled("replace", "SELECT nothing AS n FROM nowhere"))

    holds(invoke, 2)


def test_a_check_that_finds_rows_fails(invoke: Any) -> None:
    with pytest.raises(Violation, match="found 1 rows: 3"):
        invoke({"name": "c", "type": "check", "query": "SELECT ${params.n} AS n"}, params={"n": 3})
