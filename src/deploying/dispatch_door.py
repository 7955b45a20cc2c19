"""The function behind the webhooks of dispatch.yml: it checks signatures and puts events into the queue.

It has the code of the dispatch function, and a URL that is open to the internet: so it has a role and a secret of its
own, and may do nothing else.
"""

from __future__ import annotations

from typing import Any

from src.deploying.dispatch_events import CONDITION
from src.deploying.roles import TRACE, allow, role
from src.deploying.source import KEPT
from src.deploying.text import Noted, Tag, att, ref, sub

Document = dict[str, Any]


def resources() -> dict[str, Document]:
    """By logical id."""
    found = {
        "DispatchDoorSecret": _secret(),
        "DispatchDoorLogs": _logs(),
        "DispatchDoorRole": _role(),
        "DispatchDoorFunction": _function(),
        "DispatchDoorErrorsAlarm": _alarm(),
    }
    return {name: {"Type": one["Type"], "Condition": CONDITION, **one} for name, one in found.items()}


def output() -> Document:
    return {
        "Condition": CONDITION,
        "Description": "Where webhooks of dispatch.yml are sent to; the path of an input comes behind it",
        "Value": att("DispatchDoorFunctionUrl.FunctionUrl"),
    }


def _secret() -> Document:
    return {
        "Type": "AWS::SecretsManager::Secret",
        **KEPT,
        "Properties": {
            "Name": sub("${AppName}/${Environment}/dispatch-door"),
            "Description": "What webhooks of dispatch.yml are signed with",
            "KmsKeyId": att("Key.Arn"),
            "SecretString": "{}",
        },
    }


def _logs() -> Document:
    return {
        "Type": "AWS::Logs::LogGroup",
        **KEPT,
        "Properties": {
            "LogGroupName": sub("/${AppName}/${Environment}/dispatch-door"),
            "RetentionInDays": ref("LogRetentionDays"),
            "KmsKeyId": att("Key.Arn"),
        },
    }


def _role() -> Document:
    return role(
        "dispatch-door",
        service="lambda",
        description="Checks webhooks of dispatch.yml and puts them into the queue",
        policy="door",
        statements=[
            allow("PutIntoTheQueue", "sqs:SendMessage", att("DispatchQueue.Arn")),
            allow("ReadItsSecret", "secretsmanager:GetSecretValue", ref("DispatchDoorSecret")),
            allow("UseTheKey", ["kms:Decrypt", "kms:GenerateDataKey"], att("Key.Arn")),
            allow("WriteItsLog", ["logs:CreateLogStream", "logs:PutLogEvents"], att("DispatchDoorLogs.Arn")),
            TRACE,
        ],
    )


def _function() -> Document:
    layers = ("DependenciesLayer", "WarehouseLayer", "SharedLayer", "ConfigLayer")
    bounded = Tag("If", ["IsHookBounded", ref("HookConcurrency"), ref("AWS::NoValue")])
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": sub("${AppName}-${Environment}-dispatch-door"),
            "Description": "Takes webhooks of dispatch.yml",
            "CodeUri": "../../build/functions/dispatch.zip",
            "Handler": "src.dispatch.app.handler",
            "Role": att("DispatchDoorRole.Arn"),
            "MemorySize": 512,
            "Timeout": 10,
            "ReservedConcurrentExecutions": Noted(bounded, "whoever floods it stands in line"),
            "Layers": [ref(layer) for layer in layers],
            "LoggingConfig": {"LogGroup": ref("DispatchDoorLogs")},
            "FunctionUrlConfig": Noted({"AuthType": "NONE"}, "the signatures of the inputs are checked"),
            "Environment": {
                "Variables": {
                    "SECRET_ID": ref("DispatchDoorSecret"),
                    "DISPATCH_FILE": "/opt/python/dispatch.yml",
                    "DISPATCH_QUEUE_URL": ref("DispatchQueue"),
                    "DISPATCH_TABLE": Noted(
                        ref("DispatchTable"), "it has no right to it, and does not use it"
                    ),
                }
            },
        },
    }


def _alarm() -> Document:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": sub("${AppName}-${Environment}-dispatch-door-errors"),
            "AlarmDescription": "The function behind webhooks ended with an error (docs/operate.md#function-errors)",
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": ref("DispatchDoorFunction")}],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [ref("Alerts")],
        },
    }
