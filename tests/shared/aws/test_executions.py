"""Starting an execution: its name is the idempotency key, and after a failed one comes another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from shared.aws.clients import client
from shared.aws.executions import MOST, start
from shared.common.errors import Misconfigured, Refused, Transient

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:sluice-dev-shop-backfill"
INPUT = {"streams": ["orders"], "windows": [], "concurrency": 2}


@dataclass
class Api:
    """Step Functions with executions of one name, in the states that a test wants; it can fail to answer."""

    statuses: tuple[str, ...] = ()
    input: str = json.dumps(INPUT)
    fault: str = ""
    calls: list[str] = field(default_factory=list)

    class exceptions:  # noqa: N801 - as in botocore
        class ExecutionDoesNotExist(Exception):
            pass

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:  # noqa: N803
        if self.fault:
            raise ClientError({"Error": {"Code": self.fault, "Message": "no"}}, "DescribeExecution")
        name = executionArn.rpartition(":")[2]
        number = int(name.partition("-")[2] or 1)
        if number > len(self.statuses):
            raise self.exceptions.ExecutionDoesNotExist
        return {"status": self.statuses[number - 1], "input": self.input}

    def start_execution(self, **how: Any) -> dict[str, str]:
        self.calls.append(f"start {how['name']}")
        return {"executionArn": f"arn:…:execution:…:{how['name']}"}


@pytest.mark.parametrize(
    ("statuses", "did", "calls"),
    [
        ((), "started", ["start march"]),
        (("RUNNING",), "running", []),
        (("SUCCEEDED",), "succeeded", []),
        (("FAILED",), "started", ["start march-2"]),
        (("TIMED_OUT", "ABORTED"), "started", ["start march-3"]),
        (("FAILED", "RUNNING"), "running", []),
        (("FAILED", "SUCCEEDED"), "succeeded", []),
    ],
)
def test_a_second_start_does_no_harm_and_a_failed_one_is_started_again(
    statuses: tuple[str, ...], did: str, calls: list[str]
) -> None:
    api = Api(statuses)

    assert (did, calls) == (start(MACHINE, "march", INPUT, api=api).did, api.calls)


def test_what_always_fails_is_not_started_for_ever() -> None:
    with pytest.raises(Misconfigured, match="have failed"):
        start(MACHINE, "march", INPUT, api=Api(("FAILED",) * 50))


def test_a_name_that_was_used_for_something_else_is_refused() -> None:
    with pytest.raises(Misconfigured, match="other windows or streams"):
        start(MACHINE, "march", {**INPUT, "concurrency": 3}, api=Api(("RUNNING",)))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("StateMachineDoesNotExist", Misconfigured),
        ("AccessDeniedException", Refused),
        ("Throttled", Transient),
    ],
)
def test_what_aws_refuses_names_who_must_act(fault: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"state machine|Step Functions"):
        start(MACHINE, "march", INPUT, api=Api(fault=fault))


def test_an_input_that_is_too_long_is_refused_before_it_is_sent() -> None:
    api = Api()
    with pytest.raises(Misconfigured, match=f"{MOST:,}"):
        start(MACHINE, "march", {"windows": ["x" * MOST]}, api=api)

    assert [] == api.calls


@mock_aws
def test_an_execution_is_started_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client against moto, which keeps executions and runs none."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    api = client("stepfunctions", region="eu-central-1")
    role = "arn:aws:iam::123456789012:role/states"
    made = api.create_state_machine(
        name="sluice-dev-shop-backfill",
        roleArn=role,
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}),
    )
    started = start(made["stateMachineArn"], "march", INPUT)
    again = start(made["stateMachineArn"], "march", INPUT)

    assert ("started", "running", started.arn) == (started.did, again.did, again.arn)
    assert INPUT == json.loads(api.describe_execution(executionArn=started.arn)["input"])
