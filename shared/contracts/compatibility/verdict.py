"""May a schema follow others? The modes of Confluent's Schema Registry, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared.contracts.compatibility.compare import compare
from shared.contracts.compatibility.difference import Difference


class Mode(StrEnum):
    """Who must get along with whom. Without `_TRANSITIVE` only the last version counts, with it all of them."""

    BACKWARD = "BACKWARD"
    """The new schema reads what was written under the old one."""
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    """The old schema reads what is written under the new one."""
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    """Both."""
    FULL_TRANSITIVE = "FULL_TRANSITIVE"
    NONE = "NONE"
    """Everything goes."""

    @property
    def transitive(self) -> bool:
        return self.value.endswith("_TRANSITIVE")

    @property
    def directions(self) -> tuple[str, ...]:
        match self.value.removesuffix("_TRANSITIVE"):
            case "FORWARD":
                return ("forward",)
            case "FULL":
                return ("backward", "forward")
            case _:
                return ("backward",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the schema may follow, and all differences that were found on the way."""

    compatible: bool
    differences: tuple[Difference, ...]

    @property
    def breaking(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if not difference.compatible)

    def to_json(self) -> dict[str, Any]:
        return {
            "compatible": self.compatible,
            "differences": [difference.to_json() for difference in self.differences],
        }


def check(
    new: Any,
    versions: Sequence[Any] | Mapping[int, Any],
    mode: Mode = Mode.BACKWARD,
    *,
    lenient: bool = False,
) -> Verdict:
    """Whether `new` may follow `versions` (schemas in their order, or by number; none: it is the first one).

    Differences say their direction where both were looked at, and the version where there are numbers or several.
    """
    numbered = dict(versions) if isinstance(versions, Mapping) else dict(enumerate(versions, start=1))
    last = max(numbered, default=None)
    asked = sorted(numbered) if mode.transitive else [] if last is None else [last]
    named = isinstance(versions, Mapping) or len(asked) > 1
    found: list[Difference] = []
    for number in asked:
        for direction in mode.directions:
            towards = direction if len(mode.directions) > 1 else ""
            found += (
                replace(one, direction=towards, version=number if named else None)
                for one in _one_way(numbered[number], new, direction, lenient)
            )
    compatible = mode is Mode.NONE or all(difference.compatible for difference in found)
    return Verdict(compatible, tuple(found))


def _one_way(old: Any, new: Any, direction: str, lenient: bool) -> Iterator[Difference]:
    """Forward is backward with the schemas exchanged, so its words would call the old schema the new one."""
    if direction == "backward":
        yield from compare(old, new, lenient=lenient)
        return
    for one in compare(new, old, lenient=lenient):
        yield replace(one, message=f"for those who read with the old schema: {one.message}")
