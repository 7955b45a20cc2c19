"""What is known at a place of a run: results around it, the item of a foreach, parameters, the run itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.common.types import JSON
from shared.pipelines.runner.states import Result
from shared.pipelines.step import Step
from shared.pipelines.values import Reference, Root, follow


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What `${run.…}` finds. `date` is the logical day, `time` the logical time (RFC 3339, UTC)."""

    id: str
    pipeline: str
    date: str
    time: str


@dataclass(slots=True)
class Scope:
    """The steps of a plan, or of one item of a foreach, and how they ended so far. `key` begins the keys inside."""

    key: str
    steps: Sequence[Step]
    item: JSON = None
    parent: Scope | None = None
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return len(self.results) == len(self.steps)


def looker(scope: Scope, facts: RunFacts, parameters: Mapping[str, JSON]) -> Callable[[Reference], Any]:
    """Finds what references refer to, as things stand now: later results do not change what it finds."""
    outputs: dict[str, JSON] = {}
    around: Scope | None = scope
    while around is not None:
        outputs = {**{name: result.output for name, result in around.results.items()}, **outputs}
        around = around.parent
    item = scope.item

    def look_up(reference: Reference) -> Any:
        match reference.root:
            case Root.STEP:
                return follow(outputs.get(reference.name), reference.path)
            case Root.PARAMETER:
                return follow(parameters.get(reference.name), reference.path)
            case Root.ITEM:
                return follow(item, reference.path)
            case Root.RUN:
                return getattr(facts, reference.name)
            case Root.SECRET:
                return None

    return look_up
