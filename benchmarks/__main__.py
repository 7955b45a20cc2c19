"""`python -m benchmarks` lists the benchmarks and runs one: `python -m benchmarks ingest --help`."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = {
    "ingest": "the product against the floor, whole processes on a mock API: speed, CPU and memory",
    "hotpath": "from a page to the bytes of a part, without a network: each step and what it was chosen over",
    "checks": "all checks of a table against one aggregate query written by hand, in DuckDB",
    "load": "200,000 landed records into DuckDB, PostgreSQL and MariaDB, against the warehouse's own way",
    "sql": "a table of PostgreSQL into the landing zone against COPY through the same gzip",
    "cold_start": "each function out of its built zips: from the start of the process to its first line of log",
    "cost": "what a million records cost in AWS: CPU, waiting, memory and requests measured, prices assumed",
    "compile": "1,000 definitions to all targets, and how fast Airflow parses the files, against hand-written ones",
    "dispatch": "events through the dispatcher: throughput, latency, memory, and a peer",
    "memory": "what each import costs in memory and time",
}


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in BENCHMARKS:
        print("usage: python -m benchmarks BENCHMARK [options]\n")
        for name, text in BENCHMARKS.items():
            print(f"  {name:12}{text}")
        return 0 if not arguments else 2
    result: int = importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
