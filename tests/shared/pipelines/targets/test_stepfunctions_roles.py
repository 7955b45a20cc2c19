"""The role that a generated template makes: what the states of the machine call, by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.pipelines.read import read_definition
from shared.pipelines.targets.stepfunctions import STEPFUNCTIONS
from shared.pipelines.targets.target import Options

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:score:live"
ACCOUNT = "${AWS::Region}:${AWS::AccountId}"


def template(*steps: dict[str, Any], **head: Any) -> dict[str, Any]:
    text = json.dumps({"pipeline": {"name": "orders", "max_runs": 5, **head, "steps": list(steps)}})
    made = STEPFUNCTIONS.compile(read_definition(text, file="p.json"), Options(app="sluice-dev"))
    found: dict[str, Any] = json.loads(made["orders.template.json"])
    return found


def rights(found: dict[str, Any]) -> dict[str, list[str]]:
    """Action -> resources, with the ARNs of the account cut short."""
    (policy,) = found["Resources"]["MachineRole"]["Properties"]["Policies"]
    given: dict[str, list[str]] = {}
    for one in policy["PolicyDocument"]["Statement"]:
        resources = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        for action in actions:
            given.setdefault(action, []).extend(map(_short, resources))
    return given


def _short(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    text: str = resource.get("Fn::Sub") or resource["Ref"]
    return text.removeprefix("arn:${AWS::Partition}:").replace(ACCOUNT, "~")


def test_functions_are_named_by_app_or_as_the_definition_says() -> None:
    steps = (
        {"name": "land", "type": "ingestion", "source": "shop"},
        {"name": "score", "type": "lambda", "function": ARN},
        {"name": "odd", "type": "lambda", "function": "f"},
        {"name": "each", "type": "foreach", "items": [1, 2], "steps": [
            {"name": "in", "type": "check", "query": "SELECT 1"}]},
    )  # fmt: skip
    found = rights(template(*steps))

    assert {
        ARN,
        "lambda:~:function:f",
        "lambda:~:function:sluice-dev-load",
        "lambda:~:function:sluice-dev-shop-ingest",
        "lambda:~:function:sluice-dev-step",
    } == set(found["lambda:InvokeFunction"])
    assert ["states:~:stateMachine:orders"] == found["states:ListExecutions"]


def test_what_is_waited_for_is_followed_too() -> None:
    steps = (
        {"name": "sub", "type": "pipeline", "pipeline": "orders.daily"},
        {"name": "loose", "type": "pipeline", "pipeline": "tidy", "wait": False},
        {"name": "clean", "type": "job", "service": "glue", "job": "clean"},
    )
    found = rights(template(*steps))

    assert ["states:~:stateMachine:orders_daily_b5d473", "states:~:stateMachine:tidy"] == found[
        "states:StartExecution"
    ]
    assert ["states:~:execution:orders_daily_b5d473:*"] == found["states:StopExecution"]
    assert ["events:~:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"] == found["events:PutRule"]
    assert ["glue:~:job/clean"] == found["glue:StartJobRun"] == found["glue:BatchStopJobRun"]


def test_the_roles_of_tasks_of_ecs_are_asked_for() -> None:
    found = template({"name": "train", "type": "job", "service": "ecs", "job": "train"})
    given = rights(found)

    assert ["ecs:~:task-definition/train:*"] == given["ecs:RunTask"]
    assert ["ecs:~:task/default/*"] == given["ecs:StopTask"]
    assert ["TaskRoles"] == given["iam:PassRole"]
    assert "TaskRoles" in found["Parameters"]


def test_mail_may_be_sent_from_the_owner_only() -> None:
    found = template(
        {"name": "a", "type": "wait", "duration": 1},
        owners=[{"name": "Data", "email": "data@example.org"}],
        notifications={"on_failure": [{"method": "email", "recipients": ["ops@example.org"]}]},
    )
    statements = found["Resources"]["MachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (mail,) = [one for one in statements if one["Action"] == "ses:SendEmail"]

    assert {"StringEquals": {"ses:FromAddress": ["data@example.org"]}} == mail["Condition"]


def test_a_machine_that_calls_nothing_has_a_role_without_rights() -> None:
    found = template({"name": "a", "type": "wait", "duration": 1}, max_runs=None)

    assert "Policies" not in found["Resources"]["MachineRole"]["Properties"]
    assert "OwnStartRole" not in found["Resources"]


@pytest.mark.parametrize(
    ("schedule", "service"),
    [
        ({"type": "cron", "expression": "0 3 * * *"}, "scheduler.amazonaws.com"),
        ({"type": "event", "expression": "s3://lake/in/"}, "events.amazonaws.com"),
    ],
)
def test_who_starts_it_is_the_service_that_does(schedule: dict[str, str], service: str) -> None:
    found = template({"name": "a", "type": "wait", "duration": 1}, schedule=schedule)
    (trust,) = found["Resources"]["OwnStartRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]

    assert {"Service": service} == trust["Principal"]
    assert {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}} == trust["Condition"]
