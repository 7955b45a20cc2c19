"""The alarms of a source: what somebody has to look at, and where it says what to do (docs/operate.md)."""

from __future__ import annotations

from math import ceil
from typing import Any

from src.deploying.sources import Deployed
from src.deploying.text import Noted, Tag, ref, sub

Document = dict[str, Any]


def alarms(source: Deployed) -> dict[str, Document]:
    """By logical id."""
    name, title = source.name, source.title
    found = {
        f"{title}ErrorsAlarm": _function(
            source,
            "errors",
            "Errors",
            f"The ingest function of {name} ended with an error",
            anchor="function-errors",
        ),
        f"{title}ThrottlesAlarm": _function(
            source,
            "throttles",
            "Throttles",
            f"The ingest function of {name} was not let in",
            anchor="throttles",
        ),
        f"{title}DurationAlarm": _duration(source),
        f"{title}RunsAlarm": _runs(source),
    }
    if source.schedules:
        found[f"{title}FreshnessAlarm"] = _freshness(source)
    return found


def _alarm(name: str, what: str, anchor: str, **properties: Any) -> Document:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": sub(f"${{AppName}}-${{Environment}}-{name}"),
            "AlarmDescription": f"{what} (docs/operate.md#{anchor})",
            **properties,
            "AlarmActions": [ref("Alerts")],
        },
    }


def _function(source: Deployed, kind: str, metric: str, what: str, *, anchor: str) -> Document:
    return _alarm(
        f"{source.name}-{kind}",
        what,
        anchor,
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": ref(f"{source.title}Function")}],
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
        TreatMissingData="notBreaching",
    )


def _duration(source: Deployed) -> Document:
    """A run stops by itself well before its time limit, so whoever comes this near did not stop in time."""
    return _alarm(
        f"{source.name}-duration",
        f"The ingest function of {source.name} does not stop before its time limit",
        "duration",
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=[{"Name": "FunctionName", "Value": ref(f"{source.title}Function")}],
        Statistic="Maximum",
        Period=300,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=Noted(
            source.timeout * 970,
            f"milliseconds: 97 % of {source.timeout} s; it stops by itself at about 92 %",
        ),
        TreatMissingData="notBreaching",
    )


def _runs(source: Deployed) -> Document:
    """Failed, timed out or stopped: also what no state of the machine could catch."""
    machine = [{"Name": "StateMachineArn", "Value": ref(f"{source.title}Machine")}]
    metrics: list[Document] = [
        {
            "Id": identity,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "AWS/States", "MetricName": metric, "Dimensions": machine},
                "Period": 300,
                "Stat": "Sum",
            },
        }
        for identity, metric in (
            ("failed", "ExecutionsFailed"),
            ("late", "ExecutionsTimedOut"),
            ("stopped", "ExecutionsAborted"),
        )
    ]
    every = "FILL(failed, 0) + FILL(late, 0) + FILL(stopped, 0)"
    return _alarm(
        f"{source.name}-runs",
        f"A run of {source.name} did not end well",
        "failed-runs",
        Metrics=[{"Id": "runs", "Expression": every, "Label": "runs that did not end well"}, *metrics],
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
        TreatMissingData="notBreaching",
    )


def _freshness(source: Deployed) -> Document:
    hours = max(1, ceil(source.fresh_within.total_seconds() / 3600))
    alarm = _alarm(
        f"{source.name}-freshness",
        f"Nothing of {source.name} was committed for {hours} hours",
        "freshness",
        Namespace=sub("${AppName}-${Environment}"),
        MetricName=Noted("commits", "from the function's log (shared/telemetry/metrics.py)"),
        Dimensions=[{"Name": "source", "Value": source.name}],
        Statistic="Sum",
        Period=3600,
        EvaluationPeriods=Noted(hours, "`fresh_within` of source.yml"),
        ComparisonOperator="LessThanThreshold",
        Threshold=1,
        TreatMissingData="breaching",
    )
    alarm["Properties"]["ActionsEnabled"] = Tag("If", ["IsScheduled", True, False])
    return alarm
