"""What each kind of step does as states: one task, or a loop inside of a `Parallel`, so that a retry begins anew.

Every function leaves the output at `$.r.o` and returns the ends of what failed, with the error at `$.e`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import ceil
from typing import Any, assert_never

from shared.common.errors import Misconfigured
from shared.common.instants import format_instant, parse_instant
from shared.pipelines.step import ForEach, Step, work_references
from shared.pipelines.targets.stepfunctions_flow import End, Flow, State, invoke, limit, retries
from shared.pipelines.targets.stepfunctions_loops import Loops
from shared.pipelines.targets.stepfunctions_values import Payload, Slots
from shared.pipelines.targets.target import Options
from shared.pipelines.values import Literal, MapOf, Reference, Root
from shared.pipelines.work import (
    Branch,
    Call,
    Check,
    Container,
    Ingest,
    Job,
    JobService,
    Lambda,
    Load,
    SubPipeline,
    Transform,
    Wait,
)
from shared.pipelines.write import step_document


@dataclass(slots=True)
class Worker:
    """Makes states of steps. `cluster` is the one that the definition names; `polls` how often a job may be asked."""

    options: Options
    slots: Slots
    pipeline: str
    cluster: str
    polls: int
    parameters: Collection[str] = ()

    def work(self, flow: Flow, step: Step, label: str, payload: Payload) -> list[End]:
        """The states of a step that does something. Raises `Misconfigured` for what Step Functions cannot do."""
        match step.work:
            case Ingest(source, inputs=inputs, outputs=outputs, config=config):
                if source and not inputs and not outputs and config == MapOf():
                    return self._loop(flow, step, label, self._loops(step, label).ingest)
                return self._by_product(flow, step, label, payload)
            case Load(config=config, streams=streams):
                paths = {path for path, _ in self.slots.of(f"s {step.name}")}
                if config == MapOf() and len(streams) < 2 and paths <= {("rows",), ("source",)}:
                    return self._loop(flow, step, label, self._loops(step, label).load)
                return self._by_product(flow, step, label, payload)
            case Transform() | Check() | Call():
                return self._by_product(flow, step, label, payload)
            case Lambda(function, given):
                entry = payload.entry("Payload", given)
                return self._task(flow, step, label, payload, invoke(function, entry))
            case Job() as job:
                return self._job(flow, step, label, payload, job)
            case SubPipeline() as sub:
                return self._pipeline(flow, step, label, payload, sub)
            case Wait() as wait:
                return _wait(flow, label, payload, wait)
            case Container():
                raise Misconfigured(
                    f"{step.at('image')} Step Functions runs task definitions, not images; make one of "
                    f"{step.work.image} and name it: type job, service ecs, job NAME"
                )
            case Branch() | ForEach():
                raise AssertionError("the machine does these itself")
            case never:
                assert_never(never)

    def _loops(self, step: Step, label: str) -> Loops:
        return Loops(step, label, self.options, self.slots.of(f"s {step.name}"), self.parameters)

    def _task(self, flow: Flow, step: Step, label: str, payload: Payload, task: State) -> list[End]:
        """One task is an attempt; what its payload needs is put before it."""
        if payload.constants:
            flow.result(f"{label} (constants)", list(payload.constants), "$.k")
        return _attempts(flow, step, label, task | limit(step.timeout_seconds))

    def _loop(self, flow: Flow, step: Step, label: str, make: Callable[[Flow], dict[str, Any]]) -> list[End]:
        """Several states are an attempt: a `Parallel` of one branch is retried as a whole."""
        inner = Flow()
        given = make(inner)
        task: State = {
            "Type": "Parallel",
            "Parameters": given,
            "Branches": [inner.machine()],
            "ResultSelector": {"o.$": "$[0]"},
            "ResultPath": "$.r",
        }
        return _attempts(flow, step, label, task)

    def _by_product(self, flow: Flow, step: Step, label: str, payload: Payload) -> list[End]:
        """By the function of this product that does any step; it gets the values that the step refers to."""
        document = payload.constant(step_document(step))
        given: dict[str, Any] = {"step.$": document, "pipeline": self.pipeline, "run.$": "$.run"}
        params: dict[str, Any] = {}
        outputs: dict[str, Any] = {}
        for reference in work_references(step.work):
            whole = Reference(reference.root, reference.name)
            match reference.root:
                case Root.PARAMETER:
                    params |= payload.entry(reference.name, whole)
                case Root.STEP:
                    outputs |= payload.entry(reference.name, whole)
                case Root.ITEM:
                    given |= payload.entry("item", whole)
                case Root.RUN | Root.SECRET:
                    pass
        given |= {"params": params, "outputs": outputs}
        task = invoke(f"{self.options.app}-step", {"Payload": given})
        return self._task(flow, step, label, payload, task)

    def _job(self, flow: Flow, step: Step, label: str, payload: Payload, job: Job) -> list[End]:
        match job.service:
            case JobService.FUNCTION:
                loops = self._loops(step, label)
                loops.protocol(flow, payload, job, self.pipeline)
                return self._loop(flow, step, label, lambda inner: loops.job(inner, job, polls=self.polls))
            case JobService.GLUE | JobService.ECS if job.input is not None:
                raise Misconfigured(
                    f"{step.at('input')} a job of {job.service} takes no input; put it into its config"
                )
            case JobService.GLUE:
                arguments = payload.entry("Arguments", job.properties) if job.properties.items else {}
                task = _sync("glue:startJobRun", {"JobName": job.start, **arguments}, "$.Id", "$.JobRunState")
            case JobService.ECS:
                given = {"Cluster": self.cluster or "default", "TaskDefinition": job.start}
                more = payload.object(dict(job.properties.items))
                task = _sync("ecs:runTask", {**given, **more}, "$.TaskArn", "$.LastStatus")
            case service:
                raise Misconfigured(
                    f"{step.at('service')} Step Functions cannot run a job of {service}; compile for workflows or "
                    "airflow, or write a function that starts it: service function"
                )
        seconds = [s for s in (step.timeout_seconds, job.poll_timeout_seconds) if s is not None]
        return self._task(flow, step, label, payload, task | limit(min(seconds) if seconds else None))

    def _pipeline(self, flow: Flow, step: Step, label: str, payload: Payload, sub: SubPipeline) -> list[End]:
        wait = ".sync:2" if sub.wait else ""
        machine = payload.constant(machine_name(sub.pipeline))
        task: State = {
            "Type": "Task",
            "Resource": f"arn:aws:states:::states:startExecution{wait}",
            "Parameters": {
                "StateMachineArn.$": f"States.Format('{{}}:{{}}', $.run.machines, {machine})",
                "Input": {
                    **payload.entry("params", sub.parameters),
                    "time.$": "$.run.time",
                    "date.$": "$.run.date",
                    "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                },
            },
            "ResultSelector": {
                "o": {"run_id.$": "States.ArrayGetItem(States.StringSplit($.ExecutionArn, ':'), 7)"},
            },
            "ResultPath": "$.r",
        }
        return self._task(flow, step, label, payload, task)


def machine_name(pipeline: str) -> str:
    """The name of the state machine of a pipeline.

    >>> machine_name("orders.daily")
    'orders_daily_b5d473'
    """
    from shared.pipelines.names import identifiers

    (name,) = identifiers([pipeline], allowed="A-Za-z0-9_-", longest=80, first="A-Za-z0-9_").values()
    return name if name == pipeline else f"{name[:73]}_{_digest(pipeline)}"


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _sync(action: str, parameters: dict[str, Any], id_path: str, state_path: str) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{action}.sync",
        "Parameters": parameters,
        "ResultSelector": {"o": {"id.$": id_path, "state.$": state_path}},
        "ResultPath": "$.r",
    }


def _attempts(flow: Flow, step: Step, label: str, task: State) -> list[End]:
    catcher = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e"}
    flow.add(label, task | retries(step.retry) | {"Catch": [catcher]})
    return [(catcher, "Next")]


def _wait(flow: Flow, label: str, payload: Payload, wait: Wait) -> list[End]:
    if wait.until is None:
        flow.add(label, {"Type": "Wait", "Seconds": min(ceil(wait.seconds or 0), 99_999_999)})
        flow.copy(f"{label} (over)", "$.nothing", "$.r.o")
        return []
    if isinstance(wait.until, Literal):
        flow.add(label, {"Type": "Wait", "Timestamp": format_instant(parse_instant(str(wait.until.value)))})
        flow.copy(f"{label} (over)", "$.nothing", "$.r.o")
        return []
    entry = payload.entry("until", wait.until)
    if payload.constants:
        flow.result(f"{label} (constants)", list(payload.constants), "$.k")
    flow.put(f"{label} (until)", entry, "$.w")
    time = [{"Variable": "$.w.until", "IsString": True}, {"Variable": "$.w.until", "IsTimestamp": True}]
    (well,) = flow.choose(f"{label} (an instant?)", [{"And": time}])
    flow.result(
        f"{label} (no instant)", {"Error": "NoInstant", "Cause": "what it waits for is no instant"}, "$.e"
    )
    failed = flow.aside(well)
    flow.add(label, {"Type": "Wait", "TimestampPath": "$.w.until"})
    flow.copy(f"{label} (over)", "$.nothing", "$.r.o")
    return failed
