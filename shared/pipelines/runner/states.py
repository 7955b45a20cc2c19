"""How a step can end, and whether a step may begin: the rules of decision 7, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.common.types import JSON
from shared.pipelines.step import Edge, Step


class State(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TOLERATED = "tolerated"
    PASSED_OVER = "passed over"
    UNREACHED = "unreached"
    BLOCKED = "blocked"


BLOCKING = frozenset({State.FAILED, State.BLOCKED})
FAILURES = frozenset({State.FAILED, State.TOLERATED})


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended. `began` and `ended` are seconds on the clock of the run; `error` is for people."""

    state: State
    output: JSON = None
    error: str = ""
    attempts: int = 0
    began: float = 0.0
    ended: float = 0.0


class Verdict(StrEnum):
    """What becomes of a step now."""

    WAIT = "wait"
    GO = "go"
    UNREACHED = "unreached"
    BLOCKED = "blocked"


def verdict(step: Step, results: Mapping[str, Result]) -> Verdict:
    """Whether a step may begin, given the results of the steps in its scope that have ended."""
    if any(edge.source not in results for edge in step.needs):
        return Verdict.WAIT
    if any(results[edge.source].state in BLOCKING for edge in step.needs):
        return Verdict.BLOCKED
    active = [edge for edge in step.needs if not edge.passive]
    if active and all(is_dead(edge, results[edge.source]) for edge in active):
        return Verdict.UNREACHED
    return Verdict.GO


def is_dead(edge: Edge, result: Result) -> bool:
    """Whether an edge does not make its step run: its source was not reached, or the branch chose the other side."""
    if result.state is State.UNREACHED:
        return True
    return edge.side is not None and result.output is not edge.side
