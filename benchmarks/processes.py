"""Runs whole processes and says what each cost, as the operating system accounts for it when it has ended."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """One run: seconds of wall time and CPU, peak resident memory in MB (10^6 bytes), exit code, and its output."""

    wall: float
    cpu: float
    peak: float
    code: int
    output: str
    errors: str


def run(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, from the repository's root."""
    with tempfile.TemporaryDirectory(prefix="cost-") as folder:
        file = Path(folder) / "cost"
        launcher = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "measured.py"), str(file)]
        done = subprocess.run(
            [*launcher, *command],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        wall, cpu, peak, code = file.read_text(encoding="ascii").split()
    return Cost(float(wall), float(cpu), float(peak), int(code), done.stdout, done.stderr)


@contextmanager
def mock_api(*arguments: str) -> Iterator[str]:
    """The mock API in a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "benchmarks.mock_api", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = json.loads(process.stdout.readline())["port"]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def spread(values: Sequence[float], digits: int = 2) -> str:
    """`median [min-max]`."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"
