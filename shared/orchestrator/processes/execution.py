"""Process `stepfunctions`: an execution of a state machine, with the event as its input.

The execution's name comes from the key of the pair, so an attempt that is made again finds the execution that it began
and starts no second one. An execution that failed keeps its name for 90 days; what is tried after that has the first
number behind that is free.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.common.ports import Clock
from shared.orchestrator.cloud import Clients, in_our_words, token
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Failed, TimedOut
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status


class ExecutionContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str = Field(pattern=r"^(arn:|\$\{).+")
    """The ARN of the state machine."""
    poll: float = Field(2.0, gt=0, le=3600)
    """Seconds between looks at it."""


class ExecutionProcess(ProcessSettings):
    type: Literal["stepfunctions"]
    execution_context: ExecutionContext

    def open(self, around: Surroundings) -> Process:
        clients: Clients = around.door("aws")
        machine = around.filled(self.execution_context.machine, process=self.name)
        return Execution(self.name, machine, self.execution_context.poll, clients, around.clock)


@dataclass(frozen=True, slots=True)
class Execution:
    name: str
    machine: str
    poll: float
    clients: Clients
    clock: Clock

    def execute(self, event: Event, run: Run) -> Status:
        api = self.clients("stepfunctions")
        try:
            arn = self._started(api, event, run)
            found = self._ended(api, arn, run)
        except (Failed, TimedOut):
            raise
        except Exception as error:
            raise in_our_words(error, "the execution cannot be had", process=self.name) from error
        if found["status"] != "SUCCEEDED":
            told = f"{found.get('error', '')} {found.get('cause', '')}".strip()
            raise Failed(f"the execution ended as {found['status']}: {told}"[:1000], logs=arn)
        return Status(self.name, f"{arn}\n{found.get('output', '')}"[:4000])

    def _started(self, api: Any, event: Event, run: Run) -> str:
        """The ARN of the execution of this pair: the one that is there unless it has failed.

        Attempts do not count here: those of an event that came back from the dead letters begin at 1 again.
        """
        first = token(run.key, 40)
        for number in itertools.count(1):
            name = first if number == 1 else f"{first}-{number}"
            arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"
            found = self._described(api, arn)
            if found is None:
                text = json.dumps({**event.to_plain(), "key": run.key})
                return str(
                    api.start_execution(stateMachineArn=self.machine, name=name, input=text)["executionArn"]
                )
            if found["status"] in ("RUNNING", "SUCCEEDED", "PENDING_REDRIVE"):
                return arn
        raise AssertionError("there is always a free number")

    def _described(self, api: Any, arn: str) -> dict[str, Any] | None:
        try:
            return dict(api.describe_execution(executionArn=arn))
        except Exception as error:
            if "DoesNotExist" in str(getattr(error, "response", {}).get("Error", {}).get("Code", "")):
                return None
            raise

    def _ended(self, api: Any, arn: str, run: Run) -> dict[str, Any]:
        """What became of it. One that is over time goes on: the next attempt finds it."""
        until = None if run.timeout is None else self.clock.monotonic() + run.timeout
        while True:
            found = dict(api.describe_execution(executionArn=arn))
            if found["status"] not in ("RUNNING", "PENDING_REDRIVE"):
                return found
            if run.cancelled.is_set() or (until is not None and self.clock.monotonic() >= until):
                raise TimedOut(run.timeout or 0.0, logs=arn)
            self.clock.sleep(self.poll)
