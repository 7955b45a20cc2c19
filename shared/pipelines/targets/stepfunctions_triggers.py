"""What starts a state machine: a CloudFormation template with schedules of EventBridge, and rules for events.

Cron of Unix becomes that of AWS: six fields, days of the week from 1 (Sunday), and exactly one of the two kinds of days
is `?`; where Unix has both (either is enough), there are two schedules.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, assert_never

from shared.common.instants import format_instant
from shared.pipelines.plan import Plan
from shared.pipelines.schedule import Cron, Event, Once, Rate, Schedule
from shared.pipelines.targets.stepfunctions_flow import State
from shared.pipelines.targets.stepfunctions_roles import machine_role, start_role, tasks_of
from shared.pipelines.targets.stepfunctions_work import machine_name

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_TIME = '{"time": "<aws.scheduler.scheduled-time>"}'


def aws_cron(cron: Cron) -> list[str]:
    """The expressions of AWS that together are this one of Unix.

    >>> aws_cron(Cron("0 3 * * *")), aws_cron(Cron("0 0 13 * 5"))
    (['cron(0 3 * * ? *)'], ['cron(0 0 13 * ? *)', 'cron(0 0 ? * FRI *)'])
    """
    minute, hour, day, month, weekday = cron.fields
    by_day = f"cron({minute} {hour} {day} {month} ? *)"
    by_weekday = f"cron({minute} {hour} ? {month} {_weekdays(weekday)} *)"
    if weekday == "*":
        return [by_day]
    if day == "*":
        return [by_weekday]
    return [by_day, by_weekday]


def _weekdays(field: str) -> str:
    """Days of the week written out by name, so that no engine counts them from elsewhere."""
    days: list[int] = []
    for item in field.split(","):
        span, _, step = item.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = 0, 6
        else:
            start = _day(first)
            end = _day(last) if last else (6 if step else start)
        end = 7 if end < start else end
        days += [number % 7 for number in range(start, end + 1, int(step or 1))]
    return ",".join(_DAYS[number] for number in sorted(set(days)))


def _day(text: str) -> int:
    return _DAYS.index(text) if text in _DAYS else int(text)


def rate(seconds: int) -> str:
    """A rate in the grammar of AWS.

    >>> rate(60), rate(7200), rate(86400)
    ('rate(1 minute)', 'rate(2 hours)', 'rate(1 day)')
    """
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            return f"rate({count} {word}{'' if count == 1 else 's'})"
    raise AssertionError("rates are whole minutes")


def template(plan: Plan, name: str, machine: State) -> dict[str, Any]:
    """The machine, its schedules and its rules, and the roles of both where none are given. The definition lies
    beside it.
    """
    tasks = tasks_of(machine)
    parameters: dict[str, Any] = {
        "Role": _role_parameter("of the machine; without one, it gets one of its own")
    }
    resources: dict[str, Any] = {
        "Machine": {
            "Type": "AWS::Serverless::StateMachine",
            "Properties": {
                "Name": name,
                "Type": "STANDARD",
                "DefinitionUri": f"{name}.asl.json",
                "Role": _given_or("Role", "MachineRole"),
                "Tags": _tags(plan, name),
            },
        },
        "MachineRole": {**machine_role(plan, name, tasks), "Condition": "MakesRole"},
    }
    conditions = {
        "MakesRole": _is_empty("Role"),
        "HasBoundary": {"Fn::Not": [_is_empty("PermissionsBoundary")]},
    }
    if "ecs:runTask" in tasks:
        said = "ARNs of the roles that the tasks of ECS take: their own, and those by which they are started"
        parameters["TaskRoles"] = {"Type": "CommaDelimitedList", "Description": said}
    if plan.schedule is not None:
        parameters["StartRole"] = _role_parameter("that starts the machine; without one, it is made")
        conditions["MakesStartRole"] = _is_empty("StartRole")
        service = "events" if isinstance(plan.schedule.trigger, Event) else "scheduler"
        resources["OwnStartRole"] = {**start_role(service), "Condition": "MakesStartRole"}
        resources |= _schedules(plan.schedule, name)
    parameters["PermissionsBoundary"] = {
        "Type": "String",
        "Default": "",
        "Description": "ARN of a policy that bounds the roles that are made here, where the organization asks for one",
    }
    about = {"Description": plan.description[:1024]} if plan.description else {}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        **about,
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": parameters,
        "Conditions": conditions,
        "Resources": resources,
    }


def _role_parameter(what: str) -> dict[str, str]:
    return {"Type": "String", "Default": "", "Description": f"ARN of the role {what}"}


def _is_empty(parameter: str) -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, ""]}


def _given_or(parameter: str, made: str) -> dict[str, Any]:
    """The role that is given, else the one that is made."""
    return {"Fn::If": [f"Makes{parameter}", {"Fn::GetAtt": [made, "Arn"]}, {"Ref": parameter}]}


def _tags(plan: Plan, name: str) -> dict[str, str]:
    found = {
        "pipeline": name,
        "version": plan.version,
        "domain": plan.domain,
        "owner": " / ".join(owner.name for owner in plan.owners),
        "compute_cluster": plan.resources.compute_cluster,
        "storage_location": plan.resources.storage_location,
    }
    return {key: _tag(text) for key, text in found.items() if text}


def _tag(text: str) -> str:
    return re.sub(r"[^\w .:/=+@-]", "_", text)[:256]


def _schedules(schedule: Schedule, name: str) -> dict[str, Any]:
    match schedule.trigger:
        case Cron() as cron:
            expressions = aws_cron(cron)
        case Rate(seconds):
            expressions = [rate(seconds)]
        case Once(at):
            expressions = [f"at({at.strftime('%Y-%m-%dT%H:%M:%S')})"]
        case Event(event):
            return {"Rule": _rule(event)}
        case never:
            assert_never(never)
    found = {}
    for number, expression in enumerate(expressions, start=1):
        properties: dict[str, Any] = {
            "Name": schedule_name(name, number),
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": "UTC" if isinstance(schedule.trigger, Once) else schedule.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": {"Ref": "Machine"},
                "RoleArn": _given_or("StartRole", "OwnStartRole"),
                "Input": _TIME,
            },
        }
        if schedule.start is not None:
            properties["StartDate"] = format_instant(schedule.start)
        if schedule.end is not None:
            properties["EndDate"] = format_instant(schedule.end)
        found["Schedule" if number == 1 else f"Schedule{number}"] = {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": properties,
        }
    return found


def schedule_name(machine: str, number: int = 1) -> str:
    """The name of a machine's schedule, which is unique in its group: 64 characters at most. No machine has a dot.

    >>> schedule_name("orders"), schedule_name("orders", 2), schedule_name("b" * 80)[50:]
    ('orders', 'orders.2', 'bbbbbbb.18766a')
    """
    name = machine if number == 1 else f"{machine}.{number}"
    if len(name) <= 64:
        return name
    return f"{name[:57]}.{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _rule(event: str) -> dict[str, Any]:
    """A rule: an object in a bucket, another pipeline that succeeded, or an event of this product by name."""
    pattern: dict[str, Any]
    if event.startswith("s3://"):
        bucket, _, prefix = event.removeprefix("s3://").partition("/")
        detail: dict[str, Any] = {"bucket": {"name": [bucket]}}
        if prefix:
            detail["object"] = {"key": [{"prefix": prefix}]}
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
    elif event.startswith("pipeline:"):
        other = machine_name(event.removeprefix("pipeline:"))
        pattern = {
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {"status": ["SUCCEEDED"], "stateMachineArn": [{"suffix": f":stateMachine:{other}"}]},
        }
    else:
        pattern = {"detail-type": [event]}
    target = {
        "Id": "machine",
        "Arn": {"Ref": "Machine"},
        "RoleArn": _given_or("StartRole", "OwnStartRole"),
        "InputTransformer": {"InputPathsMap": {"time": "$.time"}, "InputTemplate": '{"time": <time>}'},
    }
    return {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": pattern, "Targets": [target]}}
