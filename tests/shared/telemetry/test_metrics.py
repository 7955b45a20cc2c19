"""Metrics: CloudWatch's embedded metric format, one line per stream."""

from __future__ import annotations

import json

import pytest

from shared.common.fakes import START, FakeClock
from shared.telemetry.metrics import Figures, Metrics


def test_a_stream_is_one_line_in_the_embedded_metric_format() -> None:
    lines: list[str] = []
    metrics = Metrics("Sluice", clock=FakeClock(), write=lines.append)
    metrics.add(
        "recurly", "accounts", Figures(rows=5, rejected=1, bytes=100, seconds=1.5, api_calls=2, retries=1)
    )

    metrics.flush()

    document = json.loads(lines[0])
    declared = document["_aws"]["CloudWatchMetrics"][0]
    assert document["_aws"]["Timestamp"] == int(START.timestamp() * 1000)
    assert declared["Namespace"] == "Sluice"
    assert declared["Dimensions"] == [["source", "stream"], ["source"]]
    assert {m["Name"]: m["Unit"] for m in declared["Metrics"]} == {
        "commits": "Count",
        "rows": "Count",
        "rejected": "Count",
        "bytes": "Bytes",
        "seconds": "Seconds",
        "api_calls": "Count",
        "retries": "Count",
    }
    assert (document["source"], document["stream"], document["rows"]) == ("recurly", "accounts", [5.0])


def test_figures_of_one_stream_are_added_up_and_forgotten_by_flush() -> None:
    lines: list[str] = []
    metrics = Metrics("Sluice", clock=FakeClock(), write=lines.append)
    metrics.add("recurly", "accounts", Figures(rows=5))
    metrics.add("recurly", "plans", Figures(rows=1))
    metrics.add("recurly", "accounts", Figures(rows=2))

    metrics.flush()
    metrics.flush()

    assert [(json.loads(line)["stream"], json.loads(line)["rows"]) for line in lines] == [
        ("accounts", [7.0]),
        ("plans", [1.0]),
    ]


def test_lines_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics("Sluice", clock=FakeClock())
    metrics.add("recurly", "accounts", Figures(rows=1))

    metrics.flush()

    assert json.loads(capsys.readouterr().out)["rows"] == [1.0]


def test_nothing_is_written_where_nobody_reads_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics("Sluice", clock=FakeClock(), write=None)
    metrics.add("recurly", "accounts", Figures(rows=1))

    metrics.flush()

    assert capsys.readouterr().out == ""


def test_dimensions_are_ours_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "other")
    lines: list[str] = []
    metrics = Metrics("Sluice", clock=FakeClock(), write=lines.append)
    metrics.add("s", "t", Figures())

    metrics.flush()

    assert json.loads(lines[0])["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["source", "stream"],
        ["source"],
    ]
