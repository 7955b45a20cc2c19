"""One definition means one thing: random ones run here, in Step Functions (moto) and in Workflows (an emulator).

`SAME_EXAMPLES=500 pytest …` tries so many of each kind, with another seed every time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.target import Options
from shared.pipelines.targets.workflows import WORKFLOWS
from tests.shared.pipelines.simulation import Act, Simulation
from tests.shared.pipelines.targets.emulator import Emulator
from tests.shared.pipelines.targets.flows import Flow, Seen, World, level_flows, yaml_flows
from tests.shared.pipelines.targets.machines import TIME, Machines

MANY = int(os.environ.get("SAME_EXAMPLES", "0"))
GOOGLE = Options(Platform(project="p", region="r", intermediate="intermediate"))


def here(plan: Plan, flow: Flow) -> Seen:
    """By the local runner."""
    world = World(flow.scripts)
    run: Simulation

    def act(key: str, attempt: int) -> Act:
        given = run.payloads[key]
        try:
            return Act(output=_through_json(world(key.rpartition("/")[2], given)))
        except ValueError as error:
            return Act(error=str(error))

    run = Simulation(plan, act, parameters=flow.given)
    course = run.run()
    return Seen(world.calls, frozenset(course.failed))


def in_aws(plan: Plan, flow: Flow, aws: Machines) -> Seen:
    world = World(flow.scripts)
    aws.functions["f"] = lambda event: world(event["job_name"], event.get("input"))
    ended = aws.run(plan, {"params": dict(flow.given)})
    assert ("FAILED" if ended.failed else "SUCCEEDED") == ended.status, (ended.error, ended.cause)
    return Seen(world.calls, frozenset(ended.failed))


def in_google(plan: Plan, flow: Flow, google: Emulator) -> Seen:
    world = World(flow.scripts)
    google.functions["intermediate"] = lambda event: world(event["job_name"], event.get("input"))
    found = WORKFLOWS.compile(plan, GOOGLE)
    (text,) = [content for path, content in found.items() if path.endswith(".workflows.json")]
    ended = google.run(json.loads(text), {"time": TIME, "params": dict(flow.given)})
    error = ended.get("error") or {"failed": []}
    assert isinstance(error, dict), error
    return Seen(world.calls, frozenset(error["failed"]))


RUNS: dict[str, Callable[[Plan, Flow, Any], Seen]] = {"stepfunctions": in_aws, "workflows": in_google}
FEW = {"stepfunctions": 4, "workflows": 10}
"""So many examples in the suite: moto takes its time to parse a machine."""


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Callable[[Plan, Flow], Seen]:
    """Runs a plan on the engine of this name."""
    door = request.getfixturevalue({"stepfunctions": "aws", "workflows": "google"}[request.param])
    return lambda plan, flow: RUNS[request.param](plan, flow, door)


@pytest.mark.parametrize("flows", [yaml_flows(), level_flows()], ids=["yaml", "levels"])
@pytest.mark.parametrize(("engine", "few"), FEW.items(), indirect=["engine"], ids=FEW)
def test_a_definition_means_the_same_here_and_on_the_engine(
    flows: st.SearchStrategy[Flow], engine: Callable[[Plan, Flow], Seen], few: int
) -> None:
    @settings(
        max_examples=MANY or few,
        derandomize=not MANY,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if MANY else [Phase.generate],
    )
    @given(flows)
    def compare(flow: Flow) -> None:
        plan = read_definition(flow.text, file=flow.file)
        expected, found = here(plan, flow), engine(plan, flow)
        event("fails" if expected.failed else "succeeds")

        assert (sorted(expected.failed), dict(expected.calls)) == (sorted(found.failed), dict(found.calls)), (
            flow
        )

    compare()


def _through_json(data: Any) -> Any:
    """As an engine hands it on."""
    return json.loads(json.dumps(data))
