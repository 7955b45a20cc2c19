"""The side of a SQLite journal that people look at and decide in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from shared.orchestrator import sqlite_schema as sql
from shared.orchestrator.faults import Outdated
from shared.orchestrator.journal import Kept, Outcome, Phase, Standing, Versioned, Written
from shared.orchestrator.journal_rows import document_body, kept_of, outcome_of, versioned

_KEPT = "SELECT e.id, e.key, e.body, r.body, e.at, e.standing FROM event e JOIN route r ON r.id = e.route"


class SqliteArchive:
    """`reading` opens a connection for one look; `_write` is a transaction."""

    def __init__(self, reading: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._read = reading

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def bookmark(self, source: str) -> str:
        with self._read() as connection:
            row = connection.execute("SELECT body FROM bookmark WHERE source = ?", (source,)).fetchone()
        return row[0] if row else ""

    def counts(self) -> dict[Standing, int]:
        found = dict.fromkeys(Standing, 0)
        with self._read() as connection:
            for standing, count in connection.execute(
                "SELECT standing, count(*) FROM event GROUP BY standing"
            ):
                found[Standing(standing)] = count
        return found

    def events(self, *, limit: int = 50, standing: Standing | None = None, before: int = 0) -> list[Kept]:
        return self._kept(
            "WHERE (?1 IS NULL OR e.standing = ?1) AND (?2 = 0 OR e.id < ?2) ORDER BY e.id DESC LIMIT ?3",
            (standing, before, limit),
        )

    def event(self, number: int) -> Kept | None:
        return next(iter(self._kept("WHERE e.id = ?", (number,))), None)

    def dead(self, *, limit: int = 50, process: str = "", before: int = 0) -> list[Kept]:
        return self._kept(
            "WHERE e.standing IN (0, 2) AND EXISTS (SELECT 1 FROM pair p WHERE p.event = e.id AND p.phase = 3 "
            "AND (?1 = '' OR p.process = ?1)) AND (?2 = 0 OR e.id < ?2) ORDER BY e.id DESC LIMIT ?3",
            (process, before, limit),
        )

    def runs(self, process: str, *, limit: int = 20, before: int = 0) -> list[Outcome]:
        with self._read() as connection:
            return [outcome_of(row) for row in connection.execute(sql.RUNS, (process, before, limit))]

    def retry(self, number: int, *, process: str = "") -> list[str]:
        with self._writing() as connection:
            names = _dead(connection, number, process)
            connection.executemany(
                "DELETE FROM pair WHERE event = ? AND process = ?", [(number, name) for name in names]
            )
            if names:
                _reopen(connection, number)
        return names

    def drop(self, number: int, *, process: str = "") -> list[str]:
        with self._writing() as connection:
            names = _dead(connection, number, process)
            connection.executemany(
                "UPDATE pair SET phase = ? WHERE event = ? AND process = ?",
                [(int(Phase.DROPPED), number, name) for name in names],
            )
            if names:
                _reopen(connection, number)
        return names

    def document(self, number: int = 0) -> Versioned:
        query = "SELECT id, body, at, note FROM document WHERE ?1 = 0 OR id = ?1 ORDER BY id DESC LIMIT 1"
        with self._read() as connection:
            row = connection.execute(query, (number,)).fetchone()
        if row is None:
            if number:
                raise KeyError(number)
            return Versioned()
        return versioned(row)

    def versions(self, *, limit: int = 50, before: int = 0) -> list[Versioned]:
        query = "SELECT id, body, at, note FROM document WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2"
        with self._read() as connection:
            return [versioned(row) for row in connection.execute(query, (before, limit))]

    def put_document(
        self,
        document: Mapping[str, Any],
        *,
        after: int,
        at: float,
        note: str = "",
        written: Written | None = None,
    ) -> int:
        with self._writing() as connection:
            current = connection.execute("SELECT coalesce(max(id), 0) FROM document").fetchone()[0]
            if current != after:
                raise Outdated(current, after=after)
            row = (after + 1, document_body(document, written), at, note)
            connection.execute("INSERT INTO document (id, body, at, note) VALUES (?, ?, ?, ?)", row)
        return after + 1

    def outcomes(self, connection: sqlite3.Connection, events: Sequence[int]) -> dict[int, list[Outcome]]:
        found: dict[int, list[Outcome]] = {}
        for row in connection.execute(sql.PAIRS, (json.dumps(list(events)),)):
            found.setdefault(row[0], []).append(outcome_of(row))
        return found

    def leave(self) -> None:
        """Nothing is held between two looks."""

    def _kept(self, rest: str, values: Sequence[Any]) -> list[Kept]:
        with self._read() as connection:
            rows = connection.execute(f"{_KEPT} {rest}", values).fetchall()
            outcomes = self.outcomes(connection, [row[0] for row in rows])
        return list(kept_of(rows, outcomes))


def _dead(connection: sqlite3.Connection, number: int, process: str) -> list[str]:
    query = "SELECT process FROM pair WHERE event = ?1 AND phase = 3 AND (?2 = '' OR process = ?2)"
    return [row[0] for row in connection.execute(query, (number, process))]


def _reopen(connection: sqlite3.Connection, number: int) -> None:
    """Free to be claimed; an event that some process is still at work on is claimed when that is over."""
    connection.execute(
        "UPDATE event SET standing = 0, mine = 0, crashes = 0 WHERE id = ? AND standing = 2", (number,)
    )
