"""Compiles a plan for AWS Step Functions: Amazon's States Language with JSONPath, and what starts it.

Two artifacts: `NAME.asl.json`, the machine, and `NAME.template.json`, a CloudFormation template with the machine and
what starts it. The input of an execution is `{"params": {…}, "time": "…", "date": "…"}`, all of it optional.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.names import identifiers
from shared.pipelines.plan import Plan
from shared.pipelines.targets.json_lines import json_lines
from shared.pipelines.targets.lanes import budget_of
from shared.pipelines.targets.stepfunctions_bounds import (
    MOST_BYTES,
    MOST_EVENTS,
    MOST_STATE,
    check_defaults,
    check_plan,
    check_states,
)
from shared.pipelines.targets.stepfunctions_features import FEATURES
from shared.pipelines.targets.stepfunctions_flow import End, Flow, State, gathered, limit
from shared.pipelines.targets.stepfunctions_loops import PER_POLL
from shared.pipelines.targets.stepfunctions_machine import Machine, any_of
from shared.pipelines.targets.stepfunctions_tell import Teller
from shared.pipelines.targets.stepfunctions_triggers import template
from shared.pipelines.targets.stepfunctions_values import Slots
from shared.pipelines.targets.stepfunctions_work import Worker, machine_name
from shared.pipelines.targets.target import Options, Target, TargetName
from shared.pipelines.work import Job, JobService


def compile_plan(plan: Plan, options: Options) -> Mapping[str, bytes]:
    """The artifacts. Raises `Misconfigured` with the place of everything that Step Functions cannot do."""
    check_plan(plan)
    slots = Slots(_keys(plan))
    known, made = 0, _machine(plan, options, slots)
    while known < (known := sum(map(len, slots.wanted.values()))):  # each round finds values that are read
        made = _machine(plan, options, slots)
    name = machine_name(plan.name)
    text = json_lines(made) + "\n"
    if len(text) > MOST_BYTES:
        text = json.dumps(made, ensure_ascii=True, separators=(",", ":")) + "\n"
    if len(text) > MOST_BYTES:
        raise Misconfigured(
            f"{plan.place} the machine would have {len(text):,} bytes, and Step Functions takes {MOST_BYTES:,}; "
            "move steps to another pipeline and run it by a step of type pipeline"
        )
    check_defaults(plan, [path for path, _ in slots.of("p")])
    if len(text) > MOST_STATE:  # else nothing in it can be
        check_states(plan, made, machine_labels(plan))
    starts = json_lines(template(plan, name, made)) + "\n"
    return {f"{name}.asl.json": text.encode(), f"{name}.template.json": starts.encode()}


def _keys(plan: Plan) -> dict[str, str]:
    return {step.name: f"s{number}" for number, step in enumerate(plan.all_steps(), start=1)}


def machine_labels(plan: Plan) -> dict[str, str]:
    """The beginnings of the names of each step's states; none has a bracket."""
    names = [step.name for step in plan.all_steps()]
    return identifiers(names, allowed="A-Za-z0-9_ .-", longest=54, first="A-Za-z0-9_")


def _machine(plan: Plan, options: Options, slots: Slots) -> State:
    labels = machine_labels(plan)
    sender = next((owner.email for owner in plan.owners if owner.email), "")
    teller = Teller(options, plan.name, sender, plan.at("notifications"), labels)
    names = [parameter.name for parameter in plan.parameters]
    worker = Worker(options, slots, plan.name, plan.resources.compute_cluster, _polls(plan), names)
    machine = Machine(worker, slots, teller, labels, slots.names)
    flow = Flow()
    never_began = _begin(flow, plan, options, slots)
    machine.steps(flow, plan.steps, budget_of(plan))
    if machine.faults:
        raise Misconfigured("\n".join(machine.faults))
    machine.failures(flow, plan.steps, "(outcome)")
    (failed,) = flow.choose("(all well?)", [any_of(machine.any_failed(plan.steps, "$.failed"))])
    machine.told(flow, plan.notifications, well=True)
    flow.add("(succeeded)", {"Type": "Succeed"}, leads="")
    flow.ends = failed + never_began
    machine.told(flow, plan.notifications, well=False)
    failures = "$.failed.f0" if len(plan.steps) <= 500 else "$.failed"
    failure = {"Type": "Fail", "Error": "RunFailed", "CausePath": f"States.JsonToString({failures})"}
    flow.add("(failed)", failure, leads="")
    version = f" {plan.version}" if plan.version else ""
    comment = f"{plan.name}{version}, made by sluice generate stepfunctions, layout {options.layout}, {plan.digest()}"
    return {"Comment": comment, "QueryLanguage": "JSONPath", **limit(plan.deadline_seconds), **flow.machine()}


