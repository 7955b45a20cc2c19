"""What a million records cost in AWS: measured here are CPU, waiting, memory and requests; prices are assumptions.

    python -m benchmarks cost                               200,000 records, 50 ms a request, one window at a time
    python -m benchmarks cost --windows 16 --memory 1024

The records go through the Lambda handler into a folder, as one invocation after another with its 15 minutes, and from
there through the loader into a DuckDB file that stands for the warehouse. A store between counts what would be
requests to S3. docs/cost.md has the formula, and the figures of one run.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.data import STREAMS
from benchmarks.ingest import Setting, write_source
from benchmarks.processes import mock_api, run
from shared.ingestion.source import Source
from src.workplace import Workplace

VCPU = 1769
"""MB of memory at which a function has one processor; with less it has that share of one (Lambda's documentation)."""


@dataclass(frozen=True)
class Prices:
    """US dollars, list prices of us-east-1 as assumed on 20 November 2026, without a free tier. See docs/cost.md."""

    lambda_gb_second: float = 0.0000133334
    """A GB of memory for a second, arm64."""
    lambda_request: float = 0.20e-6
    s3_put: float = 0.005e-3
    """PUT and LIST."""
    s3_get: float = 0.0004e-3
    """GET and HEAD."""
    s3_gb_month: float = 0.023
    kms_request: float = 0.03e-4
    states_transition: float = 0.025e-3
    sqs_request: float = 0.40e-6
    logs_gb: float = 0.50


@dataclass(frozen=True)
class Use:
    """What some records used. `busy` are seconds of a whole processor, `waiting` those with nothing to do."""

    records: int
    busy: float
    waiting: float
    invocations: int
    puts: int
    gets: int
    transitions: int = 0
    messages: int = 0
    bytes: int = 0
    peak: float = 0.0

    def gb_seconds(self, memory: int) -> float:
        """What Lambda bills with so many MB: below a whole processor the busy time takes longer."""
        return (self.waiting + self.busy * max(1.0, VCPU / memory)) * memory / 1024

    def per_million(self) -> Use:
        """The same for a million records, if all grows alike."""
        times = 1e6 / self.records
        return Use(
            1_000_000,
            self.busy * times,
            self.waiting * times,
            round(self.invocations * times),
            round(self.puts * times),
            round(self.gets * times),
            round(self.transitions * times),
            round(self.messages * times),
            round(self.bytes * times),
            self.peak,
        )


def bill(use: Use, memory: int, prices: Prices | None = None) -> dict[str, float]:
    """Dollars by what they are for. A data key of a bucket key lasts minutes, so KMS is asked once an invocation."""
    prices = prices or Prices()
    return {
        "Lambda, GB-seconds": use.gb_seconds(memory) * prices.lambda_gb_second,
        "Lambda, requests": use.invocations * prices.lambda_request,
        "S3, PUT and LIST": use.puts * prices.s3_put,
        "S3, GET and HEAD": use.gets * prices.s3_get,
        "S3, a month of storage": use.bytes / 1e9 * prices.s3_gb_month,
        "Step Functions": use.transitions * prices.states_transition,
        "SQS": use.messages * 3 * prices.sqs_request,
        "KMS": use.invocations * prices.kms_request,
        "logs, 2 KB an invocation": use.invocations * 2e-6 * prices.logs_gb,
    }


@dataclass
class Counting:
    """A store that counts the requests that S3 would get; a listing is one for each thousand keys."""

    store: Any
    counts: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        kind = {"get": "get", "open": "get", "head": "get", "put_new": "put", "put_file": "put"}.get(name)
        if name == "list":
            self.counts["put"] += 1
        if kind is not None:
            self.counts[kind] += 1
        return found


@dataclass(frozen=True)
class Place(Workplace):
    """The workplace of the handler: the benchmark's source, and a store that counts."""

    counting: Any = None
    file: Path = Path()
    changes: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Any:
        return self.counting

    def source(
        self, name: str, *, file: Path | None = None, changes: Mapping[str, str] | None = None
    ) -> Source:
        return super().source(name, file=self.file, changes=self.changes)


@dataclass(frozen=True)
class Limit:
    """The context of an invocation that began at `began`."""

    began: float
    seconds: float = 900.0
    function_name: str = "bench-ingest"
    aws_request_id: str = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.seconds - (time.monotonic() - self.began)))


def ingested(place: Place, until: str) -> tuple[int, int]:
    """Run the handler until it says done; the rows and the invocations."""
    from src.ingest.app import handler_of

    handler = handler_of(lambda: place, {})
    event: Any = {"source": "bench", "until": until}
    for count in range(1, 1000):
        event = handler(event, Limit(time.monotonic()))  # type: ignore[arg-type]
        if event["done"]:
            return sum(one["rows"] for one in event["streams"].values()), count
    raise SystemExit("not done after 1,000 invocations")


