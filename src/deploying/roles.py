"""The roles of a source: of its function, its state machines and its schedule. Each may do what it does, no more."""

from __future__ import annotations

from typing import Any

from src.deploying.sources import Deployed
from src.deploying.text import Noted, Tag, att, ref, sub

Document = dict[str, Any]

BOUNDARY = Tag("If", ["HasBoundary", ref("PermissionsBoundaryArn"), ref("AWS::NoValue")])
TRACE = {
    "Sid": "Trace",
    "Effect": "Allow",
    "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    "Resource": Noted("*", "X-Ray knows no resources for these"),
}
DELIVER_LOGS = {
    "Sid": "DeliverItsLog",
    "Effect": "Allow",
    "Action": [
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    ],
    "Resource": Noted("*", "log deliveries have no resources; this is what Step Functions asks for"),
}


def role(name: str, *, service: str, description: str, policy: str, statements: list[Document]) -> Document:
    """A role that one service may take, with one policy of its own."""
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": sub(f"${{AppName}}-${{Environment}}-{name}"),
            "Description": description,
            "PermissionsBoundary": BOUNDARY,
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [_trust(service)],
            },
            "Policies": [
                {"PolicyName": policy, "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
            ],
        },
    }


def _trust(service: str) -> Document:
    trust: Document = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    if service != "lambda":  # who starts them for whom: not for another account (Lambda does not say)
        trust["Condition"] = {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}}
    return trust


def allow(sid: str, action: str | list[str], resource: Any, **more: Any) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, **more}


def function_role(source: Deployed) -> Document:
    """What the ingest function of a source may do: its part of the bucket, its secret, its log, the key."""
    name, title = source.name, source.title
    statements = [
        allow(
            "ItsPartOfTheLandingZone",
            ["s3:GetObject", "s3:PutObject"],
            [
                Noted(sub(f"${{Bucket.Arn}}/landing/{name}/*"), "all of its streams"),
                Noted(sub(f"${{Bucket.Arn}}/contracts/{name}/*"), "the contracts of all of them"),
            ],
        ),
        allow(
            "FindWhatHasLanded",
            "s3:ListBucket",
            att("Bucket.Arn"),
            Condition={"StringLike": {"s3:prefix": [f"landing/{name}/*", f"contracts/{name}/*"]}},
        ),
        allow("ReadItsSecret", "secretsmanager:GetSecretValue", ref(f"{title}Secret")),
        allow("UseTheKey", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
        allow("WriteItsLog", ["logs:CreateLogStream", "logs:PutLogEvents"], att(f"{title}Logs.Arn")),
        TRACE,
    ]
    return role(
        f"{name}-ingest",
        service="lambda",
        description=f"Reads {name} and lands it",
        policy="ingest",
        statements=statements,
    )


def machine_role(source: Deployed) -> Document:
    """What the machine of a source may do: call two functions, start itself again, tell how it ended."""
    name, title = source.name, source.title
    statements = [
        allow(
            "CallItsFunctions",
            "lambda:InvokeFunction",
            [att(f"{title}Function.Arn"), att("LoadFunction.Arn")],
        ),
        allow(
            "StartItselfAgain",
            "states:StartExecution",
            sub(
                f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:stateMachine:{_machine(name)}"
            ),
        ),
        allow("Alert", "sns:Publish", ref("Alerts")),
        allow(
            "Notify",
            "events:PutEvents",
            sub("arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"),
        ),
        allow("UseTheKeyOfTheTopic", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
        DELIVER_LOGS,
        TRACE,
    ]
    return role(name, service="states", description=f"Runs {name}", policy="run", statements=statements)


def backfill_role(source: Deployed) -> Document:
    """What the back-fill of a source may do: call its function, start a child for each window, tell how it ended."""
    name, title = source.name, source.title
    machine = _machine(f"{name}-backfill")
    arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
    statements = [
        allow("CallItsFunction", "lambda:InvokeFunction", att(f"{title}Function.Arn")),
        allow("StartItsWindows", "states:StartExecution", sub(f"{arn}:stateMachine:{machine}")),
        allow(
            "FollowAndStopItsWindows",
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            Noted(sub(f"{arn}:execution:{machine}*"), "the names of children are made by the service"),
        ),
        allow("Alert", "sns:Publish", ref("Alerts")),
        allow("UseTheKeyOfTheTopic", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
        DELIVER_LOGS,
        TRACE,
    ]
    return role(
        f"{name}-backfill",
        service="states",
        description=f"Fills {name} up with the past",
        policy="backfill",
        statements=statements,
    )


def schedule_role(source: Deployed) -> Document:
    """What the schedule of a source may do: start its machine, and leave word where that failed."""
    name, title = source.name, source.title
    statements = [
        allow("StartTheMachine", "states:StartExecution", ref(f"{title}Machine")),
        allow("LeaveWord", "sqs:SendMessage", att("DeadLetters.Arn")),
        allow("UseTheKeyOfTheQueue", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
    ]
    return role(
        f"{name}-schedule",
        service="scheduler",
        description=f"Starts {name} at its times",
        policy="start",
        statements=statements,
    )


def _machine(name: str) -> str:
    return f"${{AppName}}-${{Environment}}-{name}"
