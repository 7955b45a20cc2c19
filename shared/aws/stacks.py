"""CloudFormation by change sets only: propose, look, execute, and what went wrong in CloudFormation's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.aws.clients import client
from shared.common.errors import Misconfigured, Refused, SluiceError, Transient
from shared.common.ports import Clock

FIRST, EVERY = 0.2, 5.0
"""Seconds until the second look at a stack, and at most between two later ones."""
PATIENCE = 3600.0
"""Seconds after which a change is left to itself; CloudFormation goes on."""

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "ExpiredToken", "InvalidClientTokenId"})
_NOTHING = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one resource; `replaced` says that it is made anew, so its data is lost or left behind."""

    action: str
    kind: str
    name: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change set that can be executed; `creates` says that there is no stack yet."""

    stack: str
    id: str
    creates: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """What a stack is made from. `alarms` are ARNs: one that rings within `watch` minutes rolls the change back."""

    template: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    alarms: Sequence[str] = ()
    watch: int = 0


class Stacks:
    """The stacks of one account and region. `api` takes the place of boto3's client."""

    def __init__(self, clock: Clock, *, region: str | None = None, api: Any = None) -> None:
        self._clock = clock
        self._api = api or client("cloudformation", region=region)

    @property
    def region(self) -> str:
        return str(self._api.meta.region_name)

    def propose(self, stack: str, rollout: Rollout, *, name: str) -> Proposal | None:
        """Make a change set; None when nothing would change. `rollout.template` is a URL of S3, or the text itself.

        Raises `Misconfigured` with what CloudFormation finds wrong, or when the stack must be looked after first.
        """
        status = self._status(stack)
        if status is not None and not _can_change(status):
            raise Misconfigured(
                f"the stack {stack} is {status} and cannot be changed",
                hint=f"aws cloudformation delete-stack --stack-name {stack}, then deploy again"
                if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")
                else "wait until it has come to an end",
            )
        creates = status in (None, "REVIEW_IN_PROGRESS")
        by_url = rollout.template.startswith("https://")
        how: dict[str, Any] = {"TemplateURL" if by_url else "TemplateBody": rollout.template}
        if rollout.role:
            how["RoleARN"] = rollout.role
        if rollout.alarms:
            triggers = [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in rollout.alarms]
            how["RollbackConfiguration"] = {
                "RollbackTriggers": triggers,
                "MonitoringTimeInMinutes": rollout.watch,
            }
        made = self._call(
            "create_change_set",
            StackName=stack,
            ChangeSetName=name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in sorted(rollout.parameters.items())
            ],
            Tags=[{"Key": key, "Value": value} for key, value in sorted(rollout.tags.items())],
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            **how,
        )
        found = self._ready(stack, made["Id"])
        if found is None:
            self._call("delete_change_set", StackName=stack, ChangeSetName=made["Id"])
            return None
        return Proposal(stack, made["Id"], creates, tuple(map(_change, found)))

    def execute(self, proposal: Proposal) -> None:
        """Execute a proposal and wait for its end.

        Raises `Misconfigured` with the resources that failed, when CloudFormation rolled it back.
        """
        before = self._last_event(proposal.stack)
        self._call("execute_change_set", StackName=proposal.stack, ChangeSetName=proposal.id)
        status = self._settled(proposal.stack)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            lines = "\n".join(self._failures(proposal.stack, since=before)) or "no reason was given"
            raise Misconfigured(
                f"the stack {proposal.stack} is {status}\n{lines}",
                hint="the stack is as it was before"
                if status == "UPDATE_ROLLBACK_COMPLETE"
                else f"aws cloudformation describe-stack-events --stack-name {proposal.stack} tells all",
            )

    def discard(self, proposal: Proposal) -> None:
        """Drop a proposal; a stack that it would have made is gone with it."""
        self._call("delete_change_set", StackName=proposal.stack, ChangeSetName=proposal.id)
        if proposal.creates:
            self._call("delete_stack", StackName=proposal.stack)

    def outputs(self, stack: str) -> dict[str, str] | None:
        """The outputs of a stack; None when there is no such stack."""
        found = self._described(stack)
        if found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return None
        return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}

    def _ready(self, stack: str, change_set: str) -> list[dict[str, Any]] | None:
        """The changes of a change set when it is made; None when there are none."""
        for _ in self._looks():
            found = self._call("describe_change_set", StackName=stack, ChangeSetName=change_set)
            match found["Status"]:
                case "CREATE_COMPLETE":
                    return self._changes(stack, change_set, found)
                case "FAILED":
                    reason = found.get("StatusReason", "")
                    if any(text in reason for text in _NOTHING):
                        return None
                    raise Misconfigured(f"the change set cannot be made: {reason}", stack=stack)
        raise Transient("CloudFormation took too long to make the change set", stack=stack)

    def _changes(self, stack: str, change_set: str, first: dict[str, Any]) -> list[dict[str, Any]]:
        changes, page = list(first["Changes"]), first
        while token := page.get("NextToken"):
            page = self._call(
                "describe_change_set", StackName=stack, ChangeSetName=change_set, NextToken=token
            )
            changes += page["Changes"]
        return changes

    def _settled(self, stack: str) -> str:
        for _ in self._looks():
            status = self._status(stack) or "DELETED"
            if not status.endswith("_IN_PROGRESS"):
                return status
        raise Transient("the change takes longer than an hour; CloudFormation goes on with it", stack=stack)

    def _looks(self) -> Iterator[None]:
        """Comes back whenever it is time to look again, until patience ends."""
        until, pause = self._clock.monotonic() + PATIENCE, FIRST
        while self._clock.monotonic() < until:
            yield
            self._clock.sleep(pause)
            pause = min(EVERY, pause * 1.5)

    def _failures(self, stack: str, *, since: str) -> list[str]:
        events = self._call("describe_stack_events", StackName=stack)["StackEvents"]
        lines = []
        for event in events:  # the newest first
            if event["EventId"] == since:
                break
            if event["ResourceStatus"].endswith("_FAILED"):
                reason = event.get("ResourceStatusReason", "")
                lines.append(f"{event['LogicalResourceId']} ({event.get('ResourceType', '')}): {reason}")
        return list(reversed(lines))

    def _last_event(self, stack: str) -> str:
        events = self._call("describe_stack_events", StackName=stack)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    def _status(self, stack: str) -> str | None:
        found = self._described(stack)
        return None if found is None else str(found["StackStatus"])

    def _described(self, stack: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.describe_stacks(StackName=stack)["Stacks"][0]
        except Exception as error:
            if "does not exist" in str(error):
                return None
            raise _told(error, "describe_stacks") from error
        return found

    def _call(self, method: str, **how: Any) -> Any:
        try:
            return getattr(self._api, method)(**how)
        except Exception as error:
            raise _told(error, method) from error


def _can_change(status: str) -> bool:
    return status == "REVIEW_IN_PROGRESS" or (
        status.endswith("_COMPLETE") and status not in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE")
    )


def _change(change: dict[str, Any]) -> Change:
    one = change["ResourceChange"]
    return Change(
        one["Action"], one["ResourceType"], one["LogicalResourceId"], one.get("Replacement") == "True"
    )


def account(*, region: str | None = None, api: Any = None) -> str:
    """The id of the account that these credentials belong to. Raises `Refused` when there are none."""
    try:
        return str((api or client("sts", region=region)).get_caller_identity()["Account"])
    except Exception as error:
        raise Refused(
            f"AWS does not say who we are: {type(error).__name__}",
            hint="sign in: `aws sso login`, AWS_PROFILE, or a role; AWS_REGION says where",
        ) from error


def _told(error: Exception, method: str) -> SluiceError:
    """An error of botocore as one of ours: its text is CloudFormation's own and holds no secret."""
    said = getattr(error, "response", {}).get("Error", {})
    code, text = str(said.get("Code", "")), str(said.get("Message", ""))
    if code in _DENIED:
        return Refused(
            f"CloudFormation refuses {method}: {text}", hint="these credentials need it", kind=code
        )
    if code in ("ValidationError", "InsufficientCapabilitiesException", "AlreadyExistsException"):
        return Misconfigured(f"CloudFormation refuses {method}: {text}")
    return Transient(f"CloudFormation did not answer {method}: {code or type(error).__name__}")
