"""The state machine of a source with our real handlers behind it: a simulated site, S3 in moto, DuckDB as warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import src.ingest.app
import src.load.app
from shared.common.clock import SystemClock
from shared.common.errors import Refused, Violation
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World
from tests.deploy.infra.account import Account, account

KEY = "machine-key-7c1"


class RequestClock(SystemClock):
    """Time that goes on by what the site is asked, so that a slice is the same however busy this machine is."""

    def __init__(self, site: Simulator) -> None:
        self._site = site

    def monotonic(self) -> float:
        return sum(self._site.api.asked.values()) * 0.02


@dataclass
class Deployed:
    account: Account
    site: Simulator
    tables: Path

    @property
    def machine(self) -> str:
        return self.account.physical("RecurlyMachine")

    def fail(self, **fault: Any) -> None:
        """Make the site fail, once it is asked."""
        self.site.control("/_simulator/faults", fault)

    def rows(self, table: str) -> int:
        import duckdb

        with duckdb.connect(str(self.tables), read_only=True) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM recurly.{table}").fetchone() or (0,)
        return int(count)

    def there(self, table: str) -> int:
        """How many records the site has."""
        return len(self.site.world.tables[table])

    def begun(self, stream: str) -> int:
        """How often the ingest function was called for a stream."""
        events = [event for kind, event in self.account.calls if kind == "ingest" and "action" not in event]
        return sum(stream in event["streams"] for event in events)

    def run(
        self, event: dict[str, Any], *, name: str, seconds: float = 60.0
    ) -> tuple[dict[str, Any], list[str]]:
        """How the machine ended, and the states that it entered."""
        self.account.seconds["ingest"] = seconds
        ended = self.account.run(self.machine, event, name=name)
        return ended, self.account.visited(ended["executionArn"])

    def execution(self, name: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"


@pytest.fixture(scope="module")
def site() -> Iterator[Simulator]:
    world = World(seed=5, scale=0.2, today=date(2025, 6, 30))
    with Simulator(world, Options(api_key=KEY)) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, site: Simulator) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("account")
    with account(folder) as here:
        tables = folder / "warehouse.duckdb"
        url = f"duckdb:///{tables}"
        here.create(Environment="dev", SettingApiEndpoint=site.url, WarehouseUrl=url, LogLevel="CRITICAL")
        secret = json.dumps({"API_KEY": KEY})
        here.client("secretsmanager").put_secret_value(SecretId="sluice/dev/recurly", SecretString=secret)
        here.clock = RequestClock(site)
        here.open("ingest", "sluice-dev-recurly-ingest", src.ingest.app.handler_of, clock=here.clock)
        here.open("load", "sluice-dev-load", src.load.app.handler_of)
        yield Deployed(here, site, tables)


@pytest.fixture
def deployed(made: Deployed) -> Iterator[Deployed]:
    handlers = dict(made.account.handlers)
    made.account.calls.clear()
    told = len(made.account.told())
    made.account.handlers["told"] = lambda event, context: made.account.told()[told:]
    yield made
    made.account.handlers = handlers
    made.site.control("/_simulator/faults", None)


def new_messages(deployed: Deployed) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployed.account.handlers["told"](None, None)
    return found


def test_a_run_ingests_in_slices_loads_checks_and_tells(deployed: Deployed) -> None:
    """Each slice has time for about forty requests; what it did not get done, the next one goes on with."""
    ended, visited = deployed.run({"streams": ["coupon_redemptions", "plans"]}, name="slices", seconds=0.9)

    assert "SUCCEEDED" == ended["status"], ended
    assert deployed.begun("coupon_redemptions") >= 3
    assert ["Load", "Loaded?", "Outcome", "Unfinished?", "All well?", "Notify"] == visited[-6:]
    assert deployed.there("coupon_redemptions") == deployed.rows("coupon_redemptions")
    assert deployed.there("plans") == deployed.rows("plans")
    assert [] == new_messages(deployed)


def test_a_stream_that_fails_does_not_stop_the_others_and_is_told_once(deployed: Deployed) -> None:
    deployed.fail(kind="status", path="/coupons", status=403, times=10)
    ended, visited = deployed.run({"streams": ["coupons", "items"]}, name="failing")
    (message,) = new_messages(deployed)

    assert ("FAILED", "RunFailed") == (ended["status"], ended["error"])
    assert {"streams": [{"streams": ["coupons"], "error": "Refused"}], "load": {"done": True}} == json.loads(
        ended["cause"]
    )
    assert ["All well?", "Alert", "Failed"] == visited[-3:]
    assert deployed.there("items") == deployed.rows("items")
    assert "sluice-dev: a run of recurly failed" == message["Subject"]
    assert deployed.execution("failing") == message["Message"]["execution"]
    assert [{"streams": ["coupons"], "error": "Refused"}] == message["Message"]["failed"]["streams"]


def test_an_api_that_asks_for_patience_gets_it(deployed: Deployed) -> None:
    """The wait is longer than the function has, so it answers, and the machine waits."""
    deployed.fail(kind="status", path="/add_ons", status=429, headers={"Retry-After": "2"}, times=1)
    ended, visited = deployed.run({"streams": ["add_ons"]}, name="throttled", seconds=1.5)

    assert "SUCCEEDED" == ended["status"], ended
    assert "Wait for the API" in visited
    assert deployed.there("add_ons") == deployed.rows("add_ons")


def test_a_function_that_dies_is_called_again_and_goes_on(deployed: Deployed) -> None:
    real, died = deployed.account.handlers["ingest"], list[int]()

    def once(event: Any, context: Any) -> Any:
        answer = real(event, context)
        if "action" not in event and not died:
            died.append(1)
            raise SystemExit(1)
        return answer

    deployed.account.handlers["ingest"] = once
    ended, _ = deployed.run({"streams": ["measured_units"]}, name="died")

    assert "SUCCEEDED" == ended["status"], ended
    assert 2 == deployed.begun("measured_units")
    assert deployed.there("measured_units") == deployed.rows("measured_units")


def test_what_cannot_be_planned_is_told(deployed: Deployed) -> None:
    ended, visited = deployed.run({"streams": ["acounts"]}, name="unplanned")

    assert ("FAILED", '{"plan":{"error":"Misconfigured"}}') == (ended["status"], ended["cause"])
    assert ["Scheduled?", "Plan", "Not begun", "Alert", "Failed"] == visited
    assert 1 == len(new_messages(deployed))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Violation("half of the rows are null"), "Checks failed"),
        (Refused("no warehouse for you"), "Not loaded"),
    ],
)
def test_a_load_that_fails_is_told_and_nobody_hears_that_tables_are_fresh(
    deployed: Deployed, error: Exception, state: str
) -> None:
    def load(event: Any, context: Any) -> Any:
        raise error

    deployed.account.handlers["load"] = load
    ended, visited = deployed.run({"streams": ["plans"]}, name=f"load-{type(error).__name__}")
    (message,) = new_messages(deployed)

    assert "FAILED" == ended["status"]
    assert [state, "Outcome", "Unfinished?", "All well?", "Alert", "Failed"] == visited[-6:]
    assert type(error).__name__ == message["Message"]["failed"]["load"]["error"]


def test_another_execution_goes_on_before_the_history_is_full(deployed: Deployed) -> None:
    """A task may have one slice here; what is left of it is the next execution's."""
    task = {"source": "recurly", "streams": ["shipping_addresses"]}
    event = {"tasks": [task], "concurrency": 1, "slices": 1, "part": 1, "name": "long"}
    first, visited = deployed.run(event, name="long", seconds=0.9)
    last, name, parts = first, "long", 1
    while deployed.account.visited(deployed.execution(name))[-1] == "Continued":
        parts += 1
        name = f"long-part-{parts}"
        last = deployed.account.ended(deployed.execution(name))
        assert parts < 50

    assert ["Unfinished?", "Go on", "All well?", "Continued"] == visited[-4:]
    assert ("SUCCEEDED", "SUCCEEDED") == (first["status"], last["status"])
    assert deployed.there("shipping_addresses") == deployed.rows("shipping_addresses")