def _begin(flow: Flow, plan: Plan, options: Options, slots: Slots) -> list[End]:
    """From the input to the state that steps start with; returns the ends of what failed before any step."""
    flow.put("(begin)", {"in.$": "$", "nothing": None})
    failed: list[End] = []
    if plan.max_runs is not None:
        failed += _queue(flow, plan.max_runs)
    (given,) = flow.choose("(which time?)", [{"Variable": "$.in.time", "IsString": True}])
    flow.copy("(time of the start)", "$$.Execution.StartTime", "$.time")
    rest = flow.aside(given)
    flow.copy("(logical time)", "$.in.time", "$.time")
    flow.ends += rest
    (said,) = flow.choose("(which day?)", [{"Variable": "$.in.date", "IsString": True}])
    zone = plan.schedule.timezone if plan.schedule else "UTC"
    if zone == "UTC":
        flow.put("(day)", {"day.$": "States.ArrayGetItem(States.StringSplit($.time, 'T'), 0)"}, "$.day")
    else:
        payload = {"day": {"time.$": "$.time", "timezone": zone}}
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": f"{options.app}-step", "Payload": payload},
            "ResultSelector": {"day.$": "$.Payload"},
            "ResultPath": "$.day",
        }
        failed += _sure(flow, "(day)", task, "the day of the run")
    rest = flow.aside(said)
    flow.put("(day that was asked for)", {"day.$": "$.in.date"}, "$.day")
    flow.ends += rest
    _parameters(flow, plan, slots)
    run: dict[str, Any] = {
        "id.$": "$$.Execution.Name",
        "pipeline": plan.name,
        "time.$": "$.time",
        "date.$": "$.day.day",
        "machines.$": "States.Format('{}:{}:{}:{}:{}:stateMachine', $.arn[0], $.arn[1], $.arn[2], $.arn[3], $.arn[4])",
    }
    flow.put(
        "(arn)",
        {
            "arn.$": "States.StringSplit($$.StateMachine.Id, ':')",
            **{f"{n}.$": f"$.{n}" for n in (*_BEGUN, "p")},
        },
    )
    if _has_protocol(plan):
        run["dates.$"] = "$.dates"
        _dates(flow)
    flow.put("(ready)", {"run": run, "p.$": "$.p", "nothing": None, "s": {}})
    return failed


_BEGUN = ("in", "nothing", "time", "day")


def _parameters(flow: Flow, plan: Plan, slots: Slots) -> None:
    """Parameters of the run over their defaults, and of them what steps read to `$.p`."""
    (given,) = flow.choose("(parameters?)", [{"Variable": "$.in.params", "IsPresent": True}])
    flow.result("(no parameters)", {}, "$.own")
    rest = flow.aside(given)
    flow.copy("(own parameters)", "$.in.params", "$.own")
    flow.ends += rest
    flow.result(
        "(defaults)", {parameter.name: parameter.default for parameter in plan.parameters}, "$.defaults"
    )
    kept = {f"{name}.$": f"$.{name}" for name in _BEGUN}
    flow.put("(parameters)", {**kept, "all.$": "States.JsonMerge($.defaults, $.own, false)"})
    wanted = slots.of("p")
    flow.extract("(parameters)", "$.all", wanted, into="$.x")
    flow.put("(parameters that are read)", {**kept, "p": gathered(wanted, at="$.x")})


def _dates(flow: Flow) -> None:
    """The days of a run of LEVEL files: those that are given, else the logical one."""
    for name in ("start_date", "end_date"):
        (given,) = flow.choose(f"({name}?)", [{"Variable": f"$.in.params.{name}", "IsString": True}])
        flow.copy(f"(no {name})", "$.day.day", f"$.dates.{name}")
        rest = flow.aside(given)
        flow.copy(f"({name})", f"$.in.params.{name}", f"$.dates.{name}")
        flow.ends += rest


def _queue(flow: Flow, most: int) -> list[End]:
    """Wait until this is one of the oldest executions that run: the list has the newest first. Returns what failed."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sfn:listExecutions",
        "Parameters": {"StateMachineArn.$": "$$.StateMachine.Id", "StatusFilter": "RUNNING"},
        "ResultSelector": {"oldest.$": f"$.Executions[-{most}:].ExecutionArn"},
        "ResultPath": "$.turn",
    }
    failed = _sure(flow, "(runs)", task, "the turn of the run")
    flow.put("(whose turn?)", {"mine.$": "States.ArrayContains($.turn.oldest, $$.Execution.Id)"}, "$.turn")
    (mine,) = flow.choose("(my turn?)", [{"Variable": "$.turn.mine", "BooleanEquals": True}])
    flow.add("(wait for a turn)", {"Type": "Wait", "Seconds": 60})
    flow.join("(runs)")
    flow.ends = mine
    return failed


_PATIENCE = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 5,
    "MaxAttempts": 8,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
}


def _sure(flow: Flow, name: str, task: State, what: str) -> list[End]:
    """A task before any step: tried for five minutes. Returns the ends behind its failure, which the run ends with."""
    catcher = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.e"}
    flow.add(name, task | {"Retry": [_PATIENCE], "Catch": [catcher]})
    rest = flow.aside([(catcher, "Next")])
    failure = f"States.Array(States.Format('{what}: {{}}', $.e.Error))"
    flow.put(f"{name[:-1]} failed)", {"failed": {"f0.$": failure}})
    return flow.aside(rest)


def _jobs(plan: Plan) -> Iterator[Job]:
    for step in plan.all_steps():
        if isinstance(step.work, Job) and step.work.service is JobService.FUNCTION:
            yield step.work


def _has_protocol(plan: Plan) -> bool:
    return any(True for _ in _jobs(plan))


def _polls(plan: Plan) -> int:
    """How often a job may be asked for its state, so that all of them fit into one history."""
    asked = sum(job.status is not None for job in _jobs(plan))
    return max(10, (MOST_EVENTS * 4 // 5) // (PER_POLL * max(1, asked)))


STEPFUNCTIONS = Target(TargetName.STEPFUNCTIONS, compile_plan, FEATURES, version=4)
