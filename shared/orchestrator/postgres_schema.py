"""The tables of a journal in PostgreSQL, and the statements on them. Arrays carry a batch: one statement per kind."""

from __future__ import annotations

TABLES = """
CREATE SCHEMA IF NOT EXISTS sluice_journal;
CREATE TABLE IF NOT EXISTS sluice_journal.replica (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, alive_until timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS sluice_journal.route (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS sluice_journal.event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE, body text NOT NULL,
  route integer NOT NULL, at double precision NOT NULL, standing smallint NOT NULL DEFAULT 0, owner bigint,
  crashes integer NOT NULL DEFAULT 0, lines bigint[]
);
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'sluice_journal.event'::regclass AND attname = 'lines') THEN
    ALTER TABLE sluice_journal.event ADD COLUMN lines bigint[];
  END IF;
END $$;
CREATE INDEX IF NOT EXISTS event_in_line ON sluice_journal.event (id)
  WHERE standing = 0 AND owner IS NULL AND lines IS NOT NULL;
CREATE TABLE IF NOT EXISTS sluice_journal.line (id bigint PRIMARY KEY, owner bigint NOT NULL, events integer NOT NULL);
CREATE INDEX IF NOT EXISTS line_owner ON sluice_journal.line (owner);
CREATE INDEX IF NOT EXISTS event_free ON sluice_journal.event (id) WHERE standing = 0 AND owner IS NULL;
CREATE INDEX IF NOT EXISTS event_owned ON sluice_journal.event (owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_dead ON sluice_journal.event (id) WHERE standing = 2;
CREATE TABLE IF NOT EXISTS sluice_journal.pair (
  event bigint NOT NULL, process text NOT NULL, phase smallint NOT NULL, attempt integer NOT NULL,
  at double precision NOT NULL, seconds double precision NOT NULL, due double precision NOT NULL, error text NOT NULL,
  logs text NOT NULL, deaths integer NOT NULL DEFAULT 0, PRIMARY KEY (event, process)
);
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'sluice_journal.pair'::regclass AND attname = 'deaths') THEN
    ALTER TABLE sluice_journal.pair ADD COLUMN deaths integer NOT NULL DEFAULT 0;
  END IF;
END $$;
CREATE TABLE IF NOT EXISTS sluice_journal.bookmark (source text PRIMARY KEY, body text NOT NULL);
CREATE TABLE IF NOT EXISTS sluice_journal.document (
  id integer PRIMARY KEY, body text NOT NULL, at double precision NOT NULL, note text NOT NULL
);
"""
IS_THERE = """
SELECT to_regclass('sluice_journal.document') IS NOT NULL, EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = to_regclass('sluice_journal.pair') AND attname = 'deaths'
)
"""  # ... and as this program writes it
LOCK = "SELECT pg_advisory_xact_lock(hashtext('sluice_journal tables'))"
REGISTER = """
INSERT INTO sluice_journal.replica (alive_until) VALUES (now() + %s * interval '1 s') RETURNING id
"""
ALIVE = "SELECT 1 FROM sluice_journal.replica WHERE id = %s FOR SHARE"
BEAT = "UPDATE sluice_journal.replica SET alive_until = now() + %s * interval '1 s' WHERE id = %s"
REAP = """
WITH dead AS (
  DELETE FROM sluice_journal.replica WHERE id IN (
    SELECT id FROM sluice_journal.replica WHERE alive_until < now() FOR UPDATE SKIP LOCKED
  ) RETURNING id
), lines AS (DELETE FROM sluice_journal.line WHERE owner IN (SELECT id FROM dead))
UPDATE sluice_journal.event SET owner = NULL, crashes = crashes + 1 WHERE owner IN (SELECT id FROM dead)
"""
LEAVE = """
WITH lines AS (DELETE FROM sluice_journal.line WHERE owner = %(me)s),
     events AS (UPDATE sluice_journal.event SET owner = NULL WHERE owner = %(me)s)
DELETE FROM sluice_journal.replica WHERE id = %(me)s
"""
RELEASE = "UPDATE sluice_journal.event SET owner = NULL WHERE owner = %s AND id = ANY (%s) RETURNING lines"
ROUTE = """
WITH made AS (INSERT INTO sluice_journal.route (body) VALUES (%(body)s) ON CONFLICT DO NOTHING RETURNING id)
SELECT id FROM made UNION ALL SELECT id FROM sluice_journal.route WHERE body = %(body)s LIMIT 1
"""
ACCEPT = """
INSERT INTO sluice_journal.event (key, body, route, at, owner, lines)
SELECT a.key, a.body, a.route, a.at, a.owner, a.lines::bigint[]
FROM unnest(%s::text[], %s::text[], %s::int[], %s::float8[], %s::bigint[], %s::text[])
  WITH ORDINALITY AS a (key, body, route, at, owner, lines, place) ORDER BY a.place
ON CONFLICT (key) DO NOTHING RETURNING id, key
"""
OUTCOME = """
INSERT INTO sluice_journal.pair (event, process, phase, attempt, at, seconds, due, error, logs, deaths)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::smallint[], %s::int[], %s::float8[], %s::float8[], %s::float8[],
                     %s::text[], %s::text[], %s::int[])
ON CONFLICT (event, process) DO UPDATE SET phase = excluded.phase, attempt = excluded.attempt, at = excluded.at,
  seconds = excluded.seconds, due = excluded.due, error = excluded.error, logs = excluded.logs,
  deaths = excluded.deaths
"""
CLOSE = """
WITH closed AS (
  UPDATE sluice_journal.event e SET owner = NULL, standing = CASE
    WHEN c.standing = 2 AND NOT EXISTS (SELECT 1 FROM sluice_journal.pair p WHERE p.event = e.id AND p.phase = 3) THEN 0
    ELSE c.standing END
  FROM unnest(%s::bigint[], %s::smallint[]) AS c (id, standing) WHERE e.id = c.id RETURNING e.lines
) SELECT lines FROM closed WHERE lines IS NOT NULL
"""
BOOKMARK = """
INSERT INTO sluice_journal.bookmark (source, body) VALUES (%s, %s)
ON CONFLICT (source) DO UPDATE SET body = excluded.body
"""
CLAIM = """
UPDATE sluice_journal.event SET owner = %s WHERE id IN (
  SELECT id FROM sluice_journal.event WHERE standing = 0 AND owner IS NULL AND lines IS NULL ORDER BY id LIMIT %s
  FOR UPDATE SKIP LOCKED
) RETURNING id, key, body, route, at, crashes
"""
# Whoever gives events with lines to somebody, or takes them away, holds this lock: then what is free does not change
# between looking at the lines and taking the events.
LOCK_LINES = "SELECT pg_advisory_xact_lock(hashtext('sluice_journal lines'))"
IN_LINE = """
SELECT EXISTS (SELECT 1 FROM sluice_journal.event WHERE standing = 0 AND owner IS NULL AND lines IS NOT NULL)
"""
FREE = """
SELECT id, lines FROM sluice_journal.event WHERE standing = 0 AND owner IS NULL AND id > %s ORDER BY id LIMIT %s
"""
STRANGE_LINES = "SELECT id FROM sluice_journal.line WHERE id = ANY (%s) AND owner <> %s"
TAKE = """
UPDATE sluice_journal.event SET owner = %s WHERE id = ANY (%s) AND standing = 0 AND owner IS NULL
RETURNING id, key, body, route, at, crashes, lines
"""
HOLD_LINES = """
INSERT INTO sluice_journal.line (id, owner, events)
SELECT n.id, %s, n.events FROM unnest(%s::bigint[], %s::int[]) AS n (id, events)
ON CONFLICT (id) DO UPDATE SET events = line.events + excluded.events
"""
LEAVE_LINES = """
WITH fewer AS (
  UPDATE sluice_journal.line l SET events = l.events - n.events
  FROM unnest(%(ids)s::bigint[], %(events)s::int[]) AS n (id, events) WHERE l.id = n.id AND l.events > n.events
)
DELETE FROM sluice_journal.line l USING unnest(%(ids)s::bigint[], %(events)s::int[]) AS n (id, events)
WHERE l.id = n.id AND l.events <= n.events
"""
ROUTES = "SELECT id, body FROM sluice_journal.route WHERE id = ANY (%s)"
PAIRS = """
SELECT event, process, phase, attempt, at, seconds, due, error, logs, deaths FROM sluice_journal.pair
WHERE event = ANY (%s)
"""
RUNS = """
SELECT event, process, phase, attempt, at, seconds, due, error, logs, deaths FROM sluice_journal.pair
WHERE process = %(process)s AND (%(before)s = 0 OR event < %(before)s) ORDER BY event DESC LIMIT %(limit)s
"""
TRIM = """
WITH old AS (
  DELETE FROM sluice_journal.event WHERE id IN (
    SELECT id FROM sluice_journal.event
    WHERE standing = 1 AND id <= (SELECT id FROM sluice_journal.event ORDER BY id DESC LIMIT 1 OFFSET %s)
    ORDER BY id LIMIT 2000 FOR UPDATE SKIP LOCKED
  ) RETURNING id
), gone AS (DELETE FROM sluice_journal.pair WHERE event IN (SELECT id FROM old))
SELECT count(*) FROM old
"""
KEPT = """
SELECT e.id, e.key, e.body, r.body, e.at, e.standing FROM sluice_journal.event e
JOIN sluice_journal.route r ON r.id = e.route
"""
DEAD = "SELECT process FROM sluice_journal.pair WHERE event = %s AND phase = 3 AND (%s::text = '' OR process = %s)"
REOPEN = (
    "UPDATE sluice_journal.event SET standing = 0, owner = NULL, crashes = 0 WHERE id = %s AND standing = 2"
)
