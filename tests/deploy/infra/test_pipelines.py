"""A compiled pipeline in the account: its template makes a stack of its own, and our real functions are behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

import src.ingest.app
import src.load.app
import src.step.app
from shared.recurly.simulator.api import Options
from shared.recurly.simulator.server import Simulator
from shared.recurly.simulator.world import World
from src.cli.app import sluice
from tests.deploy.infra.account import Account, account, boundary
from tests.deploy.infra.policy import Call, allowed
from tests.deploy.infra.test_stack import linted

KEY = "pipeline-key-3d8"
PIPELINE = """
pipeline:
  name: plans.daily
  parameters: {least: 1}
  schedule: {type: cron, expression: "0 3 * * *", timezone: Europe/Vienna}
  notifications: {on_failure: [{method: webhook, recipients: ["http://127.0.0.1:9/told"]}]}
  steps:
    - {name: land, type: ingestion, source: recurly, streams: [plans, add_ons]}
    - {name: few, type: ingestion, source: recurly, streams: [items], config: {defaults.params.limit: 50}}
    - name: counts
      type: transformation
      depends_on: [land, few]
      transformation_query:
        SELECT count(*) AS n, ${steps.land.output.rows} AS landed, ${run.date} AS day FROM recurly.plans
      outputs: [{name: counts, type: duckdb, table: marts.plan_counts}]
    - name: enough
      type: check
      depends_on: [counts]
      query: "SELECT n FROM marts.plan_counts WHERE n < ${params.least}"
"""
STACK = "sluice-dev-plans"
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function"


@dataclass
class Deployed:
    account: Account
    site: Simulator
    tables: Path
    template: Path

    @property
    def machine(self) -> str:
        return self.account.physical("Machine", STACK)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.tables), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("pipelines")
    (folder / "plans.yaml").write_text(PIPELINE)
    words = [
        "generate",
        "stepfunctions",
        f"{folder}/plans.yaml",
        "--app",
        "sluice-dev",
        "-o",
        f"{folder}/made",
    ]
    done = CliRunner().invoke(sluice, words)
    assert 0 == done.exit_code, done.output
    (template,) = (folder / "made").glob("*.template.json")
    world = World(seed=5, scale=0.05, today=date(2025, 6, 30))
    with Simulator(world, Options(api_key=KEY)) as site, account(folder) as here:
        tables = folder / "warehouse.duckdb"
        url = f"duckdb:///{tables}"
        here.create(Environment="dev", SettingApiEndpoint=site.url, WarehouseUrl=url, LogLevel="CRITICAL")
        for name in ("recurly", "step"):
            here.client("secretsmanager").put_secret_value(
                SecretId=f"sluice/dev/{name}", SecretString=json.dumps({"API_KEY": KEY})
            )
        here.open("ingest", "sluice-dev-recurly-ingest", src.ingest.app.handler_of)
        here.open("load", "sluice-dev-load", src.load.app.handler_of)
        here.open("step", "sluice-dev-step", lambda place, environ: src.step.app.handler_of(place))
        here.deploy(STACK, template)
        yield Deployed(here, site, tables, template)


def test_a_compiled_pipeline_runs_on_the_functions_of_the_stack(deployed: Deployed) -> None:
    """Their names stand in the artifact, and the stack has functions of these names, else nothing is invoked."""
    deployed.account.calls.clear()
    ended = deployed.account.run(deployed.machine, {"time": "2026-11-19T23:30:00Z"}, name="first")
    asked = [
        next((what for what in ("day", "tell") if what in event), event.get("step", {}).get("name"))
        for kind, event in deployed.account.calls
        if kind == "step"
    ]
    plans, add_ons = (len(deployed.site.world.tables[name]) for name in ("plans", "add_ons"))

    assert "SUCCEEDED" == ended["status"], ended
    assert {"ingest", "load", "step"} == {kind for kind, _ in deployed.account.calls}
    assert ["counts", "day", "enough", "few"] == sorted(asked)
    assert [(plans, plans + add_ons, "2026-11-20")] == deployed.query("SELECT * FROM marts.plan_counts")


def test_a_step_that_fails_fails_the_run_and_people_are_told(deployed: Deployed) -> None:
    deployed.account.calls.clear()
    ended = deployed.account.run(
        deployed.machine, {"params": {"least": 10_000}, "time": "2026-11-20T03:00:00Z"}, name="second"
    )
    told = [event["tell"]["recipients"] for kind, event in deployed.account.calls if "tell" in event]

    assert ("FAILED", ["enough"]) == (ended["status"], json.loads(ended["cause"]))
    assert [["http://127.0.0.1:9/told"]] == told


def test_the_machine_has_a_role_for_what_it_does_and_nothing_else(deployed: Deployed) -> None:
    policies = deployed.account.policies(deployed.account.physical("MachineRole", STACK))
    names = ("recurly-ingest", "load", "step", "drop")
    may = [allowed(Call("lambda:InvokeFunction", f"{LAMBDA}:sluice-dev-{name}"), *policies) for name in names]

    bounded = [allowed(Call("lambda:InvokeFunction", f"{LAMBDA}:sluice-dev-step"), boundary())]
    bounded.append(allowed(Call("states:ListExecutions", deployed.machine), boundary()))

    assert [True, True, True, False] == may
    assert [True, True] == bounded
    assert allowed(Call("states:ListExecutions", deployed.machine), *policies)
    assert ["lambda:InvokeFunction", "states:ListExecutions"] == sorted(
        one["Action"] for policy in policies for one in policy["Statement"]
    )


def test_a_file_for_airflow_calls_functions_that_the_stack_has(deployed: Deployed) -> None:
    """It puts their names together when it runs."""
    folder = deployed.template.parents[1]
    words = ["generate", "airflow", f"{folder}/plans.yaml", "--app", "sluice-dev", "-o", f"{folder}/airflow"]
    assert 0 == CliRunner().invoke(sluice, words).exit_code
    (file,) = (folder / "airflow").rglob("*.py")
    text = file.read_text("utf-8")
    names = {
        name.replace("{order['source']}", "recurly")
        for name in re.findall(r'invoke\(f"\{app\}-([^"]+)"', text)
    }
    there = deployed.account.client("lambda").list_functions()["Functions"]

    assert '"sluice-dev"' in text
    assert {"load", "recurly-ingest", "step"} == names
    assert {f"sluice-dev-{name}" for name in names} <= {one["FunctionName"] for one in there}


def test_its_schedule_may_start_it_and_no_other_machine(deployed: Deployed) -> None:
    policies = deployed.account.policies(deployed.account.physical("OwnStartRole", STACK))

    assert allowed(Call("states:StartExecution", deployed.machine), *policies)
    assert not allowed(Call("states:StartExecution", deployed.account.physical("RecurlyMachine")), *policies)


def test_roles_that_are_given_are_taken(deployed: Deployed) -> None:
    ours = {name: f"arn:aws:iam::123456789012:role/{name}" for name in ("machine", "start")}
    deployed.account.client("cloudformation").delete_stack(StackName=STACK)
    deployed.account.deploy("other", deployed.template, Role=ours["machine"], StartRole=ours["start"])
    machine = deployed.account.physical("Machine", "other")
    found = deployed.account.client("stepfunctions").describe_state_machine(stateMachineArn=machine)

    assert {"Machine", "Schedule"} == set(deployed.account.resources("other"))
    assert ours["machine"] == found["roleArn"]


def test_the_linter_of_cloudformation_has_nothing_to_say_about_a_generated_template(
    deployed: Deployed,
) -> None:
    assert "" == linted(deployed.template)
