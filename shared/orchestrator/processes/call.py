"""Process `python`: a function of an event, or of an event and its `Run`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.orchestrator.doors import Process
from shared.orchestrator.function import FunctionProcess
from shared.orchestrator.imported import imported
from shared.orchestrator.settings import ProcessSettings, Surroundings


class CallContext(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    callable: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    """`module:function`."""


class CallProcess(ProcessSettings):
    type: Literal["python"]
    execution_context: CallContext

    def open(self, around: Surroundings) -> Process:
        return FunctionProcess.of(imported(self.execution_context.callable, process=self.name))
