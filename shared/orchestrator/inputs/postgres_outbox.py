"""What is installed in a database whose changes are events, and how it is taken out again.

Per input an outbox table and three statement triggers on each of its tables. A trigger writes one row per changed row,
in the transaction that changed it, and NOTIFY only says that there is something: NOTIFY forgets who does not listen,
folds equal texts and takes no more than 8,000 bytes, and the outbox does none of that. Where the role may, an event
trigger attaches tables in the transaction that creates them; otherwise the listener attaches them within seconds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import InsufficientPrivilege

from shared.orchestrator.event import Operation

SCHEMA = "sluice_dispatch"
OPERATIONS = {"INSERT": Operation.CREATE, "UPDATE": Operation.UPDATE, "DELETE": Operation.DELETE}

_COMMON = """
CREATE SCHEMA IF NOT EXISTS sluice_dispatch;
CREATE TABLE IF NOT EXISTS sluice_dispatch.input (
  name text PRIMARY KEY, slug text NOT NULL, tables text[] NOT NULL, operations text[] NOT NULL, rows boolean NOT NULL,
  token uuid NOT NULL DEFAULT gen_random_uuid()
);
CREATE OR REPLACE FUNCTION sluice_dispatch.attach(slug text, wanted text[], relation oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  place text; keys text; operation text; transition text; had bytea; want bytea; shape boolean;
BEGIN
  SELECT format('%I.%I', n.nspname, c.relname) INTO place
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
  SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)),
         string_agg(convert_to(a.attname, getdatabaseencoding()) || '\\000'::bytea, ''
                    ORDER BY array_position(i.indkey::int2[], a.attnum))
  INTO keys, want
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
  WHERE i.indrelid = relation AND i.indisprimary;
  FOREACH operation IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
    SELECT tgargs, tgoldtable IS NOT NULL OR operation = 'INSERT' INTO had, shape FROM pg_trigger
    WHERE tgrelid = relation AND tgname = format('sluice_%s_%s', slug, lower(operation));
    IF FOUND AND operation = ANY (wanted) AND had = coalesce(want, '') AND shape THEN CONTINUE; END IF;
    IF FOUND THEN
      EXECUTE format('DROP TRIGGER %I ON %s', format('sluice_%s_%s', slug, lower(operation)), place);
    END IF;
    IF NOT operation = ANY (wanted) THEN CONTINUE; END IF;
    transition := CASE operation WHEN 'INSERT' THEN 'NEW TABLE AS changed' WHEN 'DELETE' THEN 'OLD TABLE AS changed'
                  ELSE 'OLD TABLE AS former NEW TABLE AS changed' END;
    EXECUTE format(
      'CREATE TRIGGER %I AFTER %s ON %s REFERENCING %s FOR EACH STATEMENT '
      'EXECUTE FUNCTION sluice_dispatch.%I(%s)',
      format('sluice_%s_%s', slug, lower(operation)), operation, place, transition,
      'note_' || slug, coalesce(keys, ''));
  END LOOP;
END $body$;
CREATE OR REPLACE FUNCTION sluice_dispatch.key_of(changed jsonb, names text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $body$
  SELECT CASE pg_catalog.cardinality(names)
    WHEN 0 THEN 'row:' || pg_catalog.md5(changed::text)
    WHEN 1 THEN changed ->> names[pg_catalog.array_lower(names, 1)]
    ELSE (SELECT '{' || pg_catalog.string_agg(
            pg_catalog.to_json(k.name)::text || ': ' || (changed -> k.name)::text, ', ' ORDER BY k.place) || '}'
          FROM pg_catalog.unnest(names) WITH ORDINALITY AS k(name, place))
  END
$body$;
CREATE OR REPLACE FUNCTION sluice_dispatch.chosen(slug text, patterns text[]) RETURNS SETOF oid
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $body$
  SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'sluice_dispatch')
    AND EXISTS (SELECT 1 FROM unnest(patterns) p WHERE n.nspname || '.' || c.relname ~ p)
$body$;
CREATE OR REPLACE FUNCTION sluice_dispatch.attach_all() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  PERFORM sluice_dispatch.attach(i.slug, i.operations, t.oid)
  FROM sluice_dispatch.input i, LATERAL sluice_dispatch.chosen(i.slug, i.tables) AS t(oid);
