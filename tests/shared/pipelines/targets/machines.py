"""Executes state machines in moto, with Python functions behind Lambda; waits and retries take no time."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws

from shared.pipelines.plan import Plan
from shared.pipelines.targets.stepfunctions import STEPFUNCTIONS
from shared.pipelines.targets.target import Options
from tests.shared.aws.servers import CREDENTIALS

Function = Callable[[Any], Any]
TIME = "2026-11-20T10:15:00Z"  # moto has an object for the time of the start, where AWS has text
ROLE = "arn:aws:iam::123456789012:role/machine"
_CONFIG: Any = {"stepfunctions": {"execute_state_machine": True}}


@dataclass
class Machines:
    """State machines of plans. `calls` are the invocations in order, as (function, payload).

    `services` answers what moto has no service for, by the action: startJobRun, runTask, sendEmail. `on_wait` is
    called at each wait, which takes its time only if `real`.
    """

    functions: dict[str, Function] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    spans: list[tuple[str, float, float]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    number: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    services: Callable[[str, Any], Any] | None = None
    on_wait: Callable[[], None] | None = None
    real: bool = False

    def invoke(self, name: str, payload: Any) -> Any:
        with self.lock:
            self.calls.append((name, payload))
        began = time.monotonic()
        try:
            return self.functions[name](payload)
        finally:
            with self.lock:
                self.spans.append((name, began, time.monotonic()))

    def make(self, plan: Plan, options: Options | None = None) -> str:
        found = STEPFUNCTIONS.compile(plan, options or Options())
        (path,) = [path for path in found if path.endswith(".asl.json")]
        return self.create(path.removesuffix(".asl.json"), found[path].decode())

    def create(self, name: str, definition: str) -> str:
        self.number += 1
        for function in _functions(json.loads(definition)):
            self._function(function)
        client = boto3.client("stepfunctions")
        if name in self.made:
            client.delete_state_machine(stateMachineArn=self.made[name])
        made = client.create_state_machine(name=name, definition=definition, roleArn=ROLE)
        self.made[name] = made["stateMachineArn"]
        return self.made[name]

    def run(
        self, plan: Plan, given: Mapping[str, Any] | None = None, *, options: Options | None = None
    ) -> Ended:
        """Compile a plan, execute it to its end."""
        self.calls.clear()
        self.spans.clear()
        return self.execute(self.make(plan, options), given or {})

    def execute(self, machine: str, given: Mapping[str, Any], *, name: str = "") -> Ended:
        client = boto3.client("stepfunctions")
        self.number += 1
        started = client.start_execution(
            stateMachineArn=machine, name=name or f"r{self.number}", input=json.dumps({"time": TIME, **given})
        )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            found = client.describe_execution(executionArn=started["executionArn"])
            if found["status"] != "RUNNING":
                pages = client.get_execution_history(executionArn=started["executionArn"], maxResults=1000)
                entered = [event.get("stateEnteredEventDetails") for event in pages["events"]]
                states = [one["name"] for one in entered if one]
                return Ended(found["status"], found.get("error", ""), found.get("cause", ""), states)
            time.sleep(0.01)
        raise AssertionError("the execution did not end")

    def called(self) -> list[str]:
        return [name for name, _ in self.calls]

    def _function(self, name: str) -> None:
        client = boto3.client("lambda")
        known = [one["FunctionName"] for one in client.list_functions()["Functions"]]
        if name not in known:
            code = {"ZipFile": b"PK\x05\x06" + b"\0" * 18}
            client.create_function(FunctionName=name, Role=ROLE, Runtime="python3.13", Handler="x", Code=code)


@dataclass(frozen=True)
class Ended:
    status: str
    error: str
    cause: str
    states: list[str]

    @property
    def failed(self) -> list[str]:
        """The steps by which the run failed."""
        found: list[str] = json.loads(self.cause) if self.error == "RunFailed" else []
        return found


def _functions(definition: Any) -> set[str]:
    found: set[str] = set()
    for state in definition["States"].values():
        if "lambda:invoke" in state.get("Resource", ""):
            found.add(state["Parameters"]["FunctionName"])
        for inner in [
            *state.get("Branches", []),
            *([state["ItemProcessor"]] if "ItemProcessor" in state else []),
        ]:
            found |= _functions(inner)
    return found


@contextmanager
def _services(made: Machines) -> Iterator[None]:
    """Services of AWS that moto does not have for machines."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
        StateTaskServiceAwsSdk,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
        StateTaskServiceEcs,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_glue import (
        StateTaskServiceGlue,
    )

    def sdk(self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **more: Any) -> None:
        """Calls of Step Functions itself with the names that a state uses; all others are answered by `services`."""
        if self.resource.api_action != "listExecutions":
            serve(self, env, resource_runtime_part, normalised_parameters, **more)
            return
        found = boto3.client("stepfunctions").list_executions(
            stateMachineArn=normalised_parameters["StateMachineArn"],
            statusFilter=normalised_parameters["StatusFilter"],
        )
        newest = sorted(found["executions"], key=lambda one: one["startDate"], reverse=True)
        env.stack.append({"Executions": [{"ExecutionArn": one["executionArn"]} for one in newest]})

    def serve(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **more: Any
    ) -> None:
        assert made.services
        env.stack.append(made.services(self.resource.api_action, normalised_parameters))

    def over(self: Any, *given: Any, **named: Any) -> None:
        """What was started has ended by then, and its answer is there."""

    with (
        mock.patch.object(StateTaskServiceAwsSdk, "_eval_service_task", sdk),
        mock.patch.object(StateTaskServiceGlue, "_eval_service_task", serve),
        mock.patch.object(StateTaskServiceGlue, "_eval_integration_pattern", over),
        mock.patch.object(StateTaskServiceEcs, "_eval_service_task", serve),
        mock.patch.object(StateTaskServiceEcs, "_eval_integration_pattern", over),
    ):
        yield


