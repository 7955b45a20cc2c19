"""The queue between webhook and worker in one file of SQLite, for who has no SQS: what is in it survives a `kill -9`.

A message is taken in once per identity and worked on at least once; those of a group one after another, in their order.
One that fails for now is tried again later, and its group waits for it; one that fails for good is laid aside with its
error. One process works on a file at a time (`src/weaving.py` holds a lock); any number may put and look.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.common.errors import Transient
from shared.common.ports import Clock

TRIES = 10
"""How often a message is tried; with the pauses between, that is about an hour."""

PAUSE, LONGEST = 5.0, 900.0
"""Seconds until the second try; it doubles up to the longest, which is as long as a lease lasts."""

DAYS = 3
"""How long identities are remembered: GitHub lets people send a delivery again for that long."""

KEPT = 50
"""How many deliveries that were turned away are remembered of each status: nobody must fill the disk by sending them,
nor hide one behind many others."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    team TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'done', 'dead')),
    tries INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    changed REAL NOT NULL,
    said TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS turned_away (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    status INTEGER NOT NULL,
    said TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS message_open ON message (team, id) WHERE state IN ('waiting', 'working');
"""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is worked on. `tries` counts this one, `number` is its place in the file."""

    number: int
    group: str
    body: str
    tries: int


class FileQueue:
    """The queue in `file`, which is made where there is none. It is a `Queue` and a `Seen` of the webhook, too."""

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10.0)
        self._base.row_factory = sqlite3.Row
        try:
            with self._told():
                # FULL: what was answered with 202 is on the disk.
                self._base.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + _SCHEMA)
        except Transient:
            self._base.close()
            raise

    def put(self, message: str, *, identity: str, group: str) -> None:
        """Add a message, once per `identity`. Raises `Transient` when the file cannot be written."""
        now = self._now()
        with self._changing() as base:
            base.execute(
                "INSERT INTO message (identity, team, body, state, due, changed) VALUES (?, ?, ?, 'waiting', ?, ?)"
                " ON CONFLICT (identity) DO NOTHING",
                (identity, group, message, now, now),
            )

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        """Run `act`, which puts the message of this identity, unless it is there; whether it ran now."""
        with self._changing() as base:
            if base.execute("SELECT 1 FROM message WHERE identity = ?", (identity,)).fetchone():
                return False
        act()
        return True

    def recover(self) -> int:
        """What a process that is dead was working on waits again; returns how many that are. Old ones are forgotten."""
        with self._changing() as base:
            base.execute(
                "DELETE FROM message WHERE state = 'done' AND changed < ?", (self._now() - DAYS * 86_400,)
            )
            return base.execute("UPDATE message SET state = 'waiting' WHERE state = 'working'").rowcount

    def take(self) -> Message | None:
        """The first message that is due, if nothing before it in its group is open; None where there is none."""
        with self._changing() as base:
            row = base.execute(
                "SELECT id, team, body, tries FROM message AS one WHERE state = 'waiting' AND due <= ?"
                " AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.team = one.team AND other.id < one.id"
                " AND other.state IN ('waiting', 'working')) ORDER BY id LIMIT 1",
                (self._now(),),
            ).fetchone()
            if row is None:
                return None
            base.execute("UPDATE message SET state = 'working', tries = tries + 1 WHERE id = ?", (row["id"],))
            return Message(row["id"], row["team"], row["body"], row["tries"] + 1)

    def done(self, message: Message, said: str = "") -> None:
        """It is worked on; `said` is kept for `sluice weave status`."""
        self._end(message, "done", self._now(), said)

    def failed(self, message: Message, said: str, *, again: bool, after: float | None = None) -> bool:
        """It failed. Whether it will be tried `again`: not without end, and not before `after` seconds."""
        again = again and message.tries < TRIES
        pause = max(after or 0.0, PAUSE * 2 ** (message.tries - 1))
        self._end(message, "waiting" if again else "dead", self._now() + min(pause, LONGEST), said)
        return again

    def retry(self) -> int:
        """What was laid aside waits again, with all its tries; returns how many."""
        with self._changing() as base:
            return base.execute(
                "UPDATE message SET state = 'waiting', tries = 0, due = ? WHERE state = 'dead'",
                (self._now(),),
            ).rowcount

    def open(self) -> int:
        """How many messages wait or are worked on."""
        return sum(self.counts().get(state, 0) for state in ("waiting", "working"))

    def counts(self) -> Mapping[str, int]:
        """How many messages there are of each state."""
        with self._told():
            rows = self._base.execute("SELECT state, count(*) FROM message GROUP BY state").fetchall()
        return {str(state): int(count) for state, count in rows}

    def last(self) -> list[dict[str, Any]]:
        """Of each group the newest message that is open or was laid aside, else the last one that is done."""
        with self._told():
            rows = self._base.execute(
                "SELECT team, body, state, tries, due, changed, said FROM (SELECT *, row_number() OVER"
                " (PARTITION BY team ORDER BY state = 'done', changed DESC, id DESC) AS place FROM message)"
                " WHERE place = 1 ORDER BY team"
            ).fetchall()
        return [dict(row) for row in rows]

    def turn_away(self, status: int, said: str) -> None:
        """Remember why a delivery did not come in, for who looks for it later."""
        with self._changing() as base:
            base.execute(
                "INSERT INTO turned_away (at, status, said) VALUES (?, ?, ?)",
                (self._now(), status, said[:500]),
            )
            base.execute(
                "DELETE FROM turned_away WHERE status = ?1 AND id NOT IN"
                " (SELECT id FROM turned_away WHERE status = ?1 ORDER BY id DESC LIMIT ?2)",
                (status, KEPT),
            )

    def turned_away(self) -> list[dict[str, Any]]:
        """The deliveries that did not come in: those refused, then those that nobody waits for; the newest first."""
        with self._told():
            rows = self._base.execute(
                "SELECT at, status, said FROM turned_away ORDER BY status < 300, id DESC"
            ).fetchall()
        return [dict(row) for row in rows]

    def close(self) -> None:
        with self._lock:
            self._base.close()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _end(self, message: Message, state: str, due: float, said: str) -> None:
        with self._changing() as base:
            base.execute(
                "UPDATE message SET state = ?, due = ?, changed = ?, said = ? WHERE id = ?",
                (state, due, self._now(), said, message.number),
            )

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; it is there whole or not at all."""
        with self._told(), closing(self._base.cursor()):
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield self._base
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise Transient(f"the queue cannot be used: {error}", file=str(self._file)) from error
