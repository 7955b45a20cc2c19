"""The side of a journal in PostgreSQL that people look at and decide in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from shared.orchestrator import postgres_schema as sql
from shared.orchestrator.faults import Outdated
from shared.orchestrator.journal import Kept, Outcome, Phase, Standing, Versioned, Written
from shared.orchestrator.journal_rows import document_body, kept_of, outcome_of, versioned


class PostgresArchive:
    """`_reading` opens a connection for one look, `_transaction` begins a transaction."""

    def _reading(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        raise NotImplementedError

    def _transaction(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        raise NotImplementedError

    def bookmark(self, source: str) -> str:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT body FROM sluice_journal.bookmark WHERE source = %s", (source,)
            ).fetchone()
        return str(row[0]) if row else ""

    def counts(self) -> dict[Standing, int]:
        found = dict.fromkeys(Standing, 0)
        with self._reading() as connection:
            for standing, count in connection.execute(
                "SELECT standing, count(*) FROM sluice_journal.event GROUP BY standing"
            ):
                found[Standing(standing)] = count
        return found

    def events(self, *, limit: int = 50, standing: Standing | None = None, before: int = 0) -> list[Kept]:
        return self._kept(
            "WHERE (%(standing)s::int IS NULL OR e.standing = %(standing)s) AND (%(before)s = 0 OR e.id < %(before)s) "
            "ORDER BY e.id DESC LIMIT %(limit)s",
            {"standing": standing, "before": before, "limit": limit},
        )

    def event(self, number: int) -> Kept | None:
        return next(iter(self._kept("WHERE e.id = %(id)s", {"id": number})), None)

    def dead(self, *, limit: int = 50, process: str = "", before: int = 0) -> list[Kept]:
        return self._kept(
            "WHERE e.standing IN (0, 2) AND EXISTS (SELECT 1 FROM sluice_journal.pair p WHERE p.event = e.id "
            "AND p.phase = 3 AND (%(process)s::text = '' OR p.process = %(process)s)) "
            "AND (%(before)s = 0 OR e.id < %(before)s) ORDER BY e.id DESC LIMIT %(limit)s",
            {"process": process, "before": before, "limit": limit},
        )

    def runs(self, process: str, *, limit: int = 20, before: int = 0) -> list[Outcome]:
        wanted = {"process": process, "before": before, "limit": limit}
        with self._reading() as connection:
            return [outcome_of(row) for row in connection.execute(sql.RUNS, wanted)]

    def retry(self, number: int, *, process: str = "") -> list[str]:
        return self._decide(
            number, process, "DELETE FROM sluice_journal.pair WHERE event = %s AND process = ANY (%s)"
        )

    def drop(self, number: int, *, process: str = "") -> list[str]:
        change = f"UPDATE sluice_journal.pair SET phase = {Phase.DROPPED:d} "  # noqa: S608 - a number of ours
        return self._decide(number, process, change + "WHERE event = %s AND process = ANY (%s)")

    def _decide(self, number: int, process: str, change: str) -> list[str]:
        with self._transaction() as connection:
            rows = connection.execute(sql.DEAD, (number, process, process)).fetchall()
            names = [row[0] for row in rows]
            connection.execute(change.encode(), (number, names))
            if names:
                connection.execute(sql.REOPEN, (number,))
        return names

    def document(self, number: int = 0) -> Versioned:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT id, body, at, note FROM sluice_journal.document WHERE %(id)s = 0 OR id = %(id)s "
                "ORDER BY id DESC LIMIT 1",
                {"id": number},
            ).fetchone()
        if row is None:
            if number:
                raise KeyError(number)
            return Versioned()
        return versioned(row)

    def versions(self, *, limit: int = 50, before: int = 0) -> list[Versioned]:
        query = (
            "SELECT id, body, at, note FROM sluice_journal.document WHERE %(before)s = 0 OR id < %(before)s "
            "ORDER BY id DESC LIMIT %(limit)s"
        )
        with self._reading() as connection:
            return [versioned(row) for row in connection.execute(query, {"before": before, "limit": limit})]

    def put_document(
        self,
        document: Mapping[str, Any],
        *,
        after: int,
        at: float,
        note: str = "",
        written: Written | None = None,
    ) -> int:
        body = document_body(document, written)
        with self._transaction() as connection:
            row = connection.execute(
                "INSERT INTO sluice_journal.document (id, body, at, note) SELECT %(id)s, %(body)s, %(at)s, %(note)s "
                "WHERE (SELECT coalesce(max(id), 0) FROM sluice_journal.document) = %(id)s - 1 "
                "ON CONFLICT DO NOTHING RETURNING id",
                {"id": after + 1, "body": body, "at": at, "note": note},
            ).fetchone()
        if row is None:
            raise Outdated(self.document().number, after=after)
        return after + 1

    def outcomes(
        self, connection: psycopg.Connection[Any], events: Sequence[int]
    ) -> dict[int, list[Outcome]]:
        found: dict[int, list[Outcome]] = {}
        for row in connection.execute(sql.PAIRS, (list(events),)) if events else ():
            found.setdefault(row[0], []).append(outcome_of(row))
        return found

    def _kept(self, rest: str, values: Mapping[str, Any]) -> list[Kept]:
        with self._reading() as connection:
            rows = connection.execute((sql.KEPT + rest).encode(), values).fetchall()
            outcomes = self.outcomes(connection, [row[0] for row in rows])
        return list(kept_of(rows, outcomes))
