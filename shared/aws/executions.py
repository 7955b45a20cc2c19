"""Step Functions: start an execution under a name that makes a second start harmless, and a failed one once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.aws.clients import client
from shared.common.errors import Misconfigured, Refused, SluiceError, Transient

MOST = 262_144
"""Bytes that the input of an execution may have (docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""

MOST_STARTS = 50
"""Executions of one name: `march`, and when that failed `march-2`, `march-3`, …"""

DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"})


@dataclass(frozen=True, slots=True)
class Started:
    """An execution, and what a start of it did."""

    arn: str
    did: Literal["started", "running", "succeeded"]


def start(machine: str, name: str, document: Mapping[str, Any], *, api: Any = None) -> Started:
    """Start the state machine with this ARN. The name is the idempotency key, for the 90 days that AWS keeps it.

    An execution of this name that runs or has succeeded is left alone. After one that failed, was aborted or timed out
    comes another one, `name-2`: what is done must be skipped by whoever does it. `api` replaces boto3's client.

    Raises:
        Misconfigured: the ARN is none, there is no such machine, the input is too long, or the name was used otherwise.
        Refused: AWS does not allow it.
    """
    text = json.dumps(document, separators=(",", ":"))
    if len(text.encode()) > MOST:
        raise Misconfigured(
            f"the input of the execution has {len(text.encode()):,} bytes, and AWS allows {MOST:,}",
            hint="choose a longer --window, or fill the range in two parts",
        )
    region = machine.split(":")[3] if machine.count(":") == 6 else ""
    if not region or ":stateMachine:" not in machine:
        raise Misconfigured(
            f'"{machine}" is no ARN of a state machine',
            hint="such as arn:aws:states:eu-central-1:123456789012:stateMachine:sluice-prod-recurly-backfill",
        )
    api = api or client("stepfunctions", region=region)
    try:
        for count in range(1, MOST_STARTS + 1):
            this = name if count == 1 else f"{name}-{count}"
            arn = machine.replace(":stateMachine:", ":execution:") + f":{this}"
            found = _described(api, arn)
            if found is None:
                made = api.start_execution(stateMachineArn=machine, name=this, input=text)
                return Started(made["executionArn"], "started")
            if json.loads(found["input"]) != json.loads(text):
                raise Misconfigured(
                    f"an execution named {this} was started with other windows or streams",
                    hint="give this one another --name",
                )
            match found["status"]:
                case "RUNNING" | "PENDING_REDRIVE":
                    return Started(arn, "running")
                case "SUCCEEDED":
                    return Started(arn, "succeeded")
    except SluiceError:
        raise
    except Exception as error:
        raise _told(error, machine) from error
    raise Misconfigured(
        f"{MOST_STARTS} executions named {name} have failed", hint="look why before another one"
    )


def _described(api: Any, arn: str) -> Any:
    try:
        return api.describe_execution(executionArn=arn)
    except api.exceptions.ExecutionDoesNotExist:
        return None


def _told(error: Exception, machine: str) -> SluiceError:
    """An error of botocore as one of ours."""
    code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
    if code in ("StateMachineDoesNotExist", "InvalidArn", "StateMachineDeleting"):
        return Misconfigured(f"there is no state machine {machine}", hint="is the stack deployed there?")
    if code in DENIED:
        return Refused(
            "AWS does not let these credentials start the state machine",
            hint="they need states:StartExecution and states:DescribeExecution on it",
            kind=code,
            machine=machine,
        )
    return Transient(
        f"Step Functions did not answer as expected: {code or type(error).__name__}", machine=machine
    )
