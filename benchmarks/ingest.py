"""The product against the floor: whole processes, taking turns, on the same mock API in the same run.

    python -m benchmarks ingest                                    20,000 records, no latency, 5 rounds
    python -m benchmarks ingest --records 200000 --rounds 3
    python -m benchmarks ingest --latency-ms 50 --cases floor-jsonl,sluice-jsonl,sluice-16win

Wall, CPU and peak memory are those of the whole process, interpreter and imports included, as median [min-max]. Rows
are counted in what was written, by other code than wrote it. The mock API works on another core; its CPU is in no
figure. Differences below about 15 % are noise on a shared machine.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from isal import igzip

from benchmarks.data import EPOCH, RECORDS_PER_SECOND, STREAMS, contract_of
from benchmarks.processes import ROOT, Cost, mock_api, run, spread


@dataclass(frozen=True)
class Setting:
    """What every case of one run shares: the API, how many rows each of its streams has, and the source file."""

    base_url: str
    rows: int
    source: Path

    @property
    def until(self) -> str:
        """A time after the last record."""
        end = EPOCH + timedelta(seconds=self.rows // RECORDS_PER_SECOND + 10)
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Case:
    """A command that fills a folder, and how to count the rows in it (None: they cannot be)."""

    name: str
    command: Callable[[Setting, Path], list[str]]
    count: Callable[[Path], int] | None
    env: Callable[[Path], dict[str, str]] = lambda folder: {}


@dataclass
class Measured:
    case: Case
    costs: list[Cost] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def count_lines(folder: Path) -> int:
    """JSON texts in all parts below a folder."""
    files = [*folder.rglob("*.jsonl.gz")]
    return sum(
        sum(1 for line in igzip.open(file) if line.strip()) for file in files if "rejected" not in file.parts
    )


def count_csv(folder: Path) -> int:
    """Rows behind the header in all CSV files below a folder."""
    rows = 0
    for file in folder.rglob("*.csv.gz"):
        with igzip.open(file) as opened, io.TextIOWrapper(opened, encoding="utf-8", newline="") as text:
            rows += sum(1 for _ in csv.reader(text)) - 1
    return rows


def count_tables(folder: Path) -> int:
    """Rows in the four streams' tables of the DuckDB file below a folder."""
    import duckdb

    (file,) = folder.rglob("*.duckdb")
    with duckdb.connect(str(file), read_only=True) as connection:
        listed = "SELECT table_schema, table_name FROM information_schema.tables"
        tables = [(schema, name) for schema, name in connection.execute(listed).fetchall() if name in STREAMS]
        counts = [
            connection.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchone()
            for schema, name in tables
        ]
    return sum(int(count[0]) for count in counts if count)


def floor(kind: str) -> Callable[[Setting, Path], list[str]]:
    return lambda setting, folder: [
        sys.executable,
        "-m",
        "benchmarks.floor",
        kind,
        setting.base_url,
        str(folder),
    ]


def sluice(*changes: str, load: bool = False, windows: int = 0) -> Callable[[Setting, Path], list[str]]:
    """The product's command; `windows` cuts each stream into so many, fetched four at a time beside other streams."""

    def command(setting: Setting, folder: Path) -> list[str]:
        extra = list(changes)
        if windows:
            seconds = setting.rows // RECORDS_PER_SECOND // windows + 1
            extra += [
                f"defaults.incremental.window={seconds}s",
                f"defaults.incremental.concurrency={windows}",
            ]
        words = [f"base_url={setting.base_url}", *extra]
        sets = [word for change in words for word in ("--set", change)]
        ends = ["--until", setting.until, *([] if load else ["--no-load"]), "--json"]
        return [
            sys.executable,
            "-m",
            "src.cli",
            "run",
            "bench",
            "--source-file",
            str(setting.source),
            *sets,
            *ends,
        ]

    return command


def home(folder: Path) -> dict[str, str]:
    """Settings that keep the product inside the folder."""
    return {
        "ENVIRONMENT": "local",
        "LANDING_URL": (folder / "landing").as_uri(),
        "WAREHOUSE_URL": f"duckdb:///{folder / 'warehouse.duckdb'}",
    }


