"""Ways through a graph that is given as a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def way(ahead: Mapping[str, Iterable[str]], start: str, end: str) -> list[str]:
    """The shortest way from one node to another, both included; empty where there is none.

    >>> way({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, "a", "d"), way({}, "a", "a"), way({}, "a", "b")
    (['a', 'b', 'd'], ['a'], [])
    """
    before: dict[str, str] = {start: ""}
    queue = [start]
    for name in queue:  # it grows
        if name == end:
            found = [name]
            while before[found[-1]]:
                found.append(before[found[-1]])
            return found[::-1]
        for following in ahead.get(name, ()):
            if following not in before:
                before[following] = name
                queue.append(following)
    return []
