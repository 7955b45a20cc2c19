"""The door to what does the work of a step, and what an executor is given.

An executor does one attempt: it returns the output that work.py promises for its kind, or raises a `SluiceError`,
or any other exception, which is a failure too. It looks at `cancelled` now and then, and uses `rest` instead of
sleeping.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from shared.common.ports import Secrets
from shared.common.types import JSON
from shared.pipelines.runner.orders import Ticket
from shared.pipelines.runner.scope import RunFacts
from shared.pipelines.step import Step
from shared.pipelines.urls import resolve_url
from shared.pipelines.values import Reference, Root, Value, resolve
from shared.pipelines.work import Kind


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt of a step. `parameters` are those of the run."""

    step: Step
    ticket: Ticket
    facts: RunFacts
    parameters: Mapping[str, JSON]
    look_up: Callable[[Reference], Any]
    secrets: Secrets
    ending: threading.Event

    def value(self, value: Value) -> Any:
        """A value as plain data. Raises `Misconfigured` for a secret that is not there."""
        return resolve(value, self._found)

    def url(self, value: Value) -> str:
        """A value as a URL: what it refers to stays a piece of its path and query. Raises `Misconfigured`."""
        return resolve_url(value, self._found)

    def cancelled(self) -> bool:
        """Whether the attempt should come to an end: it took too long, or the run is stopped."""
        return self.ending.is_set()

    def rest(self, seconds: float) -> bool:
        """Let time pass; False as soon as the attempt should come to an end."""
        return not self.ending.wait(seconds)

    def _found(self, reference: Reference) -> Any:
        if reference.root is Root.SECRET:
            return self.secrets.get(reference.name)
        return self.look_up(reference)


class Executor(Protocol):
    """Does one attempt of a step of one kind."""

    def __call__(self, task: Task) -> JSON: ...


Executors: TypeAlias = Mapping[Kind, Executor]
EXECUTED = frozenset(Kind) - {Kind.WAIT, Kind.BRANCH, Kind.FOREACH}
"""The kinds that need an executor; the others are the runner's own."""
