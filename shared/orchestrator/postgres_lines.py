"""Order by key across replicas: which free events a replica may take without coming before an older one of its line.

An event that stands in lines is never anybody's when it is accepted: it is claimed, the oldest first, and only when all
its lines are nobody's or the claimer's own. So all events of a line that are somebody's are with one replica, whose
desk keeps their order; when the last of them is closed, or the replica is gone, the line is free again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from shared.orchestrator import postgres_schema as sql

PAGE = 500
"""Free events that are looked at once."""
PAGES = 40
"""Pages that are looked through for one claim, when the lines of most are held elsewhere."""


@dataclass(slots=True)
class Picked:
    """What a replica may take. `held_up`: there are more, and their lines are another replica's."""

    events: list[int] = field(default_factory=list)
    held_up: bool = False


def claim(connection: psycopg.Connection[Any], me: int | None, limit: int) -> tuple[list[Any], bool]:
    """Up to `limit` rows that are this replica's now, and whether others had to be left because of their lines."""
    if not _any(connection):
        return connection.execute(sql.CLAIM, (me, limit)).fetchall(), False
    connection.execute(sql.LOCK_LINES)
    picked = _picked(connection, me, limit)
    rows = connection.execute(sql.TAKE, (me, picked.events)).fetchall()
    if held := _counted(row[6] for row in rows):
        connection.execute(sql.HOLD_LINES, (me, list(held), list(held.values())))
    return [row[:6] for row in rows], picked.held_up


def leave(connection: psycopg.Connection[Any], lines: Iterable[Sequence[int] | None]) -> None:
    """Events that stood in these lines are nobody's any more."""
    if left := _counted(lines):
        connection.execute(sql.LEAVE_LINES, {"ids": list(left), "events": list(left.values())})


def text(lines: Sequence[int]) -> str | None:
    """The numbers of lines as a literal of PostgreSQL: arrays of arrays cannot be of unequal length there."""
    return f"{{{','.join(map(str, lines))}}}" if lines else None


def _any(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(sql.IN_LINE, prepare=True).fetchone()
    return bool(row and row[0])


def _picked(connection: psycopg.Connection[Any], me: int | None, limit: int) -> Picked:
    """Walk through the free events, the oldest first; whoever has to wait keeps those behind it waiting too."""
    picked, barred, last = Picked(), set[int](), 0
    for _ in range(PAGES):
        page = connection.execute(sql.FREE, (last, PAGE)).fetchall()
        wanted = list({line for _, lines in page for line in lines or ()})
        barred.update(row[0] for row in connection.execute(sql.STRANGE_LINES, (wanted, me)))
        for number, lines in page:
            if len(picked.events) == limit:
                return picked
            if barred.isdisjoint(lines or ()):
                picked.events.append(number)
            else:
                barred.update(lines)
                picked.held_up = True
        if len(page) < PAGE:
            return picked
        last = page[-1][0]
    return picked


def _counted(lines: Iterable[Sequence[int] | None]) -> Counter[int]:
    return Counter(line for some in lines for line in some or ())
