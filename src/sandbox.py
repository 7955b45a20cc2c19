"""Runs a function that is laid out as in Lambda: the real runtime interface client, limits of time and memory.

What Lambda does and this does not: freeze the process between invocations, give it a share of a processor by its
memory, and keep it from writing anywhere but to /tmp.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from src.invoke import Invocation
from src.packaging import bootstrap
from src.packaging.room import Room
from src.runtime_api import Kind, RuntimeApi, Work

INIT_S = 10.0
"""Lambda's limit for loading a function."""

OF_THE_TEMPLATE = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""What `deploy/infra/template.yml` gives every function, and that matters for how it starts."""

_TICK = 0.02
_NOT_PASSED = ("PYTHON", "VIRTUAL_ENV", "PIP_", "LD_", "AWS_LAMBDA_")


@dataclass(frozen=True, slots=True)
class Report:
    """What an invocation cost, as Lambda's REPORT line has it. `init_s` is None for a warm one."""

    request: str
    duration_s: float
    memory_mb: int
    peak_mb: float
    init_s: float | None = None

    def __str__(self) -> str:
        spent = self.duration_s * 1000
        parts = [
            f"REPORT RequestId: {self.request}",
            f"Duration: {spent:.2f} ms",
            f"Billed Duration: {-int(-(spent + (self.init_s or 0) * 1000) // 1)} ms",  # init is billed since 2025
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.peak_mb:.0f} MB",
        ]
        if self.init_s is not None:
            parts.append(f"Init Duration: {self.init_s * 1000:.2f} ms")
        return "\t".join(parts)