CASES = (
    Case("floor-raw", floor("raw"), None),
    Case("floor-page", floor("page"), None),
    Case("floor-jsonl", floor("jsonl"), count_lines),
    Case("sluice-jsonl", sluice(), count_lines, home),
    Case("floor-csv", floor("csv"), count_csv),
    Case("sluice-csv", sluice("defaults.format=csv"), count_csv, home),
    Case("floor-duck", floor("duck"), count_tables),
    Case("sluice-duck", sluice(load=True), count_tables, home),
    Case("sluice-16win", sluice("parallel_streams=4", windows=4), count_lines, home),
)
USUAL = ("floor-jsonl", "sluice-jsonl", "floor-csv", "sluice-csv", "floor-duck", "sluice-duck")


def measure(case: Case, setting: Setting, expected: int) -> tuple[Cost, str]:
    """One run of a case in a new folder, and what was wrong with it ("" when nothing was)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        cost = run(case.command(setting, folder), env=case.env(folder))
        if cost.code != 0:
            return cost, f"exit {cost.code}: {(cost.errors or cost.output).strip()[-400:]}"
        rows = case.count(folder) if case.count else expected
        return cost, "" if rows == expected else f"{rows} rows, expected {expected}"


def write_source(folder: Path) -> Path:
    """The benchmark's source file with the contracts beside it."""
    (folder / "contracts").mkdir()
    for stream in STREAMS:
        (folder / "contracts" / f"{stream}.json").write_text(json.dumps(contract_of(stream)))
    return Path(shutil.copy(ROOT / "benchmarks" / "bench_source.yml", folder / "source.yml"))


def table(results: Sequence[Measured], records: int) -> str:
    """The results as Markdown, with the ratio to the JSON-lines floor where it was run."""
    medians = {m.case.name: statistics.median(c.wall for c in m.costs) for m in results if not m.faults}
    base = medians.get("floor-jsonl")
    lines = [
        "| case | wall s | cpu s | peak MB | rec/s | speed, floor-jsonl = 1 | rows |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        walls = [cost.wall for cost in result.costs]
        median = statistics.median(walls)
        ratio = f"{base / median:.2f}" if base else "-"
        rows = "ok" if result.case.count and not result.faults else "-"
        cells = [result.case.name, spread(walls), spread([c.cpu for c in result.costs])]
        cells += [f"{max(c.peak for c in result.costs):.0f}", f"{records / median:,.0f}", ratio]
        lines.append("| " + " | ".join([*cells, result.faults[0] if result.faults else rows]) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="in all four streams together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--gzip", action="store_true", help="the API compresses its answers")
    parser.add_argument(
        "--cases", default=",".join(USUAL), help=f"of {', '.join(case.name for case in CASES)}"
    )
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args(arguments)
    names = options.cases.split(",")
    cases = [case for case in CASES if case.name in names]
    if len(cases) < len(names):
        parser.error(f"unknown cases: {', '.join(sorted(set(names) - {case.name for case in cases}))}")
    rows = options.records // len(STREAMS)
    results = [Measured(case) for case in cases]
    api = [
        "--rows",
        str(rows),
        "--latency-ms",
        str(options.latency_ms),
        *(["--gzip"] if options.gzip else []),
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, mock_api(*api) as base_url:
        setting = Setting(base_url, rows, write_source(Path(folder)))
        run(floor("raw")(setting, Path(folder)))  # the API has its pages ready afterwards
        for number in range(options.rounds):
            for result in results:
                cost, fault = measure(result.case, setting, rows * len(STREAMS))
                result.costs.append(cost)
                result.faults += [fault] if fault else []
                print(
                    f"round {number + 1} {result.case.name}: {cost.wall:.2f} s {fault}",
                    file=sys.stderr,
                    flush=True,
                )
    print(f"{rows * len(STREAMS):,} records, {options.latency_ms:g} ms, {options.rounds} rounds\n")
    print(table(results, rows * len(STREAMS)))
    if options.out:
        figures = {
            r.case.name: [{"wall": c.wall, "cpu": c.cpu, "peak": c.peak} for c in r.costs] for r in results
        }
        options.out.write_text(
            json.dumps({"records": rows * len(STREAMS), "cases": figures}, indent=1) + "\n"
        )
    return 1 if any(result.faults for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
