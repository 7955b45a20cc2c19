"""Processes `ingest`, `load` and `pipeline`: work of this product, each in a process of its own.

A process of its own can be ended when its time is over, and takes nothing with it when it dies. That work is
idempotent: a run goes on where the last one stopped, and a load takes each commit once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Declined, NonZeroExit
from shared.orchestrator.processes.command import Command
from shared.orchestrator.settings import ProcessSettings, Surroundings
from shared.orchestrator.status import Status

_FOR_PEOPLE = (2, 3, 4)
"""Settings are wrong, the other side refused, data broke its contract: the same again would end the same."""

CommandLine = Callable[[Sequence[str]], tuple[Sequence[str], Mapping[str, str]]]
"""The whole command and the environment for words of this product's command line: what the door `product` has to be."""


class StreamsContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1)
    streams: tuple[str, ...] = ()
    """All of them by default."""

    def words(self) -> list[str]:
        return [self.source, *(["--streams", ",".join(self.streams)] if self.streams else [])]


class PipelineContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    definition: str = Field(min_length=1)
    """The file of the pipeline."""
    parameters: dict[str, str] = Field(default_factory=dict)


class IngestProcess(ProcessSettings):
    """Lands what is new of a source, and loads it."""

    type: Literal["ingest"]
    execution_context: StreamsContext

    def open(self, around: Surroundings) -> Process:
        return _command(self.name, around, ["run", *self.execution_context.words()])


class LoadProcess(ProcessSettings):
    """Loads what has landed of a source."""

    type: Literal["load"]
    execution_context: StreamsContext

    def open(self, around: Surroundings) -> Process:
        return _command(self.name, around, ["load", *self.execution_context.words()])


class PipelineProcess(ProcessSettings):
    """Runs a pipeline's definition on this machine, one run at a time; another one waits for its end."""

    type: Literal["pipeline"]
    concurrency: int = Field(1, ge=1, le=1000)
    execution_context: PipelineContext

    def open(self, around: Surroundings) -> Process:
        context = self.execution_context
        pairs = {n: around.filled(v, process=self.name) for n, v in context.parameters.items()}
        given = [word for name, value in pairs.items() for word in ("--param", f"{name}={value}")]
        return _command(self.name, around, ["pipeline", "run", context.definition, "--wait", *given])


@dataclass(frozen=True, slots=True)
class Product:
    """A command whose exit code says who must act: `EXIT_CODES` of the command line."""

    command: Command

    def execute(self, event: Event, run: Run) -> Status:
        try:
            return self.command.execute(event, run)
        except NonZeroExit as error:
            if error.code not in _FOR_PEOPLE:
                raise
            said = next((line for line in error.logs.splitlines() if line.startswith("error: ")), "")
            raise Declined(said.removeprefix("error: ") or str(error), logs=error.logs) from None


def _command(name: str, around: Surroundings, words: Sequence[str]) -> Process:
    line: CommandLine = around.door("product")
    command, env = line(words)
    return Product(Command(name, tuple(command), env))
