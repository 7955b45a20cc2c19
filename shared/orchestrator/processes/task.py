"""Process `ecs`: a task of ECS, with the event in the environment of its container.

`PIPELINE_EVENT` is the event as base64 of its JSON, `PIPELINE_KEY` the key of the pair. The key of the attempt is ECS's
client token too, so a call whose answer was lost starts no second task.
"""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.common.ports import Clock
from shared.orchestrator.cloud import Clients, in_our_words, token
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.environment import Environment
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Failed, NonZeroExit, TimedOut
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

_JUST_NOW = timedelta(minutes=1)
"""A task that stopped within this time may be the one of this very attempt, whose dispatcher was killed meanwhile."""


class TaskContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str = Field(min_length=1)
    task_definition: str = Field(min_length=1)
    container: str = Field(min_length=1)
    """The container of the definition that gets the event, and whose exit code counts."""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_ip: bool = False
    launch_type: Literal["FARGATE", "EC2", "EXTERNAL"] = "FARGATE"
    env: Environment = Field(default_factory=dict)
    poll: float = Field(5.0, gt=0, le=3600)
    """Seconds between looks at it."""


class TaskProcess(ProcessSettings):
    type: Literal["ecs"]
    execution_context: TaskContext

    def open(self, around: Surroundings) -> Process:
        clients: Clients = around.door("aws")
        env = {n: around.filled(v, process=self.name) for n, v in self.execution_context.env.items()}
        return Task(self.name, self.execution_context, env, clients, around.clock)


@dataclass(frozen=True, slots=True)
class Task:
    name: str
    context: TaskContext
    env: dict[str, str]
    clients: Clients
    clock: Clock

    def execute(self, event: Event, run: Run) -> Status:
        api = self.clients("ecs")
        try:
            arn = self._started(api, event, run)
            task = self._ended(api, arn, run)
        except (Failed, TimedOut):
            raise
        except Exception as error:
            raise in_our_words(error, "the task cannot be had", process=self.name) from error
        return self._status(arn, task)

    def _started(self, api: Any, event: Event, run: Run) -> str:
        own = {
            "PIPELINE_EVENT": base64.b64encode(event.to_json().encode()).decode(),
            "PIPELINE_KEY": run.key,
        }
        context, more = self.context, dict[str, Any]()
        if context.subnets:
            more["networkConfiguration"] = {
                "awsvpcConfiguration": {
                    "subnets": list(context.subnets),
                    "securityGroups": list(context.security_groups),
                    "assignPublicIp": "ENABLED" if context.public_ip else "DISABLED",
                }
            }
        began = self.clock.now()
        for number in itertools.count():
            arn = self._asked(api, run, own, more, number)
            if not self._is_old(api, arn, began):
                return arn
        raise AssertionError("there is always another token")

    def _is_old(self, api: Any, arn: str, now: datetime) -> bool:
        """Whether the token was that of a task which stopped some time ago, before the event came back from the dead
        letters: ECS answers with it for a day.
        """
        found = api.describe_tasks(cluster=self.context.cluster, tasks=[arn])["tasks"]
        stopped = found[0].get("stoppedAt") if found else None
        return stopped is not None and now - stopped > _JUST_NOW

    def _asked(self, api: Any, run: Run, own: dict[str, str], more: dict[str, Any], number: int) -> str:
        context, again = self.context, f":{number}" if number else ""
        answer = api.run_task(
            cluster=context.cluster,
            taskDefinition=context.task_definition,
            launchType=context.launch_type,
            clientToken=token(f"{run.key}:{run.attempt}{again}"),
            startedBy=token(run.key, 36),
            overrides={
                "containerOverrides": [
                    {
                        "name": context.container,
                        "environment": [{"name": n, "value": v} for n, v in {**self.env, **own}.items()],
                    }
                ]
            },
            **more,
        )
        if not answer.get("tasks"):
            failures = "; ".join(str(one.get("reason", "")) for one in answer.get("failures", ()))
            raise Failed(f"ECS started no task: {failures or 'it says no reason'}")
        return str(answer["tasks"][0]["taskArn"])

    def _ended(self, api: Any, arn: str, run: Run) -> dict[str, Any]:
        """The task when it has stopped; one that is over time is stopped.

        When the dispatcher ends the task goes on: the same attempt finds it again at the next start.
        """
        until = None if run.timeout is None else self.clock.monotonic() + run.timeout
        while True:
            found = api.describe_tasks(cluster=self.context.cluster, tasks=[arn])["tasks"]
            if found and found[0]["lastStatus"] == "STOPPED":
                return dict(found[0])
            if until is not None and self.clock.monotonic() >= until:
                api.stop_task(cluster=self.context.cluster, task=arn, reason="it took longer than it may")
                raise TimedOut(run.timeout or 0.0, logs=arn)
            if run.cancelled.is_set():
                raise TimedOut(run.timeout or 0.0, logs=arn)
            self.clock.sleep(self.context.poll)

    def _status(self, arn: str, task: dict[str, Any]) -> Status:
        reason = str(task.get("stoppedReason", ""))
        ours = [one for one in task.get("containers", ()) if one.get("name") == self.context.container]
        code = ours[0].get("exitCode") if ours else None
        if code is None:
            raise Failed(f"the container did not run: {reason or 'ECS says no reason'}", logs=arn)
        if code:
            raise NonZeroExit(int(code), logs=f"{arn}\n{reason}")
        return Status(self.name, f"{arn}\n{reason}".strip())
