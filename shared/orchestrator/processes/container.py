"""Process `container`: an image, run once per event by a Docker Engine or by Podman's service.

The event is base64 of its JSON in `PIPELINE_EVENT`, or, where that is too long for a variable, the JSON in the file
`PIPELINE_EVENT_FILE`; stderr and stdout are the logs; another exit code than 0 is a
failure, "process exited with code N". A container has no network but the engine's bridge unless `network` says so, a
read-only root, no capabilities, no new privileges, and limits. It is gone when the attempt is; what a dispatcher left
behind that was killed goes before the first attempt of the next one on the same machine.
"""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import os
import tarfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared.common.errors import Misconfigured, Transient
from shared.orchestrator.doors import Process, Run
from shared.orchestrator.environment import Environment
from shared.orchestrator.event import Event
from shared.orchestrator.faults import MissingImage, NonZeroExit, TimedOut
from shared.orchestrator.processes.command import fits
from shared.orchestrator.processes.left_behind import is_gone, program
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LOG = logging.getLogger("sluice.dispatch")
FOLDER = "/pipeline"
"""Where an event lies that is too long for a variable: a volume of this container alone, as its root is read-only."""
EVENT_FILE = "event.json"
TAIL = 256_000
"""Bytes of logs that are kept, the last ones. `tail` is not asked for: with it Podman 4 mixes up parts of lines."""


class ContainerContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = Field("", validate_default=True)
    """With a digest (`name@sha256:…`) it is the same image for ever."""
    command: tuple[str, ...] = ()
    """Instead of the image's own."""
    env: Environment = Field(default_factory=dict)
    pull: Literal["missing", "always", "never"] = "missing"
    network: str = "bridge"
    """`bridge`, `none`, `host`, or the name of a network of the engine."""
    user: str = "65534:65534"
    """User and group in the container; nobody by default. Empty: as the image says."""
    read_only: bool = True
    """The root file system; /tmp can be written."""
    memory: str = "512m"
    cpus: float = Field(1.0, gt=0)
    pids: int = Field(256, ge=1)

    @field_validator("image")
    @classmethod
    def _is_there(cls, value: str) -> str:
        if not value.strip():
            raise MissingImage
        return value


class ContainerProcess(ProcessSettings):
    type: Literal["container"]
    execution_context: ContainerContext

    @model_validator(mode="before")
    @classmethod
    def _has_context(cls, value: Any) -> Any:
        """Without a context what is missing is the image, and that is what is told."""
        if isinstance(value, Mapping) and "execution_context" not in value:
            return {**value, "execution_context": {}}
        return value

    def open(self, around: Surroundings) -> Process:
        context = self.execution_context
        env = {name: around.filled(value, process=self.name) for name, value in context.env.items()}
        return Runner(self.name, context, env, around.doors.get("container", _from_environment))


