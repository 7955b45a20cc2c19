"""The dashboard: per source its rows, rejects, lag and cost, out of metrics that the code and AWS write."""

from __future__ import annotations

import json
from typing import Any

from src.deploying.sources import Deployed
from src.deploying.text import Tag, sub

Document = dict[str, Any]

GB_SECOND = 0.0000133334
"""USD of a GB-second on arm64, us-east-1, November 2026 (https://aws.amazon.com/lambda/pricing)."""

REQUEST = 0.0000002
"""USD of an invocation, there as well."""


def dashboard(sources: list[Deployed], *, dispatches: bool = False) -> Document:
    """The resource; its body is a text, as CloudWatch wants it. `dispatches`: with what the dispatcher does."""
    widgets: list[Document] = [_across(sources), _steps()]
    if dispatches:
        widgets.append(_dispatch())
    for source in sources:
        widgets += _of(source)
    rows = ",\n".join(json.dumps(widget, ensure_ascii=False) for widget in _laid_out(widgets))
    body = f'{{"widgets": [\n{rows}\n]}}'
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": sub("${AppName}-${Environment}"),
            "DashboardBody": Tag("Sub", body),
        },
    }


def _widget(title: str, metrics: list[Any], *, width: int = 6, **more: Any) -> Document:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "metrics": metrics,
        **more,
    }
    return {"type": "metric", "width": width, "height": 6, "properties": properties}


def _across(sources: list[Deployed]) -> Document:
    queue = [
        "AWS/SQS",
        "ApproximateAgeOfOldestMessage",
        "QueueName",
        "${CommitQueue.QueueName}",
        {"label": "commits wait for their load, seconds"},
    ]
    letters = [
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        "QueueName",
        "${DeadLetters.QueueName}",
        {"label": "dead letters", "yAxis": "right"},
    ]
    runs = [
        [
            "AWS/States",
            "ExecutionsFailed",
            "StateMachineArn",
            f"${{{s.title}Machine}}",
            {"label": f"failed runs of {s.name}", "stat": "Sum", "yAxis": "right"},
        ]
        for s in sources
    ]
    return _widget("Loads and failures", [queue, letters, *runs], width=24, stat="Maximum", period=300)


def _steps() -> Document:
    """What compiled pipelines have the step function do."""
    function = ["FunctionName", "${StepFunction}"]
    metrics = [
        ["AWS/Lambda", "Invocations", *function, {"label": "steps", "stat": "Sum"}],
        ["AWS/Lambda", "Errors", *function, {"label": "steps that failed", "stat": "Sum"}],
        [
            "AWS/Lambda",
            "Duration",
            *function,
            {"label": "the longest, milliseconds", "stat": "Maximum", "yAxis": "right"},
        ],
    ]
    return _widget("Steps of pipelines", metrics, width=12, period=300)


def _dispatch() -> Document:
    """By name, as its resources are there under a condition, and the text of a dashboard knows none."""
    name = "${AppName}-${Environment}-dispatch"
    function, queue = ["FunctionName", name], ["QueueName", name]
    metrics = [
        ["AWS/Lambda", "Invocations", *function, {"label": "messages", "stat": "Sum"}],
        ["AWS/Lambda", "Errors", *function, {"label": "errors", "stat": "Sum"}],
        [
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            *queue,
            {"label": "the oldest waits, seconds", "stat": "Maximum", "yAxis": "right"},
        ],
        [
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            "QueueName",
            f"{name}-dead-letters",
            {"label": "dead letters", "stat": "Maximum", "yAxis": "right"},
        ],
    ]
    return _widget("Events and what follows them", metrics, width=12, period=300)


def _of(source: Deployed) -> list[Document]:
    namespace = "${AppName}-${Environment}"
    streams = (
        f"SEARCH('{{{namespace},source,stream}} MetricName=\"%s\" source=\"{source.name}\"', 'Sum', 3600)"
    )

    def by_stream(title: str, metric: str) -> Document:
        return _widget(
            f"{source.name}: {title}",
            [[{"expression": streams % metric, "id": "found"}]],
            stat="Sum",
            period=3600,
        )

    machine = ["StateMachineArn", f"${{{source.title}Machine}}"]
    lag = [
        ["AWS/States", "ExecutionTime", *machine, {"label": "a run, milliseconds", "stat": "Maximum"}],
        [namespace, "commits", "source", source.name, {"label": "commits", "stat": "Sum", "yAxis": "right"}],
    ]
    return [
        by_stream("rows landed", "rows"),
        by_stream("rows rejected", "rejected"),
        _widget(f"{source.name}: lag", lag, period=3600),
        _widget(f"{source.name}: cost of its function, USD a day", _cost(source), period=86400, stat="Sum"),
    ]


def _cost(source: Deployed) -> list[Any]:
    """Milliseconds times memory, and a price for each call; docs/cost.md has the rest."""
    function = ["FunctionName", f"${{{source.title}Function}}"]
    gb = source.memory / 1024
    return [
        ["AWS/Lambda", "Duration", *function, {"id": "took", "visible": False}],
        ["AWS/Lambda", "Invocations", *function, {"id": "calls", "visible": False}],
        [
            {
                "expression": f"took / 1000 * {gb:g} * {GB_SECOND:.10f} + calls * {REQUEST:.7f}",
                "label": "USD",
                "id": "cost",
            }
        ],
    ]


def _laid_out(widgets: list[Document]) -> list[Document]:
    """Side by side in 24 columns."""
    found, x, y = [], 0, 0
    for widget in widgets:
        if x + widget["width"] > 24:
            x, y = 0, y + 6
        found.append({"type": widget["type"], "x": x, "y": y, **widget})
        x += widget["width"]
    return found
