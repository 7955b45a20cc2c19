"""The stack in other environments, each in an account of its own, and its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.deploy.infra.account import STACK, account


@pytest.mark.parametrize(
    ("environment", "schedules", "state"),
    [
        ("dev", "prod-only", "DISABLED"),
        ("dev", "enabled", "ENABLED"),
        ("prod", "prod-only", "ENABLED"),
    ],
)
def test_schedules_run_in_prod_or_where_somebody_asks(
    tmp_path: Path, environment: str, schedules: str, state: str
) -> None:
    with account(tmp_path) as made:
        made.create(Environment=environment, Schedules=schedules)
        schedule = made.properties("RecurlyMachineSchedule")
        alarm = made.properties("RecurlyFreshnessAlarm")

    assert state == schedule["State"]
    assert ("cron(15 3 * * ? *)", "UTC") == (
        schedule["ScheduleExpression"],
        schedule["ScheduleExpressionTimezone"],
    )
    assert {"scheduled": "<aws.scheduler.scheduled-time>"} == json.loads(schedule["Target"]["Input"])
    assert "DeadLetterConfig" in schedule["Target"]
    assert str(state == "ENABLED").lower() == str(alarm["ActionsEnabled"]).lower()


def test_the_stack_can_be_deleted_and_the_data_stays(tmp_path: Path) -> None:
    with account(tmp_path) as made:
        made.create(Environment="dev")
        bucket, machine = made.outputs()["BucketName"], made.outputs()["RecurlyMachine"]
        made.client("cloudformation").delete_stack(StackName=STACK)

        assert bucket in [one["Name"] for one in made.client("s3").list_buckets()["Buckets"]]
        with pytest.raises(ClientError, match="does not exist"):
            made.client("cloudformation").describe_stacks(StackName=STACK)
        with pytest.raises(ClientError, match="Does Not Exist"):
            made.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
