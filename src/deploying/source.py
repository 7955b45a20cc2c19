"""The resources of one source: secret, log, function, machines, schedule, roles and alarms."""

from __future__ import annotations

from math import ceil
from typing import Any

from src.deploying.alarms import alarms
from src.deploying.roles import backfill_role, function_role, machine_role, schedule_role
from src.deploying.sources import Deployed, camel
from src.deploying.text import Noted, Tag, att, ref, sub

Document = dict[str, Any]

KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def resources(source: Deployed) -> dict[str, Document]:
    """All resources of a source, by logical id."""
    title = source.title
    found = {
        f"{title}Secret": _secret(source),
        f"{title}Logs": _log_group(source.name),
        f"{title}Role": function_role(source),
        f"{title}Function": _function(source),
        f"{title}MachineLogs": _log_group(f"{source.name}-runs", path="/aws/vendedlogs/states"),
        f"{title}MachineRole": machine_role(source),
        f"{title}Machine": _machine(source),
        f"{title}BackfillRole": backfill_role(source),
        f"{title}Backfill": _backfill(source),
    }
    if source.schedules:
        found[f"{title}ScheduleRole"] = schedule_role(source)
    return found | alarms(source)


def setting_name(name: str) -> str:
    """The parameter of the template that a setting of a source.yml becomes.

    >>> setting_name("API_ENDPOINT")
    'SettingApiEndpoint'
    """
    return f"Setting{camel(name)}"


def _secret(source: Deployed) -> Document:
    return {
        "Type": "AWS::SecretsManager::Secret",
        **KEPT,
        "Properties": {
            "Name": sub(f"${{AppName}}/${{Environment}}/{source.name}"),
            "Description": f"What {source.name} is signed in with, and how its function tells people",
            "KmsKeyId": att("Key.Arn"),
            "SecretString": Noted(
                "{}", "filled by hand once; a deploy writes it only when this line changes"
            ),
        },
    }


def _log_group(name: str, *, path: str = "") -> Document:
    return {
        "Type": "AWS::Logs::LogGroup",
        **KEPT,
        "Properties": {
            "LogGroupName": sub(f"{path}/${{AppName}}/${{Environment}}/{name}"),
            "RetentionInDays": ref("LogRetentionDays"),
            "KmsKeyId": att("Key.Arn"),
        },
    }


def _function(source: Deployed) -> Document:
    title = source.title
    layers = [
        "DependenciesLayer",
        *(["WarehouseLayer"] if source.database else []),
        "SharedLayer",
        "ConfigLayer",
    ]
    settings = {name: ref(setting_name(name)) for name, _ in source.settings}
    reserved = source.reserved_concurrency
    return {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "FunctionName": sub(f"${{AppName}}-${{Environment}}-{source.name}-ingest"),
            "Description": f"Lands {source.description or source.name}",
            "CodeUri": "../../build/functions/ingest.zip",
            "Handler": "src.ingest.app.handler",
            "Role": att(f"{title}Role.Arn"),
            "MemorySize": source.memory,
            "Timeout": source.timeout,
            "EphemeralStorage": {"Size": Noted(2048, "parts are written here before they are uploaded")},
            **({"ReservedConcurrentExecutions": reserved} if reserved else {}),
            "Layers": [ref(layer) for layer in layers],
            "LoggingConfig": {"LogGroup": ref(f"{title}Logs")},
            "Environment": {
                "Variables": {"SOURCE": source.name, "SECRET_ID": ref(f"{title}Secret"), **settings}
            },
        },
    }


def _machine(source: Deployed) -> Document:
    title = source.title
    properties: Document = {
        "Name": sub(f"${{AppName}}-${{Environment}}-{source.name}"),
        "DefinitionUri": "run.asl.yml",
        "DefinitionSubstitutions": {**_substitutions(source), "LoadFunction": att("LoadFunction.Arn")},
        "Role": att(f"{title}MachineRole.Arn"),
        "Tracing": {"Enabled": True},
        "Logging": _logging(title),
    }
    if source.schedules:
        properties["Events"] = _schedules(source)
    return {"Type": "AWS::Serverless::StateMachine", "Properties": properties}


def _backfill(source: Deployed) -> Document:
    title = source.title
    return {
        "Type": "AWS::Serverless::StateMachine",
        "Properties": {
            "Name": sub(f"${{AppName}}-${{Environment}}-{source.name}-backfill"),
            "DefinitionUri": "backfill.asl.yml",
            "DefinitionSubstitutions": _substitutions(source),
            "Role": att(f"{title}BackfillRole.Arn"),
            "Tracing": {"Enabled": True},
            "Logging": _logging(title),
        },
    }


def _substitutions(source: Deployed) -> Document:
    return {
        "Partition": ref("AWS::Partition"),
        "AppName": sub("${AppName}-${Environment}"),
        "Source": source.name,
        "AlertTopic": ref("Alerts"),
        "IngestFunction": att(f"{source.title}Function.Arn"),
        "IngestLogs": ref(f"{source.title}Logs"),
    }


def _logging(title: str) -> Document:
    group = {"CloudWatchLogsLogGroup": {"LogGroupArn": att(f"{title}MachineLogs.Arn")}}
    return {
        "Level": "ERROR",
        "IncludeExecutionData": Noted(False, "orders are in the history already"),
        "Destinations": [group],
    }


def _schedules(source: Deployed) -> Document:
    """One event for each expression: Unix runs on either of two days, EventBridge needs two schedules for that."""
    return {
        f"Schedule{number or ''}": _schedule(source, expression, number)
        for number, expression in enumerate(source.schedules)
    }


def _schedule(source: Deployed, expression: str, number: int) -> Document:
    minutes = ceil(source.flexible.total_seconds() / 60)
    window: Document = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes} if minutes else {"Mode": "OFF"}
    suffix = f"-{number + 1}" if number else ""
    return {
        "Type": "ScheduleV2",
        "Properties": {
            "Name": sub(f"${{AppName}}-${{Environment}}-{source.name}{suffix}"),
            "Description": f"When {source.name} runs",
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": source.timezone,
            "FlexibleTimeWindow": window,
            "State": Tag("If", ["IsScheduled", "ENABLED", "DISABLED"]),
            "Input": '{"scheduled": "<aws.scheduler.scheduled-time>"}',
            "RetryPolicy": {"MaximumRetryAttempts": 20, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": att("DeadLetters.Arn")},
            "RoleArn": att(f"{source.title}ScheduleRole.Arn"),
        },
    }