@dataclass
class Sandbox:
    """One environment of a function: cold at first and after a timeout or a crash, warm else.

    `log` hears each line that the function writes. `environ` is all that it has of an environment besides Lambda's own
    names. Use it as a context manager.
    """

    room: Room
    name: str
    environ: Mapping[str, str]
    log: Callable[[str], None]
    timeout_s: float = 900.0
    memory_mb: int = 512
    _api: RuntimeApi = field(default_factory=RuntimeApi, repr=False)
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _reader: threading.Thread | None = field(default=None, repr=False)

    def __enter__(self) -> Sandbox:
        self._api.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._api.__exit__(kind, error, trace)

    def invoke(self, event: Any, *, request: str | None = None) -> tuple[Invocation, Report]:
        """One invocation. Errors of the function and of its environment are in the answer, in Lambda's words."""
        request = request or str(uuid.uuid4())
        init_s = None
        broken: dict[str, Any] | None = None
        if self._process is None:
            init_s, broken = self._start(request)
        if broken is not None:
            peak = self._end()
            return Invocation(request, 0.0, error=broken), self._report(request, 0.0, peak, init_s)
        began = time.monotonic()
        arn = f"arn:aws:lambda:us-east-1:012345678912:function:{self.name}"
        self._api.offer(Work(request, json.dumps(event).encode(), time.time() + self.timeout_s, arn))
        kind, said, peak = self._wait(request, began + self.timeout_s, self._timed_out)
        seconds = time.monotonic() - began
        report = self._report(request, seconds, peak, init_s)
        if kind is Kind.ANSWER:
            return Invocation(request, seconds, result=said), report
        return Invocation(request, seconds, error=said), report

    def spent_s(self) -> float:
        """Seconds of a processor that the process has had so far; 0 where the system does not say (not Linux)."""
        if self._process is None:
            return 0.0
        try:
            said = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return 0.0
        user, system = said.rpartition(")")[2].split()[11:13]  # proc(5): fields 14 and 15, in ticks
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _start(self, request: str) -> tuple[float, dict[str, Any] | None]:
        """Start the process and let it load the function: seconds, and the error that it ended in."""
        began = time.monotonic()
        command = [
            *(self.room.interpreter.path, "-I", "-S", "-B", bootstrap.__file__, self.room.handler),
            *map(str, (self.room.task, self.room.opt, self.room.runtime)),
        ]
        self._process = subprocess.Popen(  # noqa: S603  # an interpreter of this machine with what we have built
            command,
            cwd=self.room.task,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        kind, said, _ = self._wait(request, began + INIT_S, self._slow_init, ready=True)
        return time.monotonic() - began, None if kind is Kind.READY else said

    def _environ(self) -> dict[str, str]:
        passed = {n: v for n, v in self.environ.items() if not n.startswith(_NOT_PASSED)}
        region = passed.get("AWS_REGION") or passed.get("AWS_DEFAULT_REGION") or "us-east-1"
        version = self.room.interpreter.version.rpartition(".")[0]
        return {
            **OF_THE_TEMPLATE,
            **passed,
            "PATH": "/usr/local/bin:/usr/bin/:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "_HANDLER": self.room.handler,
            "LAMBDA_TASK_ROOT": str(self.room.task),
            "LAMBDA_RUNTIME_DIR": str(self.room.runtime),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    def _wait(
        self, request: str, deadline: float, late: Callable[[], str], *, ready: bool = False
    ) -> tuple[Kind, Any, float]:
        """Until the runtime has said what is waited for, or must be ended: what it said, and its peak memory in MB."""
        assert self._process is not None
        peak = 0.0
        while True:
            word = self._api.hear(wait_s=_TICK)
            peak = max(peak, peak_mb(self._process.pid))
            if peak > self.memory_mb:
                self._end()
                killed = f"RequestId: {request} Error: Runtime exited with error: signal: killed"
                return Kind.ERROR, _error("Runtime.OutOfMemory", killed), peak
            if word is not None and (word.kind is not Kind.READY or ready):
                said = None if word.kind is Kind.READY else json.loads(word.body)
                if word.kind is Kind.TOO_LARGE:
                    self._end()
                return word.kind, said, peak
            if word is None and self._process.poll() is not None:
                code = self._process.returncode
                self._end()
                how = f"signal: {-code}" if code < 0 else f"exit status {code}"
                exited = f"RequestId: {request} Error: Runtime exited with error: {how}"
                return Kind.ERROR, _error("Runtime.ExitError", exited), peak
            if time.monotonic() > deadline:
                self._end()
                return Kind.ERROR, _error("Sandbox.Timedout", f"RequestId: {request} Error: {late()}"), peak

    def _timed_out(self) -> str:
        return f"Task timed out after {self.timeout_s:.2f} seconds"

    def _slow_init(self) -> str:
        return f"Init timed out after {INIT_S:.2f} seconds"

    def _report(self, request: str, seconds: float, peak: float, init_s: float | None) -> Report:
        return Report(request, seconds, self.memory_mb, peak, init_s)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log(line.rstrip("\n"))

    def _end(self) -> float:
        """End the process; the next invocation is a cold one."""
        process, self._process = self._process, None
        if process is None:
            return 0.0
        peak = peak_mb(process.pid)
        process.kill()
        process.wait()
        if self._reader is not None:
            self._reader.join(10)
        if process.stdout is not None:
            process.stdout.close()
        self._api.forget()
        return peak


def peak_mb(pid: int) -> float:
    """The most memory that a process has had, in MB (2**20 bytes); 0 where the system does not say (not Linux)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    lines = [line.split()[1] for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0]) / 1024 if lines else 0.0


def environ_here(dotenv: Path = Path(".env")) -> dict[str, str]:
    """The environment of this process and `.env`, for a function that finds neither where it stands.

    The landing zone that a command would use by default goes along: a function's own folder is thrown away.
    """
    from dotenv import dotenv_values

    written = {name: value for name, value in dotenv_values(dotenv, encoding="utf-8").items() if value}
    found = {**written, **os.environ}
    if not found.get("LANDING_URL") and not found.get("BUCKET_NAME"):
        found["LANDING_URL"] = (Path.cwd() / ".sluice" / "landing").as_uri()
    return found


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": message}