END $body$;
CREATE OR REPLACE FUNCTION sluice_dispatch.table_made() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  PERFORM sluice_dispatch.attach(i.slug, i.operations, t.oid)
  FROM sluice_dispatch.input i, LATERAL sluice_dispatch.chosen(i.slug, i.tables) AS t(oid)
  WHERE t.oid IN (SELECT objid FROM pg_event_trigger_ddl_commands() WHERE classid = 'pg_class'::regclass
                  UNION SELECT x.indrelid FROM pg_event_trigger_ddl_commands() d
                        JOIN pg_index x ON x.indexrelid = d.objid);
END $body$;
"""
_OWN = """
CREATE TABLE IF NOT EXISTS sluice_dispatch.{outbox} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  location text NOT NULL, operation text NOT NULL, key text NOT NULL, payload jsonb
);
CREATE OR REPLACE FUNCTION sluice_dispatch.{note}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  place text := TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME;
  names text[] := coalesce(TG_ARGV, '{{}}');
  moved boolean := false;
BEGIN
  IF TG_OP = 'UPDATE' AND TG_NARGS > 0 THEN
    INSERT INTO sluice_dispatch.{outbox} (location, operation, key, payload)
    SELECT place, 'DELETE', o.key, CASE WHEN {rows} THEN o.fields END
    FROM (SELECT sluice_dispatch.key_of(to_jsonb(former), names) AS key, to_jsonb(former) AS fields FROM former) o
    WHERE NOT EXISTS (SELECT FROM changed WHERE sluice_dispatch.key_of(to_jsonb(changed), names) = o.key);
    moved := FOUND;
  END IF;
  IF moved THEN
    INSERT INTO sluice_dispatch.{outbox} (location, operation, key, payload)
    SELECT place,
      CASE WHEN n.key IN (SELECT sluice_dispatch.key_of(to_jsonb(former), names) FROM former)
        THEN TG_OP ELSE 'INSERT' END,
      n.key, CASE WHEN {rows} THEN n.fields END
    FROM (SELECT sluice_dispatch.key_of(to_jsonb(changed), names) AS key, to_jsonb(changed) AS fields FROM changed) n;
  ELSE
    INSERT INTO sluice_dispatch.{outbox} (location, operation, key, payload)
    SELECT place, TG_OP, sluice_dispatch.key_of(to_jsonb(changed), names),
      CASE WHEN {rows} OR TG_NARGS = 0 THEN to_jsonb(changed) END
    FROM changed;
  END IF;
  IF FOUND THEN
    PERFORM pg_notify({channel}, '');
  END IF;
  RETURN NULL;
