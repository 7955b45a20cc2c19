"""What passes between the course of a run and whoever drives it: orders to carry out, and what has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.pipelines.runner.states import Result
from shared.pipelines.step import Step
from shared.pipelines.values import Reference


@dataclass(frozen=True, slots=True)
class Ticket:
    """One attempt of one step of one run. `key` is the step's name, inside a foreach `each[2]/name`."""

    key: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Order: begin an attempt. `look_up` finds what its values refer to; `after` is why the one before has failed."""

    ticket: Ticket
    step: Step
    look_up: Callable[[Reference], Any]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Order: tell an attempt to end. It is reported as any other; until then it counts as at work."""

    ticket: Ticket


Order: TypeAlias = Begin | Cancel


@dataclass(frozen=True, slots=True)
class Ended:
    """A step that has ended, for those who watch."""

    key: str
    step: Step
    result: Result
