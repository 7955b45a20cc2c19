"""Input `python`: a function that is given its outlet and emits events until it shall stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from shared.orchestrator.doors import Input, Outlet
from shared.orchestrator.imported import imported
from shared.orchestrator.settings import InputSettings, Surroundings


class CallInput(InputSettings):
    """`connection_string` is `module:function`; the function takes the outlet."""

    type: Literal["python"]
    connection_string: str = Field(pattern=r"^[\w.]+:[\w.]+$")

    def open(self, around: Surroundings) -> Input:
        return Caller(imported(self.connection_string, input=self.name))


@dataclass(frozen=True, slots=True)
class Caller:
    function: Callable[[Outlet], Any]

    def run(self, outlet: Outlet) -> None:
        self.function(outlet)
