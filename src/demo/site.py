"""The simulated Recurly site of the tour: a process of its own, as a real API would be."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

import requests

from shared.common.errors import Transient


class Site:
    """Starts the simulator on a free port; the tour asks it what it has, and lets days pass.

    It is live: what changes while it runs carries the time of now.
    """

    def __init__(self, *, seed: int, scale: float) -> None:
        self._command = [
            *(sys.executable, "-m", "shared.recurly.simulator", "--live"),
            *("--port", "0", "--seed", str(seed), "--scale", str(scale)),
        ]
        self.url = ""
        self.api_key = ""
        self.records = 0

    def __enter__(self) -> Site:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Transient("the simulated site did not start", command=" ".join(self._command))
        told = json.loads(line)
        self.url, self.api_key, self.records = told["url"], told["api_key"], told["records"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def report(self) -> dict[str, Any]:
        """Records and requests so far, by list."""
        return self._ask("report", {})

    def requests(self) -> int:
        return sum(self.report()["requests"].values())

    def advance(self, days: int) -> None:
        self._ask("advance", {"days": days})

    def _ask(self, what: str, document: dict[str, Any]) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env = False  # a proxy must not stand between us and our own process
            answer = session.post(f"{self.url}/_simulator/{what}", json=document, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found
