"""What follows from edges: an order, circles, and what comes before what. Pure, on names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


def ordered(needs: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """The names in an order in which each comes after its needs, else in the order given; and one circle, if any.

    Where there is a circle, the order is empty and the circle lists its names, each needing the next, the last the
    first.

    >>> ordered({"b": ["a"], "a": [], "c": []}), ordered({"a": ["b"], "b": ["a"]})
    ((['a', 'b', 'c'], []), ([], ['a', 'b']))
    """
    done: dict[str, bool] = {}  # False while what it needs is looked at
    order: list[str] = []
    for start in needs:
        if start in done:
            continue
        done[start] = False
        trail = [(start, iter(needs[start]))]
        while trail:
            name, rest = trail[-1]
            for other in rest:
                if other not in needs:
                    continue
                if other not in done:
                    done[other] = False
                    trail.append((other, iter(needs[other])))
                    break
                if not done[other]:
                    names = [one for one, _ in trail]
                    return [], names[names.index(other) :]
            else:
                done[name] = True
                order.append(name)
                trail.pop()
    return order, []


@dataclass(frozen=True, slots=True)
class Before:
    """What comes before what, directly or not. Sets are numbers here, a bit for each name: of thousands of steps in
    a chain, sets of names would take millions of entries.
    """

    bits: Mapping[str, int]
    masks: Mapping[str, int]

    @classmethod
    def of(cls, needs: Mapping[str, Iterable[str]], order: Sequence[str]) -> Before:
        """`order` is one that `ordered` gave."""
        bits: dict[str, int] = {}
        masks: dict[str, int] = {}
        for number, name in enumerate(order):
            mask = 0
            for other in needs[name]:
                if other in masks:
                    mask |= masks[other] | bits[other]
            bits[name], masks[name] = 1 << number, mask
        return cls(bits, masks)

    def is_before(self, one: str, other: str) -> bool:
        """Whether `one` comes before `other`."""
        return bool(self.bits.get(one, 0) & self.masks[other])

    def all(self, name: str) -> frozenset[str]:
        """All that comes before a name."""
        mask = self.masks[name]
        return frozenset(other for other, bit in self.bits.items() if bit & mask)

    def joined(self, names: Iterable[str]) -> int:
        """The bits of several names."""
        mask = 0
        for name in names:
            mask |= self.bits[name]
        return mask


def ancestors(needs: Mapping[str, Iterable[str]], order: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each name all that come before it, directly or not; `order` is one that `ordered` gave."""
    before = Before.of(needs, order)
    return {name: before.all(name) for name in order}