def loaded(place: Place) -> tuple[int, int]:
    """Load what has landed; the rows, and the commits as each calls the load function once."""
    from src.loading import load_stream

    source = place.source("bench")
    reports = [load_stream(place, source, name) for name in STREAMS]
    commits = sum(report.to_sequence - report.from_sequence for report in reports)
    return sum(report.rows for report in reports), commits


def _measure(what: Callable[[], tuple[int, int]], counts: Counter[str]) -> dict[str, Any]:
    """Run one half in this process; seconds, requests, rows and how often it was called."""
    counts.clear()
    began = time.monotonic()
    cpu = time.process_time()
    rows, calls = what()
    busy = time.process_time() - cpu
    wall = time.monotonic() - began
    return {
        "records": rows,
        "busy": busy,
        "waiting": max(0.0, wall - busy),
        "invocations": calls,
        "puts": counts["put"],
        "gets": counts["get"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def child(arguments: argparse.Namespace) -> int:
    """One half, in a process of its own so that its memory is its own; prints what it used."""
    logging.disable(logging.WARNING)
    folder = Path(arguments.folder)
    os.environ["LANDING_URL"] = (folder / "landing").as_uri()
    os.environ["WAREHOUSE_URL"] = f"duckdb:///{folder / 'bench.duckdb'}"
    os.environ["LOG_LEVEL"] = "ERROR"
    from src.wiring import open_store

    opened = Workplace.open()
    counting = Counting(open_store(opened.settings.landing_url))
    changes = dict(pair.split("=", 1) for pair in arguments.set)
    place = Place(
        opened.configuration, opened.redactor, counting=counting, file=Path(arguments.source), changes=changes
    )
    half = partial(ingested, place, arguments.until) if arguments.half == "ingest" else partial(loaded, place)
    print(json.dumps(_measure(half, counting.counts)))
    return 0


def _half(name: str, folder: Path, setting: Setting, changes: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "cost", "--half", name, "--folder", str(folder)]
    command += ["--source", str(setting.source), "--until", setting.until]
    done = run([*command, *(word for change in changes for word in ("--set", change))])
    if done.code:
        raise SystemExit(done.errors)
    found: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    return found


def measured(records: int, latency: float, windows: int) -> tuple[Use, Use]:
    """What ingesting and loading so many records used."""
    rows = records // len(STREAMS)
    with (
        tempfile.TemporaryDirectory(prefix="cost-") as name,
        mock_api("--rows", str(rows), "--latency-ms", str(latency)) as url,
    ):
        folder = Path(name)
        setting = Setting(url, rows, write_source(folder))
        changes = [f"base_url={url}"]
        if windows > 1:
            length = max(1, rows // 3 // windows)
            changes += [
                f"defaults.incremental.window={length}s",
                f"defaults.incremental.concurrency={windows}",
            ]
        first = _half("ingest", folder, setting, changes)
        size = sum(file.stat().st_size for file in (folder / "landing").rglob("*") if file.is_file())
        second = _half("load", folder, setting, changes)
    # Ten states around a run, and for each stream three and five for each slice (deploy/infra/run.asl.yml).
    transitions = 10 + len(STREAMS) * 3 + first["invocations"] * 5
    # A message for each commit: sent, received, deleted.
    return Use(**first, transitions=transitions, bytes=size), Use(**second, messages=second["invocations"])


def _table(ingest: Use, load: Use, memory: int) -> str:
    lines = ["| a million records | ingest | load |", "|---|---|---|"]
    one, other = ingest.per_million(), load.per_million()
    for each in fields(Use):
        if each.name not in ("records", "bytes"):
            what = each.name + {"busy": ", s", "waiting": ", s", "peak": ", MB"}.get(each.name, "")
            lines.append(f"| {what} | {getattr(one, each.name):,.0f} | {getattr(other, each.name):,.0f} |")
    lines.append(
        f"| GB-seconds at {memory} MB | {one.gb_seconds(memory):,.0f} | {other.gb_seconds(memory):,.0f} |"
    )
    first, second = bill(one, memory), bill(other, memory)
    lines += [f"| {name}, $ | {first[name]:.4f} | {second[name]:.4f} |" for name in first]
    lines.append(f"| **sum, $** | **{sum(first.values()):.4f}** | **{sum(second.values()):.4f}** |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cost", description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--latency-ms", type=float, default=50.0, help="what the API takes for a request")
    parser.add_argument("--windows", type=int, default=1, help="windows of a stream side by side")
    parser.add_argument("--memory", type=int, default=512, help="MB of the function")
    for name in ("--half", "--folder", "--source", "--until"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--set", action="append", default=[], help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.half:
        return child(given)
    ingest, load = measured(given.records, given.latency_ms, given.windows)
    print(_table(ingest, load, given.memory))
    print(f"\nmeasured with {given.records:,} records; ingesting took {ingest.busy + ingest.waiting:.1f} s")
    return 0