@dataclass(slots=True)
class Runner:
    """`connect` opens a client of the engine."""

    name: str
    context: ContainerContext
    env: Mapping[str, str]
    connect: Any
    swept: bool = False

    def execute(self, event: Event, run: Run) -> Status:
        with _faults(self.name, self.context.image), contextlib.closing(self.connect()) as engine:
            self._sweep(engine)
            self._pull(engine)
            container = engine.containers.create(self.context.image, **self._options(event, run))
            try:
                if not fits(_variable(event)):
                    container.put_archive(FOLDER, _archive(event))
                container.start()
                code = _wait(container, run)
                logs = _logs(container)
            finally:
                container.remove(force=True, v=True)
        if code is None:
            raise TimedOut(run.timeout or 0.0, logs=logs)
        if code:
            no_memory = container.attrs["State"].get("OOMKilled")
            why = f"it needed more memory than {self.context.memory} (execution_context.memory)"
            raise NonZeroExit(code, logs=logs, why=why if no_memory else "")
        return Status(self.name, logs)

    def _sweep(self, engine: DockerClient) -> None:
        """Remove the containers of this process that nobody waits for any more."""
        from docker.errors import NotFound

        if self.swept:
            return
        named: dict[str, str | list[str] | bool] = {"label": f"sluice.process={self.name}"}
        for one in engine.containers.list(all=True, sparse=True, filters=named):
            if is_gone((one.attrs.get("Labels") or {}).get("sluice.program", "")):
                LOG.warning("%s: container %s was left behind and is removed", self.name, one.short_id)
                with contextlib.suppress(NotFound):
                    one.remove(force=True, v=True)
        self.swept = True

    def _pull(self, engine: DockerClient) -> None:
        from docker.errors import ImageNotFound

        if self.context.pull == "always":
            engine.images.pull(self.context.image)
        elif self.context.pull == "missing":
            try:
                engine.images.get(self.context.image)
            except ImageNotFound:
                engine.images.pull(self.context.image)

    def _options(self, event: Event, run: Run) -> dict[str, Any]:
        context = self.context
        own, short = _variable(event), fits(_variable(event))
        if not short:
            own = {"PIPELINE_EVENT_FILE": f"{FOLDER}/{EVENT_FILE}"}
        return {
            "mounts": [] if short else [{"Type": "volume", "Target": FOLDER}],
            "command": list(context.command) or None,
            "environment": {**self.env, **own, "PIPELINE_KEY": run.key},
            "network_mode": context.network,
            "user": context.user or None,
            "read_only": context.read_only,
            "tmpfs": {"/tmp": "size=64m"} if context.read_only else None,  # noqa: S108 - the container's
            "mem_limit": context.memory,
            "nano_cpus": int(context.cpus * 1e9),
            "pids_limit": context.pids,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "labels": {
                "sluice.process": self.name,
                "sluice.key": run.key,
                "sluice.program": program(os.getpid()),
            },
        }


def _variable(event: Event) -> dict[str, str]:
    return {"PIPELINE_EVENT": base64.b64encode(event.to_json().encode()).decode()}


def _archive(event: Event) -> bytes:
    """The event as a file that anybody in the container may read."""
    text, out = event.to_json().encode(), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo(EVENT_FILE)
        entry.size, entry.mode = len(text), 0o444
        archive.addfile(entry, io.BytesIO(text))
    return out.getvalue()


def _wait(container: Container, run: Run) -> int | None:
    """The exit code; None when the time is over or the run was cancelled."""
    until = None if run.timeout is None else time.monotonic() + run.timeout
    pause = 0.02
    while True:
        container.reload()
        if container.status in ("exited", "dead", "stopped"):
            return int(container.attrs["State"]["ExitCode"])
        if run.cancelled.wait(pause) or (until is not None and time.monotonic() >= until):
            return None
        pause = min(pause * 1.5, 0.5)


def _logs(container: Container) -> str:
    parts, size = deque[bytes](), 0
    for part in container.logs(stream=True, follow=False):
        parts.append(part)
        size += len(part)
        while size - len(parts[0]) > TAIL:
            size -= len(parts.popleft())
    return b"".join(parts).decode("utf-8", "replace")


@contextlib.contextmanager
def _faults(process: str, image: str) -> Iterator[None]:
    """The engine's errors as ours: what it says is wrong with us is not tried again."""
    import requests
    from docker.errors import APIError, DockerException, ImageNotFound

    try:
        yield
    except ImageNotFound as error:
        raise Misconfigured(
            f"there is no image {image}", hint=str(error.explanation), process=process
        ) from None
    except APIError as error:
        text = f"the engine answered: {error.explanation or error}"
        if error.response is not None and 400 <= error.response.status_code < 500:
            raise Misconfigured(text, process=process) from None
        raise Transient(text, process=process) from None
    except (DockerException, requests.RequestException) as error:
        raise Transient(f"the container engine cannot be reached: {error}", process=process) from None


def _from_environment() -> DockerClient:
    import docker

    return docker.from_env()
