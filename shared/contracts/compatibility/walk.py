"""The walk over two schemas at once: every pair is compared once, and pairs that contain themselves come to an end.

A pair that is met again inside itself is taken for compatible at first, and the whole is compared again until no pair
was taken for what it turned out not to be: what is left is compatible however deep the values are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from shared.contracts.compatibility.difference import DifferenceType
from shared.contracts.compatibility.disjoint import Known
from shared.contracts.compatibility.nodes import Node, Part


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference with its path from the pair that is looked at; `old` and `new` are for its words.

    `echo`: it stands for a pair that is being compared further up, and is told there.
    """

    type: DifferenceType
    path: tuple[str, ...] = ()
    old: Any = None
    new: Any = None
    echo: bool = False


Findings = Iterable[Finding]
Key = tuple[int, int, bool]


@dataclass(slots=True)
class _Memory:
    done: dict[Key, tuple[Finding, ...]] = field(default_factory=dict)
    open: set[Key] = field(default_factory=set)
    refuted: dict[Key, Finding] = field(default_factory=dict)
    """Pairs that the last round found incompatible, with a reason."""
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """Compares parts of an old and a new schema under `rules`; `allowed` are the compatible differences.

    `filled`: whoever reads with the new schema puts defaults where values are missing. That holds for the record and
    what is in it, and not where a schema is one of several or is negated.
    """

    rules: Callable[[Walk, Node, Node], Findings]
    allowed: frozenset[DifferenceType]
    filled: bool = True
    known: Known = field(default_factory=Known)
    _memory: _Memory = field(default_factory=_Memory)

    def unfilled(self) -> Walk:
        return replace(self, filled=False)

    def whole(self, old: Part, new: Part) -> tuple[Finding, ...]:
        """All differences between two documents."""
        while True:
            found = self.compare(old, new)
            refuted = {key: bad for key, all_ in self._memory.done.items() if (bad := self._reason(all_))}
            if not self._memory.assumed or refuted.keys() == self._memory.refuted.keys():
                told = tuple(finding for finding in found if not finding.echo)
                return found if self.compatible(told) else told
            self._memory.done.clear()
            self._memory.refuted = refuted
            self._memory.assumed = False

    def compare(self, old: Part | None, new: Part | None) -> tuple[Finding, ...]:
        """The differences of a pair, with paths from there."""
        if old is None or new is None:
            if old is new:
                return ()
            return (Finding(DifferenceType.SCHEMA_ADDED if old is None else DifferenceType.SCHEMA_REMOVED),)
        return self.nodes(old.node, new.node)

    def nodes(self, old: Node, new: Node) -> tuple[Finding, ...]:
        key, memory = (id(old), id(new), self.filled), self._memory
        if key in memory.done:
            return memory.done[key]
        if key in memory.open:
            memory.assumed = True
            return (replace(memory.refuted[key], echo=True),) if key in memory.refuted else ()
        memory.open.add(key)
        memory.done[key] = tuple(self.rules(self, old, new))
        memory.open.discard(key)
        return memory.done[key]

    def below(self, old: Part | None, new: Part | None, *steps: str) -> Iterator[Finding]:
        """The differences of a pair that lies at `steps`."""
        return at(self.compare(old, new), *steps)

    def compatible(self, findings: Findings) -> bool:
        return self._reason(findings) is None

    def fits(self, old: Part | None, new: Part | None) -> bool:
        return self.compatible(self.compare(old, new))

    def _reason(self, findings: Findings) -> Finding | None:
        return next((finding for finding in findings if finding.type not in self.allowed), None)


def at(findings: Findings, *steps: str) -> Iterator[Finding]:
    """The findings, seen from further up."""
    return (replace(finding, path=(*steps, *finding.path)) for finding in findings)
