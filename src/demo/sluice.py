"""Runs the command line for the tour, in processes of its own: exactly what a reader could type."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.common.errors import SluiceError

QUICK = (
    # Two seconds after a change it is fetched: the demo does not wait for the minute that a real API deserves.
    *("--set", "defaults.incremental.lag=1s", "--set", "streams.usage.incremental.lag=1s"),
    *("--set", "reports={}"),
)


@dataclass(frozen=True, slots=True)
class Sluice:
    """The command line with a landing zone and a warehouse below `home`."""

    home: Path
    url: str
    api_key: str

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    def run(self, *arguments: str) -> dict[str, Any]:
        """`sluice run recurly --json`; what its last line says. Raises when it fails."""
        done = subprocess.run(  # noqa: S603 - our own module
            self._command("run", *arguments),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return self._answer(done.returncode, done.stdout, done.stderr)

    def killed(self, *arguments: str, when: Callable[[], bool]) -> None:
        """The same, but killed with SIGKILL as soon as `when` says so; it cannot do anything about it."""
        process = subprocess.Popen(  # noqa: S603 - our own module
            self._command("run", *arguments),
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and not when():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def landed(self) -> dict[str, int]:
        """The rows that the commits of each stream hold together."""
        found: dict[str, int] = {}
        for commit in sorted(self.home.glob("landing/landing/recurly/*/log/*.json")):
            document = json.loads(commit.read_bytes())
            found[document["stream"]] = found.get(document["stream"], 0) + document["rows"]
        return found

    def _command(self, *arguments: str) -> list[str]:
        verb, *rest = arguments
        return [sys.executable, "-m", "src.cli", verb, "recurly", "--json", *QUICK, *rest]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ENVIRONMENT": "local",
            "API_ENDPOINT": self.url,
            "API_KEY": self.api_key,
            "LANDING_URL": (self.home / "landing").absolute().as_uri(),
            "WAREHOUSE_URL": f"duckdb:///{self.warehouse.absolute()}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def _answer(self, code: int, out: str, err: str) -> dict[str, Any]:
        if code != 0:
            raise SluiceError(f"the run ended with code {code}", hint=err.strip()[-2000:], home=self.home)
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
        return answer
