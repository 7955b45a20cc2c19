"""Changes of a real PostgreSQL as events: every kind of key, nothing lost, one listener, and no trace afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from shared.common.errors import Refused
from shared.orchestrator.inputs.postgres import PostgresInput
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.running import Remembering, until

TABLES = """
CREATE TABLE serial_key (id serial PRIMARY KEY, v text);
CREATE TABLE uuid_key (id uuid PRIMARY KEY, v text);
CREATE TABLE pair_key (b text, a int, v text, PRIMARY KEY (a, b));
CREATE TABLE no_key (v text);
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Qu""oted Table" ("Id %I" int PRIMARY KEY, v text);
"""


def settings(url: str, **more: Any) -> PostgresInput:
    return PostgresInput(
        **{"name": "raw_writes", "type": "postgres", "connection_string": url, "poll": 0.3, **more}
    )


@contextmanager
def listening(
    one: PostgresInput, journal: SqliteJournal | None = None
) -> Iterator[tuple[Remembering, Orchestrator]]:
    seen = Remembering()
    with Orchestrator(journal) as dispatcher:
        dispatcher.add_input(one.name, one.open(Surroundings()))
        dispatcher.add_process("see", seen)
        dispatcher.link(one.name, "see")
        dispatcher.start()
        yield seen, dispatcher


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def everything(url: str) -> set[str]:
    """All that is in a database beside what PostgreSQL brings along."""
    query = """
    SELECT 'schema ' || nspname FROM pg_namespace UNION SELECT 'class ' || relname FROM pg_class WHERE oid > 16383
    UNION SELECT 'function ' || proname FROM pg_proc WHERE oid > 16383
    UNION SELECT 'trigger ' || tgname FROM pg_trigger UNION SELECT 'event trigger ' || evtname FROM pg_event_trigger
    """
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute(query)}


def test_every_kind_of_key(database: str) -> None:
    """Insert, update and delete; a deletion carries the old key."""
    execute(database, TABLES)
    one = settings(database)
    one.set_up(Surroundings())
    number = "5d2ad3b4-19fd-4c2d-b0f5-0e3f3ab1b2c1"
    with listening(one) as (seen, _):
        for table, columns, values, where in (
            ("serial_key", "v", "'x'", "id = 1"),
            ("uuid_key", "id, v", f"'{number}', 'x'", "true"),
            ("pair_key", "a, b, v", "7, 'seven', 'x'", "true"),
            ("no_key", "v", "'x'", "true"),
            ('"Odd Schema"."Qu""oted Table"', '"Id %I", v', "3, 'x'", "true"),
        ):
            execute(
                database,
                f"INSERT INTO {table} ({columns}) VALUES ({values})",
                f"UPDATE {table} SET v = 'y' WHERE {where}",
                f"DELETE FROM {table} WHERE {where}",
            )
        until(lambda: len(seen.events) == 15)
    told = seen.told()
    ids = {(place, operation): key for place, operation, key in told}

    assert {"1"} == {key for place, _, key in told if place == "public.serial_key"}
    assert {number} == {key for place, _, key in told if place == "public.uuid_key"}
    assert {"a": 7, "b": "seven"} == json.loads(ids["public.pair_key", "delete"])
    assert ids["public.no_key", "update"] == ids["public.no_key", "delete"] != ids["public.no_key", "create"]
    assert "3" == ids['Odd Schema.Qu"oted Table', "delete"]
    assert ["create", "update", "delete"] * 5 == [
        operation for _, operation, _ in sorted(told, key=lambda one: one[0])
    ]
    assert {"raw_writes"} == {event.trigger for event in seen.events}
    assert {"id": 1, "v": "y"} == next(
        e.payload for e in seen.events if e.location == "public.serial_key" and e.operation.text == "delete"
    )


def test_nothing_is_lost_while_nobody_listens_and_nothing_comes_twice(database: str) -> None:
    """10,000 rows in one transaction while the listener is down, one row of more than 8 KB among them."""
    execute(database, TABLES)
    one = settings(database, tables=["serial_key"])
    one.set_up(Surroundings())
    execute(
        database,
        "INSERT INTO serial_key (v) SELECT repeat('x', CASE i WHEN 77 THEN 20000 ELSE 3 END) "
        "FROM generate_series(1, 10000) i",
        "INSERT INTO no_key VALUES ('not chosen')",
    )
    with listening(one) as (seen, _):
        until(lambda: len(seen.events) >= 10_000)
        execute(database, "INSERT INTO serial_key (v) VALUES ('later')")
        until(lambda: len(seen.events) > 10_000)

    assert list(range(1, 10_002)) == [int(event.id) for event in sorted(seen.events, key=lambda e: int(e.id))]
    assert 20_000 == len(next(e.payload["v"] for e in seen.events if e.payload and e.id == "77"))
    with psycopg.connect(database) as connection:
        assert (0,) == connection.execute("SELECT count(*) FROM sluice_dispatch.outbox_raw_writes").fetchone()


def test_numbers_keep_their_digits(database: str) -> None:
    execute(database, "CREATE TABLE exact (k numeric(40, 10) PRIMARY KEY, amount numeric)")
    one = settings(database, tables=["exact"])
    one.set_up(Surroundings())
    execute(
        database,
        "INSERT INTO exact VALUES (12345678901234567890.123456789, 99999999999999999.99), (0.5, 1e29)",
    )
    with listening(one) as (seen, _):
        until(lambda: len(seen.events) == 2)

    assert [
        {"k": "12345678901234567890.1234567890", "amount": "99999999999999999.99"},
        {"k": 0.5, "amount": 10**29},
    ] == [event.payload for event in seen.events]


@pytest.mark.parametrize("horizon", [True, False])
def test_a_long_transaction_that_commits_late_is_not_missed(database: str, horizon: bool) -> None:
    """Its rows have smaller numbers than rows that were seen before it."""
    execute(database, TABLES)
    one = settings(database, horizon=horizon)
    one.set_up(Surroundings())
    with listening(one) as (seen, _), psycopg.connect(database) as slow:
        slow.execute("INSERT INTO serial_key (v) VALUES ('slow')")
        execute(database, "INSERT INTO serial_key (v) VALUES ('quick')")
        if not horizon:
            until(lambda: len(seen.events) == 1)
        slow.commit()
        until(lambda: len(seen.events) == 2)

    assert (["1", "2"] if horizon else ["2", "1"]) == [event.id for event in seen.events]


def test_tables_that_are_made_later_are_picked_up(database: str) -> None:
    """In the transaction that makes them, where the role may have event triggers; and a key that comes later counts."""
    one = settings(database, tables=["public.*"])
    one.set_up(Surroundings())
    with listening(one) as (seen, _):
        execute(
            database,
            "CREATE TABLE late (k int PRIMARY KEY); INSERT INTO late VALUES (5)",
            "CREATE SCHEMA other; CREATE TABLE other.late (k int); INSERT INTO other.late VALUES (6)",
            "CREATE TABLE keyless (k int); ALTER TABLE keyless ADD PRIMARY KEY (k)",
            "INSERT INTO keyless VALUES (8)",
        )
        until(lambda: len(seen.events) == 2)

    assert [("public.late", "create", "5"), ("public.keyless", "create", "8")] == seen.told()


def test_a_role_without_event_triggers_finds_new_tables_by_looking(database: str) -> None:
    """The listener attaches them within its poll."""
    name = database.rpartition("/")[2]
    execute(database, f'CREATE ROLE "plain_{name}" LOGIN; GRANT CREATE ON DATABASE "{name}" TO "plain_{name}"',
            f'GRANT CREATE ON SCHEMA public TO "plain_{name}"')  # fmt: skip
    plain = database.replace("sluice@", f"plain_{name}@")
    one = settings(plain, install=True)
    with listening(one) as (seen, _):
        execute(plain, "CREATE TABLE late (k int PRIMARY KEY)")

        def attached() -> bool:
            with psycopg.connect(plain, autocommit=True) as connection:
                return one.outbox.is_installed(connection) and bool(one.outbox.attached(connection))

        until(attached)
        execute(plain, "INSERT INTO late VALUES (5)")
        until(lambda: seen.events)
    one.tear_down(Surroundings())

    assert [("public.late", "create", "5")] == seen.told()


def test_a_table_of_somebody_else_cannot_be_attached(database: str) -> None:
    execute(database, TABLES)
    name = database.rpartition("/")[2]
    execute(
        database, f'CREATE ROLE "guest_{name}" LOGIN; GRANT CREATE ON DATABASE "{name}" TO "guest_{name}"'
    )
    one = settings(database.replace("sluice@", f"guest_{name}@"))
    before = everything(database)
    with pytest.raises(Refused, match="the triggers may not be installed"):
        one.set_up(Surroundings())

    assert before == everything(database)


def test_uninstalling_leaves_no_trace(database: str) -> None:
    """Two inputs beside each other: the first that goes does not disturb the other."""
    execute(database, TABLES)
    before = everything(database)
    one, two = settings(database), settings(database, name="A name with capitals".replace(" ", "-"))
    tables = one.set_up(Surroundings())
    two.set_up(Surroundings())
    narrowed = settings(database, tables=["uuid_key"], operation=["delete"]).set_up(Surroundings())
    one.tear_down(Surroundings())
    with listening(two) as (seen, _):
        execute(database, "INSERT INTO no_key VALUES ('x')")
        until(lambda: seen.events)
    two.tear_down(Surroundings())

    assert 5 == len(tables)
    assert ["public.uuid_key"] == narrowed
    assert before == everything(database)
    assert [] == two.tear_down(Surroundings())


def test_one_listens_and_another_takes_over(database: str) -> None:
    """Two replicas with journals of their own; the connection of the first one is cut by the server."""
    execute(database, TABLES)
    one = settings(database)
    one.set_up(Surroundings())
    with listening(one) as (first, _):
        execute(database, "INSERT INTO no_key VALUES ('1')")
        until(lambda: len(first.events) == 1)
        with listening(one) as (second, _):
            execute(database, *[f"INSERT INTO no_key VALUES ('{n}')" for n in range(2, 12)])
            until(lambda: len(first.events) == 11)
            assert not second.events
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
                )
            execute(database, *[f"INSERT INTO no_key VALUES ('{n}')" for n in range(12, 22)])
            until(lambda: len(first.events) + len(second.events) >= 21)
    values = [event.payload["v"] for event in [*first.events, *second.events] if event.payload]

    assert sorted(values, key=int) == [str(n) for n in range(1, 22)]


def test_writers_from_many_sides_lose_nothing(database: str) -> None:
    """Transactions of four writers end in any order, some roll back."""
    execute(database, TABLES)
    one = settings(database)
    one.set_up(Surroundings())

    def write(writer: int) -> None:
        with psycopg.connect(database) as connection:
            for number in range(40):
                connection.execute("INSERT INTO no_key VALUES (%s)", (f"{writer}-{number}",))
                connection.rollback() if number % 5 == 4 else connection.commit()

    with listening(one) as (seen, _):
        writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        until(lambda: len(seen.events) >= 128)

    assert {f"{w}-{n}" for w in range(4) for n in range(40) if n % 5 != 4} == {
        event.payload["v"] for event in seen.events if event.payload
    }
    assert 128 == len(seen.events)


def test_operations_that_are_not_asked_for_write_nothing(database: str) -> None:
    execute(database, TABLES)
    one = settings(database, operation=["delete"], payload="none")
    one.set_up(Surroundings())
    execute(database, "INSERT INTO serial_key (v) VALUES ('x')", "DELETE FROM serial_key")
    with listening(one) as (seen, _):
        until(lambda: seen.events)

    assert [("public.serial_key", "delete", "1")] == seen.told()
    assert seen.events[0].payload is None


def test_a_changed_key_is_the_end_of_one_row_and_the_begin_of_another(database: str) -> None:
    """Also in one statement with rows that keep theirs, and where keys change places: those are only updated."""
    execute(
        database,
        "CREATE TABLE t (a int, b int, v text, PRIMARY KEY (a, b))",
        "CREATE TABLE u (id int PRIMARY KEY DEFERRABLE, v text)",
    )
    one = settings(database, tables=["t", "u"])
    one.set_up(Surroundings())
    with listening(one) as (seen, _):
        execute(
            database,
            "INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y')",
            "UPDATE t SET a = 3, v = 'z' WHERE a = 1",
            "UPDATE t SET a = CASE a WHEN 2 THEN 9 ELSE a END",
            "INSERT INTO u VALUES (1, 'one'), (2, 'two')",
            "UPDATE u SET id = 3 - id",
        )
        until(lambda: len(seen.events) == 11)
    told = [(e.operation.text, e.id, (e.payload or {})["v"]) for e in seen.events]

    assert [
        ("delete", '{"a": 1, "b": 1}', "x"),
        ("create", '{"a": 3, "b": 1}', "z"),
        ("delete", '{"a": 2, "b": 2}', "y"),
    ] == told[2:5]
    assert {("create", '{"a": 9, "b": 2}', "y"), ("update", '{"a": 3, "b": 1}', "z")} == {*told[5:7]}
    assert {("update", "1", "two"), ("update", "2", "one")} == {*told[9:]}


def test_triggers_of_an_older_installation_are_renewed(database: str) -> None:
    execute(database, "CREATE TABLE t (id int PRIMARY KEY)")
    one = settings(database)
    one.set_up(Surroundings())
    execute(
        database,
        "DROP TRIGGER sluice_raw_writes_update ON t",
        "CREATE TRIGGER sluice_raw_writes_update AFTER UPDATE ON t REFERENCING NEW TABLE AS changed "
        "FOR EACH STATEMENT EXECUTE FUNCTION sluice_dispatch.note_raw_writes('id')",
    )
    one.set_up(Surroundings())
    with listening(one) as (seen, _):
        execute(database, "INSERT INTO t VALUES (1)", "UPDATE t SET id = 2")
        until(lambda: len(seen.events) == 3)

    assert [("create", "1"), ("delete", "1"), ("create", "2")] == [(op, key) for _, op, key in seen.told()]


def test_patterns_that_no_table_fits_are_told(database: str, caplog: pytest.LogCaptureFixture) -> None:
    execute(database, TABLES)
    one = settings(database, tables=["serial*", "typo*", "Odd Schema.*"])
    one.set_up(Surroundings())
    with caplog.at_level("WARNING", logger="sluice.dispatch"), listening(one):
        until(lambda: caplog.messages)

    assert ["typo*"] == one.unmatched(Surroundings())
    assert ['input raw_writes: no table fits "typo*" now'] == caplog.messages
