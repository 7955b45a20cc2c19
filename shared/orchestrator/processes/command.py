"""Process `subprocess`: a command, with the event in its environment and on its standard input.

`PIPELINE_EVENT` is the event as base64 of its JSON, `PIPELINE_KEY` the key that is the same for every attempt at this
event. What is too long for a variable is in the file `PIPELINE_EVENT_FILE` instead, as JSON. Another exit code than 0
is a failure, "process exited with code N". No shell is involved. Nothing of a command that failed, took too long or
lost its dispatcher goes on beside the next attempt (see `left_behind`).
"""

from __future__ import annotations

import base64
import contextlib
import errno
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.environment import Environment
from shared.orchestrator.event import Event
from shared.orchestrator.faults import NonZeroExit, TimedOut
from shared.orchestrator.processes.left_behind import MARK, end_marked, end_orphans, guard, new_mark
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

TAIL = 64_000
"""Bytes of output that are kept: the last ones."""
LONGEST_VARIABLE = 131_072
"""Bytes of a variable with its name and the byte that ends it, as Linux has it (MAX_ARG_STRLEN)."""
LOG = logging.getLogger("sluice.dispatch")


class CommandContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    command: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments."""
    env: Environment = Field(default_factory=dict)
    """Beside `PATH`, `HOME` and the like; nothing else of our own environment is handed on."""
    folder: str = ""


class CommandProcess(ProcessSettings):
    type: Literal["subprocess"]
    execution_context: CommandContext

    def open(self, around: Surroundings) -> Process:
        context = self.execution_context
        env = {name: around.filled(value, process=self.name) for name, value in context.env.items()}
        return Command(self.name, context.command, env, context.folder)


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: str = ""

    def execute(self, event: Event, run: Run) -> Status:
        if guard() and (left := end_orphans()):
            LOG.warning("%d processes that a dispatcher left behind were ended", left)
        mark = new_mark()
        with tempfile.TemporaryFile() as output, _given(event.to_json().encode()) as (given, own):
            started = self._started(given, output, {**own, "PIPELINE_KEY": run.key, MARK: mark})
            code = None
            try:
                code = _wait(started, run)
            finally:
                _end(started, run.last_words)
                if code != 0:
                    end_marked(mark.__eq__)
            logs = _tail(output)
        if code is None:
            raise TimedOut(run.timeout or 0.0, logs=logs)
        if code:
            raise NonZeroExit(code, logs=logs)
        return Status(self.name, logs)

    def _started(
        self, given: IO[bytes], output: IO[bytes], own: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        try:
            return subprocess.Popen(  # noqa: S603 - running what the document says is its work
                self.command, stdin=given, stdout=output, stderr=subprocess.STDOUT,
                env={**kept, **self.env, **own}, cwd=self.folder or None, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            text = f"the command cannot be started: {error}"
            if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY):
                raise Transient(text, process=self.name) from None
            raise Misconfigured(text, process=self.name) from None


_HANDED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SSL_CERT_FILE")


@contextlib.contextmanager
def _given(text: bytes) -> Iterator[tuple[IO[bytes], dict[str, str]]]:
    """The event as a file for the standard input, and the variable that says it or names its file."""
    variable = {"PIPELINE_EVENT": base64.b64encode(text).decode()}
    short = fits(variable)
    with tempfile.TemporaryFile() if short else tempfile.NamedTemporaryFile(prefix="sluice-event-") as file:
        file.write(text)
        file.seek(0)
        yield file, variable if short else {"PIPELINE_EVENT_FILE": file.name}


def fits(variables: Mapping[str, str]) -> bool:
    """Whether each of these can be handed to a program by its environment."""
    return all(len(f"{n}={v}".encode()) < LONGEST_VARIABLE for n, v in variables.items())


def _wait(started: subprocess.Popen[bytes], run: Run) -> int | None:
    """The exit code; None when the time is over or the run was cancelled."""
    until = None if run.timeout is None else time.monotonic() + run.timeout
    while True:
        left = 0.05 if until is None else min(0.05, until - time.monotonic())
        try:
            return started.wait(timeout=max(left, 0.0))
        except subprocess.TimeoutExpired:
            if run.cancelled.is_set() or (until is not None and time.monotonic() >= until):
                return None


def _end(started: subprocess.Popen[bytes], last_words: float) -> None:
    """No process of the group outlives the attempt."""
    if started.poll() is None:
        _signal(started, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=last_words)
    _signal(started, signal.SIGKILL)
    started.wait()


def _signal(started: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, number)


def _tail(output: Any) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - TAIL))
    return str(output.read().decode("utf-8", "replace"))
