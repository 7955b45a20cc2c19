"""Functions as inputs and processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from shared.orchestrator.doors import Outlet, Run
from shared.orchestrator.event import Event
from shared.orchestrator.status import Status

Raises = Callable[[Outlet], object]
Does = Callable[[Event], "Status | None"]
DoesWithRun = Callable[[Event, Run], "Status | None"]


@dataclass(frozen=True, slots=True)
class FunctionInput:
    """A function that emits events until its outlet is `stopping()`, or returns when it has no more."""

    function: Raises

    def run(self, outlet: Outlet) -> None:
        self.function(outlet)


@dataclass(frozen=True, slots=True)
class FunctionProcess:
    """A function of an event, or of an event and its `Run`."""

    function: Does | DoesWithRun
    takes_run: bool

    @classmethod
    def of(cls, function: Does | DoesWithRun) -> FunctionProcess:
        return cls(function, len(inspect.signature(function).parameters) > 1)

    def execute(self, event: Event, run: Run) -> Status | None:
        if self.takes_run:
            return cast(DoesWithRun, self.function)(event, run)
        return cast(Does, self.function)(event)
