"""What was found in records that are not as their contract says: counted by reason, for commits and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.contracts.validate import Fault

UNDECLARED = "undeclared"
"""The keyword of the fault of a field that the contract does not declare."""

MOST_NAMED = 100
"""Reasons and fields that are named; of more, only the most frequent are."""


@dataclass(slots=True)
class Found:
    """What was found in some pages: see `landing.commit.Draft` for what the names mean.

    `broken` counts the trimmed records that broke their contract, which count for `max_rejected`.
    """

    trimmed: int = 0
    broken: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    undeclared: set[str] = field(default_factory=set)
    evolved: dict[str, set[str]] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        self.trimmed += other.trimmed
        self.broken += other.broken
        self.reasons.update(other.reasons)
        self.undeclared |= other.undeclared
        for name, kinds in other.evolved.items():
            self.evolved.setdefault(name, set()).update(kinds)

    def because(self, faults: Iterable[Fault]) -> None:
        """Count a record under each of its reasons, once."""
        self.reasons.update({reason(fault) for fault in faults})

    def counted(self) -> dict[str, int]:
        """The reasons, the most frequent first; of very many only those."""
        return dict(self.reasons.most_common(MOST_NAMED))

    def named(self) -> tuple[str, ...]:
        return tuple(sorted(self.undeclared)[:MOST_NAMED])


def reason(fault: Fault) -> str:
    """A fault without the places in lists, so that it can be counted.

    >>> reason(Fault("/items/3/price", "type", "…"))
    'type /items/*/price'
    """
    path = "/".join("*" if step.isdecimal() else step for step in fault.pointer.split("/"))
    return f"{fault.keyword} {path}".rstrip()
