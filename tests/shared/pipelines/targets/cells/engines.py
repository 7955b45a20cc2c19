"""Runs examples: on Step Functions in moto, on Google Cloud Workflows in the emulator, with a world around them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.pipelines.platform import Platform
from shared.pipelines.read import read_definition
from shared.pipelines.targets.catalogue import target
from shared.pipelines.targets.target import Options, TargetName
from tests.shared.pipelines.targets.cells.example import SECRET, TIME, Example, Seen
from tests.shared.pipelines.targets.cells.world import World
from tests.shared.pipelines.targets.emulator import Emulator
from tests.shared.pipelines.targets.machines import Machines

OPTIONS = {
    TargetName.AIRFLOW: Options(),
    TargetName.STEPFUNCTIONS: Options(),
    TargetName.WORKFLOWS: Options(Platform("p", "r", intermediate="between")),
    TargetName.DAGFACTORY: Options(),
    TargetName.MERMAID: Options(),
}
OTHER = read_definition(
    "pipeline:\n  name: other\n  max_runs: null\n  parameters: {day: null, n: null}\n  steps:\n"
    '    - {name: other, type: lambda, function: other, payload: {day: "${params.day}", n: "${params.n}"}}\n',
    file="other.yaml",
)
LATER = "2031-01-01T00:00:00Z"


class Everyone(dict[str, Callable[[Any], Any]]):
    """Functions of any name, which the world answers for."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def __missing__(self, name: str) -> Callable[[Any], Any]:
        return lambda payload: self.world.invoke(name, payload)


def artifacts(example: Example, name: TargetName, **options: Any) -> dict[str, bytes]:
    return dict(target(name).compile(example.plan(name), replace(OPTIONS[name], **options)))


def given(example: Example, soon: str = LATER) -> dict[str, Any]:
    """The parameters of a run."""
    return {name: soon if value == "SOON" else value for name, value in example.given.items()}


def step_functions(example: Example, machines: Machines, world: World) -> Seen:
    world.begin(example)
    machines.functions = Everyone(world)
    machines.services = lambda action, sent: _service(world, action, sent)
    machines.waited.clear()
    machines.real = example.real
    machines.make(OTHER)
    ended = machines.run(example.plan(TargetName.STEPFUNCTIONS), {"params": given(example)})
    state = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "failed"}[ended.status]
    return Seen(
        state, world.asked, [*machines.waited], world.busiest, world.told, f"{ended.error} {ended.cause}"
    )


def _service(world: World, action: str, sent: Mapping[str, Any]) -> Any:
    """What Glue, ECS and SES answer in the words of a state."""
    if action == "sendEmail":
        world.told.append(f"email {sent['Content']['Simple']['Subject']['Data']}")
        return {"MessageId": "m"}
    if action == "startJobRun":
        assert {"JobName", "Arguments"} == {*sent}
        world.ask(sent["JobName"], sent["Arguments"], {})
        return {"Id": "j1", "JobRunState": "SUCCEEDED"}
    world.ask(sent["TaskDefinition"], sent["Overrides"], {})
    return {"TaskArn": "t1", "LastStatus": "SUCCEEDED"}


def workflows(example: Example, emulator: Emulator, world: World) -> Seen:
    world.begin(example)

    def host(path: str, payload: Any, headers: Mapping[str, str]) -> Any:
        match path.partition("?")[0].strip("/").split("/"):
            case ["secret", "TOKEN"]:
                return SECRET
            case ["run", workflow]:
                return {"run_id": "r2", "n": world.ask(workflow, payload["params"], 1)}
            case [*_, "workflows", "w", "executions"]:
                return {}
        return world.http(path, payload, headers)

    emulator.host = host
    (source,) = [
        json.loads(data)
        for name, data in artifacts(example, TargetName.WORKFLOWS).items()
        if name.endswith(".workflows.json")
    ]
    ended = emulator.run(source, {"params": given(example), "time": TIME})
    state = "failed" if "error" in ended else "succeeded"
    # Branches run one behind the other in the emulator, so that how many are at once is read and not seen.
    return Seen(state, world.asked, ended["waited"], 0, world.told, str(ended.get("error", ""))[:600])
