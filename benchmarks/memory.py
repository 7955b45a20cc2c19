"""What each import costs: resident memory and seconds, each in a process of its own.

python -m benchmarks memory
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.processes import ROOT

IMPORTS = (
    "sys",
    "http.client, ssl",
    "requests",
    "orjson",
    "msgspec",
    "jsonschema_rs",
    "isal.isal_zlib",
    "yaml",
    "pydantic",
    "pydantic_settings",
    "boto3",
    "requests, orjson, msgspec, jsonschema_rs, isal.isal_zlib, pydantic, yaml",
    "boto3, requests",
    "shared.contracts.page",
    "src.ingest.app",
    "src.cli.app",
)

_PROBE = """
import json, sys, time
def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
before, began, modules = resident(), time.perf_counter(), len(sys.modules)
import {name}
print(json.dumps([resident() - before, time.perf_counter() - began, len(sys.modules) - modules]))
"""


def main(arguments: Sequence[str]) -> int:
    rounds = int(arguments[0]) if arguments else 5
    print("| import | MB | ms | modules |\n|---|---|---|---|")
    for name in IMPORTS:
        found = []
        for _ in range(rounds):
            command = [sys.executable, "-c", _PROBE.format(name=name)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                break
            found.append(json.loads(done.stdout))
        if not found:
            print(f"| `{name}` | cannot be imported | | |")
            continue
        kilobytes, seconds, modules = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"| `{name}` | {kilobytes / 1000:.1f} | {seconds * 1000:.0f} | {modules:.0f} |")
    return 0
