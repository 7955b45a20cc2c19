"""Lambda functions and containers: what runs outside of this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress

from shared.common.clock import random_token
from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.types import JSON
from shared.pipelines.runner.executor import Task
from shared.pipelines.values import as_text
from shared.pipelines.work import Container, Lambda

_ENGINES = ("podman", "docker")
_LAST_WORDS = 2000
_PATIENCE = 10.0  # seconds between asking a command to end and ending it


def invoke(task: Task) -> JSON:
    """Do a lambda step. Raises `Refused` with what the function says when it fails."""
    from shared.aws.clients import client

    work = task.step.work
    assert isinstance(work, Lambda)
    payload = json.dumps(task.value(work.payload), ensure_ascii=False).encode()
    seconds = min(task.step.timeout_seconds or 900.0, 900.0)
    # Tried once: a function that was begun must not be begun again by a library; that is the step's to say.
    answer = client("lambda", read_timeout=seconds, attempts=1).invoke(
        FunctionName=work.function, Payload=payload
    )
    text = answer["Payload"].read().decode("utf-8", "replace")
    if answer.get("FunctionError"):
        raise Refused(f"function {work.function} failed: {text[:_LAST_WORDS]}", step=task.step.name)
    found: JSON = json.loads(text) if text.strip() else None
    return found


def container(task: Task) -> JSON:
    """Do a container step with podman or docker. Raises `Refused` with the end of what it said when it fails."""
    work = task.step.work
    assert isinstance(work, Container)
    engine = next((found for name in _ENGINES if (found := shutil.which(name))), None)
    if engine is None:
        raise Misconfigured(
            "containers need podman or docker here, and neither is installed", step=task.step.name
        )
    environment = {name: as_text(value) for name, value in task.value(work.environment).items()}
    name = f"sluice-{random_token(8)}"
    words = [engine, "run", "--rm", "--name", name]
    for (
        variable
    ) in environment:  # values stay out of the command line, which other users of the machine can read
        words += ["--env", variable]
    words += [] if work.cpu is None else ["--cpus", f"{work.cpu:g}"]
    words += [] if work.memory is None else ["--memory", f"{work.memory}m"]
    words += [work.image, *(as_text(word) for word in task.value(work.command))]
    try:
        code, said = run(words, environment, task)
    except Transient:  # the client may be gone and the container not
        subprocess.run([engine, "rm", "--force", name], capture_output=True, timeout=30, check=False)  # noqa: S603
        raise
    if code != 0:
        raise Refused(
            f"container {work.image} ended with exit code {code}: {said.strip()[-500:]}", step=task.step.name
        )
    return {"exit_code": 0}


def run(words: list[str], environment: dict[str, str], task: Task) -> tuple[int, str]:
    """Exit code and last words of a command; it is ended when the attempt is."""
    process = subprocess.Popen(  # noqa: S603 - the definition names it, and no shell reads it
        words, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    while True:
        try:
            said, _ = process.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            if not task.cancelled():
                continue
            _end(process)
            raise Transient("the command was told to end", step=task.step.name) from None
        return process.returncode, said[-_LAST_WORDS:]


def _end(process: subprocess.Popen[str]) -> None:
    """End a command with all that it has started: a group of its own, which a Ctrl-C of the terminal does not reach."""
    for number, seconds in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            continue
        return