def test_a_time_of_the_schedule_is_run_once(deployed: Deployed) -> None:
    """EventBridge Scheduler tries again when it does not know whether it was heard."""
    ran = deployed.execution("2026-11-20T031500Z")
    done = {"done": True, "source": "recurly", "streams": {}, "retry_after": None}
    plan = {"tasks": [{"streams": ["sites"]}], "concurrency": 1, "slices": 1}
    deployed.account.handlers["ingest"] = lambda event, _: plan if "action" in event else done
    deployed.account.handlers["load"] = lambda event, _: {"done": True}
    first, visited = deployed.run({"scheduled": "2026-11-20T03:15:00Z"}, name="attempt-1")
    ended = deployed.account.ended(ran)
    second, _ = deployed.run({"scheduled": "2026-11-20T03:15:00Z"}, name="attempt-2")
    (order,) = [event["order"] for kind, event in deployed.account.calls if "action" in event]

    assert ["Scheduled?", "Split time", "Start once", "Started"] == visited
    assert ["SUCCEEDED"] * 3 == [one["status"] for one in (first, ended, second)]
    assert {"time": "2026-11-20T03:15:00Z"} == order


def test_files_that_are_never_ready_are_given_up(deployed: Deployed) -> None:
    waiting = {"done": False, "source": "recurly", "streams": {"exports": {}}, "retry_after": 0}
    deployed.account.handlers["ingest"] = lambda event, _: waiting
    event = {"tasks": [{"streams": ["exports"]}], "concurrency": 1, "slices": 1000, "part": 1, "name": "late"}
    ended, visited = deployed.run(event, name="late")

    assert "StillWaiting" == json.loads(ended["cause"])["streams"][0]["error"]
    assert 48 == visited.count("Wait for the API")


def test_windows_of_a_back_fill_land_side_by_side_and_one_that_fails_is_told(deployed: Deployed) -> None:
    """A second start under the same name lands what is missing, and only that."""
    real, failed = deployed.account.handlers["ingest"], list[str]()

    def once(event: Any, context: Any) -> Any:
        if event.get("since", "").startswith("2025-02") and not failed:
            failed.append(event["since"])
            raise Refused("not today")
        return real(event, context)

    deployed.account.handlers["ingest"] = once
    bounds = [f"2025-0{month}-01T00:00:00Z" for month in (1, 2, 3, 4)]
    windows = [{"since": since, "until": until} for since, until in pairwise(bounds)]
    order = {"source": "recurly", "streams": ["credit_payments"], "windows": windows, "concurrency": 2}
    machine = deployed.account.physical("RecurlyBackfill")
    first = deployed.account.run(machine, {**order, "name": "spring"}, name="spring-1")
    (message,) = new_messages(deployed)
    second = deployed.account.run(machine, {**order, "name": "spring"}, name="spring-2")
    asked = [event for kind, event in deployed.account.calls if kind == "ingest"]

    assert ("FAILED", "BackfillFailed") == (first["status"], first["error"])
    assert ("sluice-dev: a back-fill of recurly failed", "spring") == (
        message["Subject"],
        message["Message"]["name"],
    )
    assert "SUCCEEDED" == second["status"], second
    assert {("spring", 2)} == {(event["backfill"], event["share"]) for event in asked}
    assert 1 == len(new_messages(deployed))
