"""What puts events into the queue of the dispatch function: rules for objects and commits, schedules, other queues."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from shared.orchestrator.inputs.landing import LandingInput
from shared.orchestrator.inputs.objects import ObjectsInput
from shared.orchestrator.inputs.queue import QueueInput
from shared.orchestrator.inputs.schedule import ScheduleInput
from src.deploying.dispatch_rights import queue_arn
from src.deploying.dispatched import BUCKET, Dispatched, expressions
from src.deploying.roles import allow, role
from src.deploying.text import Tag, att, ref, sub

Document = dict[str, Any]

CONDITION = "HasDispatch"
_AT_ONCE = 16
_ROOM = 28
"""Characters that 64 of a rule's name leave behind those of the installation."""


def sources(dispatched: Dispatched | None) -> Document:
    """The queues that call the function, by the name of the event: its own, and those of its inputs."""
    most = dispatched.document.dispatcher.concurrency if dispatched else _AT_ONCE
    found = {"Events": _source(att("DispatchQueue.Arn"), most)}
    for one in dispatched.document.input if dispatched else ():
        if isinstance(one, QueueInput):
            found[f"From{dispatched.titles[one.name]}"] = _source(queue_arn(one), most, paused=one.paused)  # type: ignore[union-attr]
    return found


def _source(queue: Tag, most: int, *, paused: bool = False) -> Document:
    properties: Document = {
        "Queue": queue,
        "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": min(max(most, 2), 1000)},
    }
    return {"Type": "SQS", "Properties": properties | ({"Enabled": False} if paused else {})}


def resources(dispatched: Dispatched) -> dict[str, Document]:
    """Rules and schedules by logical id."""
    found: dict[str, Document] = {}
    for one in dispatched.document.input:
        begin = f"Dispatch{dispatched.titles[one.name]}"
        match one:
            case ObjectsInput():
                found[f"{begin}Rule"] = _rule(one.name, one.paused, _of_objects(one))
            case LandingInput():
                found[f"{begin}Rule"] = _rule(one.name, one.paused, _of_commits(one))
            case ScheduleInput():
                for number, expression in enumerate(expressions(one)):
                    found[f"{begin}Schedule{number or ''}"] = _schedule(one, expression, number)
            case _:
                pass
    if dispatched.schedules:
        found["DispatchScheduleRole"] = {"Condition": CONDITION, **_schedule_role()}
    return found


def _of_objects(one: ObjectsInput) -> Document:
    parts = BUCKET.fullmatch(one.connection_string)
    assert parts is not None
    root = (parts["prefix"] or "").rstrip("/")
    prefix = f"{root}/{one.prefix}" if root else one.prefix
    detail: Document = {"bucket": {"name": [parts["bucket"]]}}
    if prefix:
        detail["object"] = {"key": [{"prefix": prefix}]}
    return {"detail-type": ["Object Created", "Object Deleted"], "detail": detail}


def _of_commits(one: LandingInput) -> Document:
    source, _, stream = one.connection_string.partition(".")
    key = {"wildcard": f"landing/{source}/{stream or '*'}/log/*.json"}
    return {
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [ref("Bucket")]}, "object": {"key": [key]}},
    }


def _rule(name: str, paused: bool, pattern: Document) -> Document:
    target = {
        "Id": "queue",
        "Arn": att("DispatchQueue.Arn"),
        "DeadLetterConfig": {"Arn": att("DispatchDeadLetters.Arn")},
    }
    return {
        "Type": "AWS::Events::Rule",
        "Condition": CONDITION,
        "Properties": {
            "Name": _named(name),
            "Description": f"What the input {name} of dispatch.yml watches",
            "EventPattern": {"source": ["aws.s3"], **pattern},
            "State": "DISABLED" if paused else "ENABLED",
            "Targets": [target],
        },
    }


def _schedule(one: ScheduleInput, expression: str, number: int) -> Document:
    event = {
        "location": one.connection_string,
        "operation": "read",
        "id": "<aws.scheduler.scheduled-time>",
        "trigger": one.name,
    }
    return {
        "Type": "AWS::Scheduler::Schedule",
        "Condition": CONDITION,
        "Properties": {
            "Name": _named(f"{one.name}-{number + 1}" if number else one.name),
            "Description": f"The times of the input {one.name} of dispatch.yml",
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": one.timezone,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "DISABLED" if one.paused else Tag("If", ["IsScheduled", "ENABLED", "DISABLED"]),
            "Target": {
                "Arn": att("DispatchQueue.Arn"),
                "RoleArn": att("DispatchScheduleRole.Arn"),
                "Input": json.dumps(event),
                "RetryPolicy": {"MaximumRetryAttempts": 20, "MaximumEventAgeInSeconds": 3600},
                "DeadLetterConfig": {"Arn": att("DispatchDeadLetters.Arn")},
            },
        },
    }


def _schedule_role() -> Document:
    queues = [att("DispatchQueue.Arn"), att("DispatchDeadLetters.Arn")]
    return role(
        "dispatch-schedule",
        service="scheduler",
        description="Puts the times of dispatch.yml into its queue",
        policy="send",
        statements=[
            allow("Send", "sqs:SendMessage", queues),
            allow("UseTheKeyOfTheQueues", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
        ],
    )


def _named(name: str) -> Tag:
    """A name that the policy of the queue knows by its beginning; a long one is cut and told apart by a digest."""
    short = name
    if len(name) > _ROOM:
        short = f"{name[: _ROOM - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return sub(f"${{AppName}}-${{Environment}}-dispatch-{short}")