@contextmanager
def machines() -> Iterator[Machines]:
    """Moto with what it lacks, until the end of the block."""
    import moto.awslambda.models as functions
    from moto.core.exceptions import JsonRESTError
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
        StateTaskServiceSfn,
    )
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function

    made = Machines()

    def run_function(self: Any, event: Any = None) -> tuple[str, bool, str]:
        try:
            payload = json.loads(event) if isinstance(event, str | bytes) else event
        except ValueError:  # moto hands on text as it is, and AWS as JSON
            payload = event.decode() if isinstance(event, bytes) else event
        try:
            return json.dumps(made.invoke(self.function_name, payload)), False, ""
        except JsonRESTError:  # Lambda itself, which does not take the call
            raise
        except Exception as error:  # noqa: BLE001 - as Lambda answers
            return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)}), True, ""

    start = StateTaskServiceSfn._eval_service_task

    def start_execution(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, **more: Any
    ) -> None:
        """The API's names begin with a small letter, those of a definition do not; times are text in a state."""
        named = {name[0].lower() + name[1:]: value for name, value in normalised_parameters.items()}
        start(self, env, resource_runtime_part, named, **more)
        answer = env.stack.pop()
        env.stack.append(
            {"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"].isoformat()}
        )

    resolver = StateTaskServiceSfn._build_sync2_resolver

    def child(self: Any, *given: Any, **named: Any) -> Any:
        """What a child answers has the names of a state, too."""
        resolve = resolver(self, *given, **named)

        def resolved() -> Any:
            answer = resolve() if resolve else None
            return (
                {k[0].upper() + k[1:]: v for k, v in answer.items()} if isinstance(answer, dict) else answer
            )

        return resolved

    def wait(self: Any, env: Any, wait_seconds: float) -> None:
        made.waited.append(wait_seconds)
        if made.real:
            time.sleep(wait_seconds)
        if made.on_wait:
            made.on_wait()

    environment = {**CREDENTIALS}
    with (
        mock.patch.dict(os.environ, environment),
        mock_aws(config=_CONFIG),
        mock.patch.object(functions.LambdaFunction, "_invoke_lambda", run_function),
        mock.patch.object(StateTaskServiceSfn, "_eval_service_task", start_execution),
        mock.patch.object(StateTaskServiceSfn, "_build_sync2_resolver", child),
        _services(made),
        mock.patch.object(retrier_decl, "time", mock.Mock(sleep=made.waited.append)),
        mock.patch.object(wait_function.WaitFunction, "_wait_interval", wait),
    ):
        chatter = logging.getLogger("moto")
        level = chatter.level
        chatter.setLevel(logging.CRITICAL)  # it logs every state
        boto3.client("iam").create_role(RoleName="machine", AssumeRolePolicyDocument="{}")
        yield made
        chatter.setLevel(level)