END $body$;
"""
_EVENT_TRIGGER = """
DROP EVENT TRIGGER IF EXISTS sluice_dispatch_tables;
CREATE EVENT TRIGGER sluice_dispatch_tables ON ddl_command_end
WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA', 'IMPORT FOREIGN SCHEMA')
EXECUTE FUNCTION sluice_dispatch.table_made();
"""


@dataclass(frozen=True, slots=True)
class Outbox:
    """What an input has in a database, by name."""

    name: str

    @property
    def slug(self) -> str:
        """The name as part of identifiers, which PostgreSQL cuts at 63 bytes."""
        plain = re.sub(r"[^a-z0-9_]", "_", self.name.lower())
        if plain == self.name and len(plain) <= 40:
            return plain
        return f"{plain[:30]}_{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, f"outbox_{self.slug}")

    @property
    def channel(self) -> str:
        return f"sluice_{self.slug}"

    @property
    def lock(self) -> int:
        """The number of the advisory lock that the one listener holds."""
        digest = hashlib.sha256(f"sluice dispatch input {self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def install(
        self,
        connection: Connection[Any],
        *,
        tables: Sequence[str],
        operations: Sequence[Operation],
        rows: bool,
    ) -> list[str]:
        """Make or renew everything; the tables that have triggers now. A second call changes nothing."""
        wanted = [name for name, one in OPERATIONS.items() if not operations or one in operations]
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('sluice_dispatch install'))")
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(_COMMON)
            connection.execute(
                sql.SQL(_OWN).format(
                    outbox=sql.Identifier(f"outbox_{self.slug}"),
                    note=sql.Identifier(f"note_{self.slug}"),
                    rows=sql.Literal(rows),
                    channel=sql.Literal(self.channel),
                )
            )
            connection.execute(
                "INSERT INTO sluice_dispatch.input (name, slug, tables, operations, rows) VALUES (%s, %s, %s, %s, %s) "
                "ON CONFLICT (name) DO UPDATE SET slug = excluded.slug, tables = excluded.tables, "
                "operations = excluded.operations, rows = excluded.rows",
                (self.name, self.slug, [pattern(one) for one in tables], wanted, rows),
            )
            try:
                with connection.transaction():
                    connection.execute(_EVENT_TRIGGER)
            except InsufficientPrivilege:
                pass  # the listener looks for new tables itself
            for (statement,) in connection.execute(_ASTRAY, {"name": self.name}).fetchall():
                connection.execute(statement)
            connection.execute("SELECT sluice_dispatch.attach_all()")
        return self.attached(connection)

    def uninstall(self, connection: Connection[Any]) -> list[str]:
        """Take triggers, outbox and, behind the last input, the schema out; the tables that had triggers.

        Events that wait in the outbox go with it.
        """
        had = self.attached(connection)
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            if not self.is_installed(connection):
                return []
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('sluice_dispatch install'))")
            note, outbox = sql.Identifier(SCHEMA, f"note_{self.slug}"), self.table
            connection.execute(sql.SQL("DROP FUNCTION IF EXISTS {}() CASCADE").format(note))
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(outbox))
            connection.execute("DELETE FROM sluice_dispatch.input WHERE name = %s", (self.name,))
            left = connection.execute("SELECT count(*) FROM sluice_dispatch.input").fetchone()
            if left is not None and left[0] == 0:
                connection.execute("DROP SCHEMA sluice_dispatch CASCADE")
        return had

    def unread(self, connection: Connection[Any]) -> int:
        """Events that wait in the outbox."""
        if not self.is_installed(connection):
            return 0
        found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(self.table)).fetchone()
        return int(found[0]) if found else 0

    def unmatched(self, connection: Connection[Any], tables: Sequence[str]) -> list[str]:
        """The patterns that no table fits; `install` has to have run."""
        query = """
        SELECT x.given FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS x(given, pattern, place)
        WHERE NOT EXISTS (SELECT FROM sluice_dispatch.chosen('', ARRAY[x.pattern])) ORDER BY x.place
        """
        return [row[0] for row in connection.execute(query, (list(tables), [pattern(one) for one in tables]))]

    def is_installed(self, connection: Connection[Any]) -> bool:
        found = connection.execute("SELECT to_regclass(%s)", (f'{SCHEMA}."outbox_{self.slug}"',)).fetchone()
        return found is not None and found[0] is not None

    def attached(self, connection: Connection[Any]) -> list[str]:
        """The tables that have a trigger of this input."""
        query = """
        SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace s ON s.oid = p.pronamespace
        WHERE s.nspname = %s AND p.proname = %s ORDER BY 1
        """
        return [row[0] for row in connection.execute(query, (SCHEMA, f"note_{self.slug}"))]

    def token(self, connection: Connection[Any]) -> str:
        """What tells this outbox from one that had the name before it: numbers begin at 1 again there."""
        row = connection.execute(
            "SELECT token FROM sluice_dispatch.input WHERE name = %s", (self.name,)
        ).fetchone()
        return str(row[0]) if row else ""


_ASTRAY = """
SELECT format('DROP TRIGGER %%I ON %%I.%%I', t.tgname, n.nspname, c.relname) FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace s ON s.oid = p.pronamespace
JOIN sluice_dispatch.input i ON p.proname = 'note_' || i.slug
WHERE s.nspname = 'sluice_dispatch' AND i.name = %(name)s
  AND t.tgrelid NOT IN (SELECT sluice_dispatch.chosen(i.slug, i.tables))
"""
"""Triggers on tables that an earlier installation had chosen, and this one has not."""


def pattern(text: str) -> str:
    r"""A pattern of table names as PostgreSQL's regular expression; without a dot it means the schema public.

    >>> pattern("rain"), pattern("raw.*")
    ('^public\\.rain$', '^raw\\..*$')
    """
    whole = text if "." in text else "*" if text == "*" else f"public.{text}"
    parts = {"*": ".*", "?": "."}
    return (
        "^"
        + "".join(parts.get(one, one if one.isalnum() or one == "_" else f"\\{one}") for one in whole)
        + "$"
    )
