"""What a run did, per stream, as CloudWatch metrics in the embedded metric format (one JSON line per stream).

CloudWatch reads the lines from the log, so nothing is called: https://docs.aws.amazon.com/AmazonCloudWatch/latest/
monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from threading import Lock
from typing import Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from shared.common.ports import Clock

_UNITS: Final = {"bytes": MetricUnit.Bytes, "seconds": MetricUnit.Seconds}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was done for one stream: commits, records landed and rejected, bytes as stored, time, requests, repeats."""

    commits: int = 0
    rows: int = 0
    rejected: int = 0
    bytes: int = 0
    seconds: float = 0.0
    api_calls: int = 0
    retries: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def to_stdout(line: str) -> None:
    """Where Lambda looks for metrics."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Metrics:
    """Collects figures and writes them out by `flush`, under `namespace`, by source and stream and by source alone."""

    def __init__(
        self, namespace: str, *, clock: Clock, write: Callable[[str], None] | None = to_stdout
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self._write = write
        self._lock = Lock()
        self._figures: dict[tuple[str, str], Figures] = {}

    def add(self, source: str, stream: str, figures: Figures) -> None:
        """Add to the figures of a stream; safe to call from several threads."""
        with self._lock:
            self._figures[source, stream] = self._figures.get((source, stream), Figures()) + figures

    def flush(self) -> None:
        """Write one line per stream and forget the figures; without `write` they are only forgotten."""
        with self._lock:
            collected, self._figures = self._figures, {}
        if self._write is None:
            return
        for (source, stream), figures in collected.items():
            self._write(self._line(source, stream, figures))

    def _line(self, source: str, stream: str, figures: Figures) -> str:
        provider = AmazonCloudWatchEMFProvider(namespace=self._namespace)
        provider.service = ""  # the dimensions are ours, whatever POWERTOOLS_SERVICE_NAME says
        provider.timestamp = int(self._clock.now().timestamp() * 1000)
        provider.add_dimension("source", source)
        provider.add_dimension("stream", stream)
        for field in fields(figures):
            unit = _UNITS.get(field.name, MetricUnit.Count)
            provider.add_metric(field.name, unit, getattr(figures, field.name))
        document = provider.serialize_metric_set()
        for directive in document["_aws"]["CloudWatchMetrics"]:
            # A second time by source alone: an alarm cannot add streams up.
            directive["Dimensions"].append(["source"])
        return json.dumps(document)
