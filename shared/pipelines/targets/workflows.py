"""Compiles a plan for Google Cloud Workflows, as JSON: YAML of any text would be misread by somebody.

Artifacts: `NAME.workflows.json`, and `NAME.scheduler.json` with the job of Cloud Scheduler where there is a schedule.
The argument of an execution is that of LEVEL files, `{"query_variables": {…}, "workflow_properties": {…}}`, or
`{"params", "time", "date"}`; all of it is optional.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.names import identifiers
from shared.pipelines.plan import Form, Plan
from shared.pipelines.schedule import Cron, Rate
from shared.pipelines.targets.json_lines import json_lines
from shared.pipelines.targets.lanes import budget_of
from shared.pipelines.targets.target import Options, Target, TargetName
from shared.pipelines.targets.workflows_bounds import (
    MOST_ASSIGNMENTS,
    MOST_BYTES,
    MOST_EXPRESSION,
    check_expressions,
    refused,
)
from shared.pipelines.targets.workflows_features import FEATURES
from shared.pipelines.targets.workflows_library import library
from shared.pipelines.targets.workflows_steps import Writer
from shared.pipelines.targets.workflows_values import Steps, Values
from shared.pipelines.targets.workflows_work import Works, workflow_name


def compile_plan(plan: Plan, options: Options) -> Mapping[str, bytes]:
    """The artifacts. Raises `Misconfigured` with the place of everything that Cloud Workflows cannot do."""
    used: set[str] = set()
    works = Works(plan, options, used)
    names = [step.name for step in plan.all_steps()]
    labels = step_labels(names)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    parameters = {parameter.name: f"p{number}" for number, parameter in enumerate(plan.parameters, start=1)}
    writer = Writer(works, labels, numbers, parameters, plan.deadline_seconds is not None, used)
    faults = [f"{place} {fault}" for place, fault in refused(plan)]
    body = writer.scope(plan.steps, budget_of(plan))
    begin: Steps = []
    end: Steps = []
    try:
        begin = _begin(plan, parameters, numbers, used)
        end = _end(plan, works, numbers)
    except Misconfigured as error:
        faults.append(error.message)
    if faults or writer.faults:
        raise Misconfigured("\n".join([*faults, *writer.faults]))
    wait = []
    if plan.max_runs is not None:
        used |= {"turn", "every_failure"}
        wait = [{"wait_for_turn": {"call": "turn", "args": {"most": plan.max_runs}, "result": "turn_came"}}]
    main = {
        "params": ["args"],
        "steps": [*_about(plan, used), *wait, *begin, *body, *end],
    }
    document: dict[str, Any] = {"main": main}
    document |= library(used)
    text = json_lines(document) + "\n"
    if len(text) > MOST_BYTES:
        text = json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"
    if len(text) > MOST_BYTES:
        raise Misconfigured(
            f"{plan.place} the workflow would have {len(text):,} bytes, and Cloud Workflows takes {MOST_BYTES:,}; move "
            "steps to another pipeline and run it by a step of type pipeline"
        )
    if any(len(line) > MOST_EXPRESSION for line in text.splitlines()):  # a value has one line at most
        check_expressions(document, plan)
    name = workflow_name(plan.name)
    made = {f"{name}.workflows.json": text.encode()}
    if plan.schedule is not None:
        made[f"{name}.scheduler.json"] = (json_lines(_scheduler(plan, options, name)) + "\n").encode()
    return made


_OWN = re.compile(
    "(about|wait_for_turn|nothing_given|no_args|defaults|if|take|dates|given_dates|day|variables|deadline_of_run|"
    "request_of_run|side_by_side|branch|empty|no_failures|any_failed|failed|over_time|late|all_well|run_well|run_badly|"
    "fail|end_of_run|end|next|break|continue|return|raise|step[0-9]+)(_.*)?"
)
"""Names of steps that the rest of a workflow has, or begins its names with."""


def step_labels(names: Sequence[str]) -> dict[str, str]:
    """How the names of a step's own steps begin: no name of a workflow is there twice.

    >>> step_labels(["load", "load_well", "day", "daily"])
    {'load': 'load', 'load_well': 'step2', 'day': 'step3', 'daily': 'daily'}
    """
    found = identifiers(names, longest=40)
    taken = set(found.values())
    for number, name in enumerate(names, start=1):
        words = found[name].split("_")
        inside = any("_".join(words[:count]) in taken for count in range(1, len(words)))
        if inside or _OWN.fullmatch(found[name]):
            found[name] = f"step{number}"
    return found


def _about(plan: Plan, used: set[str]) -> Steps:
    """What a workflow has no place for, in a variable, so that it can be seen in each run."""
    owners = [f"{one.name} <{one.email}>" if one.email else one.name for one in plan.owners]
    known = {
        "version": plan.version,
        "domain": plan.domain,
        "description": plan.description,
        "owners": ", ".join(owners),
        "compute_cluster": plan.resources.compute_cluster,
        "storage_location": plan.resources.storage_location,
    }
    values = Values("about", plan.place, {}, {}, "", used)
    said = values.literal({name: text for name, text in known.items() if text})
    return [*values.steps, {"about": {"assign": [{"about": said}]}}] if said else []


def _begin(plan: Plan, parameters: Mapping[str, str], numbers: Mapping[str, int], used: set[str]) -> Steps:
    """Variables of the run, of its parameters, and two for each step."""
    made: Steps = [
        {"nothing_given": {"switch": [{"condition": '${get_type(args) != "map"}', "steps": [
            {"no_args": {"assign": [{"args": {}}]}}]}]}},
        {"defaults": {"assign": [
            {"run_pipeline": plan.name},
            {"run_id": '${sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}'},
            {"run_time": "${time.format(sys.now())}"},
            {"given": {}},
        ]}},
    ]  # fmt: skip
    made += [
        _if_given("args", "time", "run_time"),
        _if_given("args", "params", "given"),
    ]
    if plan.form is Form.LEVELS:
        made += [
            _if_given("args", "workflow_properties", "given", merge="workflow_properties"),
            {"dates": {"switch": [{"condition": '${"query_variables" in keys(args)}', "steps": [
                {"given_dates": {"assign": [{"given": "${map.merge(given, args.query_variables)}"}]}}]}]}},
        ]  # fmt: skip
    zone = plan.schedule.timezone if plan.schedule else "UTC"
    day = "run_time" if zone == "UTC" else f'time.format(time.parse(run_time), "{zone}")'
    made.append({"day": {"assign": [{"run_date": f"${{text.substring({day}, 0, 10)}}"}]}})
    made.append(_if_given("args", "date", "run_date"))
    assigns: list[dict[str, Any]] = []
    for parameter in plan.parameters:
        default: Any = parameter.default
        if plan.form is Form.LEVELS and parameter.name in ("start_date", "end_date"):
            default = "${run_date}"
        if default != "${run_date}" or plan.form is not Form.LEVELS:
            place = plan.at("parameters", parameter.name)
            values = Values(f"defaults_{parameters[parameter.name]}", place, {}, {}, "", used)
            default = values.literal(default)
            made += values.steps
        assigns.append({parameters[parameter.name]: default})
    for step in plan.steps:  # those inside a foreach belong to an item, and may not be shared with others
        assigns += [{f"s{numbers[step.name]}": "go"}, {f"o{numbers[step.name]}": None}]
    made += _assigned("variables", assigns)
    for parameter in plan.parameters:
        made.append(_if_given("given", parameter.name, parameters[parameter.name]))
    if plan.deadline_seconds is not None:
        made.append(
            {"deadline_of_run": {"assign": [{"deadline": f"${{sys.now() + {plan.deadline_seconds:g}}}"}]}}
        )
    made.append({"request_of_run": {"assign": [{"request": _request(plan, parameters)}]}})
    return made


def _request(plan: Plan, parameters: Mapping[str, str]) -> dict[str, Any]:
    """What every executor function is told of the run."""
    date = {name: f"${{{parameters.get(name, 'run_date')}}}" for name in ("start_date", "end_date")}
    properties = parameters.get("workflow_properties")
    return {
        "workflow_name": plan.name,
        "execution_id": "${run_id}",
        "query_variables": date,
        "workflow_properties": f"${{{properties}}}" if properties else {},
    }


def _if_given(source: str, name: str, variable: str, *, merge: str = "") -> dict[str, Any]:
    """Take a value from a map if it has it."""
    label = f"{source}_{variable}_{merge}".strip("_")
    taken = f"${{{source}[{json.dumps(name)}]}}"
    assign: list[dict[str, Any]] = [{f"{variable}.{merge}" if merge else variable: taken}]
    condition = f"${{{json.dumps(name)} in keys({source})}}"
    return {
        f"if_{label}": {
            "switch": [{"condition": condition, "steps": [{f"take_{label}": {"assign": assign}}]}]
        }
    }


def _assigned(name: str, assigns: list[dict[str, Any]]) -> Steps:
    return [
        {f"{name}_{start // MOST_ASSIGNMENTS + 1}": {"assign": assigns[start : start + MOST_ASSIGNMENTS]}}
        for start in range(0, len(assigns), MOST_ASSIGNMENTS)
    ]


def _end(plan: Plan, works: Works, numbers: Mapping[str, int]) -> Steps:
    """Name what failed, tell people, fail."""
    made: Steps = [{"no_failures": {"assign": [{"failures": []}]}}]
    for step in plan.steps:
        number = numbers[step.name]
        add = {"assign": [{"failures": f"${{list.concat(failures, {json.dumps(_ascii(step.name))})}}"}]}
        asked = f's{number} in ["failed", "tolerated"]'
        if "${" in step.name or "}" in step.name or len(step.name) > 200:
            add = {"assign": [{"failures": f'${{list.concat(failures, "step {number}")}}'}]}
        made.append({f"any_failed_{number}": {"switch": [
            {"condition": f"${{{asked}}}", "steps": [{f"failed_{number}": add}]}]}})  # fmt: skip
    if plan.deadline_seconds is not None:
        made.append({"over_time": {"switch": [{"condition": "${sys.now() >= deadline}", "steps": [
            {"late": {"assign": [{"failures": '${list.concat(failures, "the deadline")}'}]}}]}]}})  # fmt: skip
    failing = [
        *works.tell("run_badly", plan.notifications.on_failure, None, well=False),
        {
            "fail": {
                "raise": {
                    "code": 500,
                    "message": "steps failed",
                    "failed": "${failures}",
                    "tags": ["RunFailed"],
                }
            }
        },
    ]
    made.append({"all_well": {"switch": [{"condition": "${len(failures) > 0}", "steps": failing}]}})
    made += works.tell("run_well", plan.notifications.on_success, None, well=True)
    made.append({"end_of_run": {"return": {"run_id": "${run_id}"}}})
    return made


def _ascii(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")


def _scheduler(plan: Plan, options: Options, name: str) -> dict[str, Any]:
    """The job of Cloud Scheduler; its times are those of Unix cron, or every so many minutes."""
    assert plan.schedule is not None
    match plan.schedule.trigger:
        case Cron(expression):
            when = expression
        case Rate(seconds):
            when = f"every {seconds // 60} minutes"
        case _:
            when = ""
    platform = options.platform
    parent = f"projects/{platform.project or 'PROJECT'}/locations/{platform.region or 'REGION'}"
    return {
        "name": f"{parent}/jobs/{name}",
        "schedule": when,
        "timeZone": plan.schedule.timezone,
        "httpTarget": {
            "httpMethod": "POST",
            "uri": f"https://workflowexecutions.googleapis.com/v1/{parent}/workflows/{name}/executions",
            "oauthToken": {"scope": "https://www.googleapis.com/auth/cloud-platform"},
        },
    }


WORKFLOWS = Target(TargetName.WORKFLOWS, compile_plan, FEATURES, version=5)
