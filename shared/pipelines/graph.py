"""What follows from edges: an order, circles, and what comes before what. Pure, on names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


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


def ancestors(needs: Mapping[str, Iterable[str]], order: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each name all that come before it, directly or not; `order` is one that `ordered` gave."""
    found: dict[str, frozenset[str]] = {}
    for name in order:
        direct = [other for other in needs[name] if other in found]
        found[name] = frozenset(direct).union(*(found[other] for other in direct))
    return found
