"""What became of a file: figures, faults, and its first lines that were refused, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.validate import Fault

FIRST = 5
"""Refused lines that are told in words; all of them are in the quarantine."""

_FAULTS = 3
"""Faults that are told of one line."""


@dataclass(slots=True)
class FileReport:
    """What became of a file.

    `known`: it had landed before, in commit `sequence`, and nothing was done; `rows` are those that landed now.
    `earlier` is the commit in which the file landed under another schema: its lines that were refused then, and those
    alone, were read once more. `rejected` lines lie in `rejected_parts`, also of a file that is known; `lines` counts
    all that are not blank. `other_schema`: it is known, from a landing under another schema than the one given now.
    `repeats` is the commit whose rows have landed once more, because somebody wanted it. `first` tells the first
    refused lines.
    """

    table: str
    file: str
    known: bool = False
    rows: int = 0
    rejected: int = 0
    sequence: int = 0
    sha256: str = ""
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    rejected_parts: tuple[str, ...] = ()
    lines: int = 0
    earlier: int = 0
    repeats: int = 0
    other_schema: bool = False
    first: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        return {**document, "seconds": round(self.seconds, 3), "rejected_parts": list(self.rejected_parts)}

    def refuse(self, number: int, faults: Iterable[Fault]) -> None:
        """Count a refused line under each of its faults."""
        faults = list(faults)
        self.rejected += 1
        for fault in faults:
            what = f"{fault.pointer or '/'} {fault.keyword}"
            self.faults[what] = self.faults.get(what, 0) + 1
        if len(self.first) < FIRST:
            told = [f"{fault.pointer} {fault.message}".lstrip() for fault in faults[:_FAULTS]]
            more = f"; and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
            self.first.append(f"line {number}: {'; '.join(told)}{more}")

    def known_in(self, sequence: int, *, rejected: int, parts: Iterable[str], other_schema: bool) -> None:
        """The file has landed before: nothing of it lands now."""
        self.known, self.sequence, self.other_schema = True, sequence, other_schema
        self.rows, self.rejected, self.rejected_parts = 0, rejected, tuple(parts)


def listed(faults: Mapping[str, int]) -> str:
    """The most frequent faults, with how often."""
    most = sorted(faults.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{what} ({times:,} times)" for what, times in most)
