"""The tables of a journal in SQLite, and the statements that a running dispatcher uses on them.

A batch is handed over as one JSON text and taken apart by SQLite (`json_each`): one statement per kind of record, so
that Python's lock is given up and taken back a handful of times per transaction and not once per row. With several
threads at work that is the difference between 1,000 and 10,000 records a second.
"""

from __future__ import annotations

TABLES = """
CREATE TABLE IF NOT EXISTS route (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS event (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL, route INTEGER NOT NULL, at REAL NOT NULL,
  standing INTEGER NOT NULL DEFAULT 0, mine INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS event_free ON event (id) WHERE standing = 0 AND mine = 0;
CREATE INDEX IF NOT EXISTS event_open ON event (id) WHERE standing = 0;
CREATE INDEX IF NOT EXISTS event_dead ON event (id) WHERE standing = 2;
CREATE TABLE IF NOT EXISTS pair (
  event INTEGER NOT NULL, process TEXT NOT NULL, phase INTEGER NOT NULL, attempt INTEGER NOT NULL, at REAL NOT NULL,
  seconds REAL NOT NULL, due REAL NOT NULL, error TEXT NOT NULL, logs TEXT NOT NULL,
  deaths INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (event, process)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bookmark (source TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document (
  id INTEGER PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL, note TEXT NOT NULL
);
"""
LAYOUT = 2
"""Written into `user_version`; a file with another number was written by another version of this program."""
CHANGES = {1: "ALTER TABLE pair ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0"}
"""What makes the next layout of a file of an older one."""

KNOWN = "SELECT key FROM event WHERE key IN (SELECT value FROM json_each(?))"
ACCEPT = """
INSERT INTO event (id, key, body, route, at, mine)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)
"""
OUTCOME = """
INSERT INTO pair (event, process, phase, attempt, at, seconds, due, error, logs, deaths)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
       value ->> 8, value ->> 9
FROM json_each(?) WHERE true
ON CONFLICT (event, process) DO UPDATE SET phase = excluded.phase, attempt = excluded.attempt, at = excluded.at,
  seconds = excluded.seconds, due = excluded.due, error = excluded.error, logs = excluded.logs,
  deaths = excluded.deaths
"""
CLOSE = """
UPDATE event SET mine = 0, standing = CASE
  WHEN j.value ->> 1 = 2 AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.event = event.id AND phase = 3) THEN 0
  ELSE j.value ->> 1 END
FROM json_each(?) j WHERE event.id = j.value ->> 0
"""
# A dead letter that was retried while other processes of its event still ran: the event is open, and free.
BOOKMARK = "INSERT INTO bookmark (source, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"

CLAIM = """
UPDATE event SET mine = 1
WHERE id IN (SELECT id FROM event WHERE standing = 0 AND mine = 0 ORDER BY id LIMIT ?)
RETURNING id, key, body, route, at, crashes
"""
NEXT = "SELECT coalesce(max(id), 0) + 1 FROM event"
LEFT_BEHIND = "UPDATE event SET mine = 0, crashes = crashes + 1 WHERE standing = 0 AND mine = 1"
RELEASE = "UPDATE event SET mine = 0 WHERE id IN (SELECT value FROM json_each(?))"
RELEASE_ALL = "UPDATE event SET mine = 0 WHERE standing = 0 AND mine = 1"
PAIRS = """
SELECT event, process, phase, attempt, at, seconds, due, error, logs, deaths FROM pair
WHERE event IN (SELECT value FROM json_each(?))
"""
OLD = """
SELECT id FROM event WHERE id <= (SELECT id FROM event ORDER BY id DESC LIMIT 1 OFFSET ?) AND standing = 1
ORDER BY id LIMIT 2000
"""
FORGET_PAIRS = "DELETE FROM pair WHERE event IN (SELECT value FROM json_each(?))"
FORGET = "DELETE FROM event WHERE id IN (SELECT value FROM json_each(?))"
RUNS = """
SELECT event, process, phase, attempt, at, seconds, due, error, logs, deaths FROM pair
WHERE process = ?1 AND (?2 = 0 OR event < ?2) ORDER BY event DESC LIMIT ?3
"""
