"""A run of a database: one moment, in pieces, that goes on where it was and asks only for what is new."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Refused, Transient, Violation
from shared.common.fakes import FixedDeadline, MemoryStore
from shared.ingestion.plan import Ask
from shared.landing.folder import FolderStore
from tests.shared.ingestion.conftest import Execute
from tests.shared.ingestion.sql_house import House

NUMBERS = "CREATE TABLE t AS SELECT i AS id, 'n' || i AS name, i % 7 AS kind FROM generate_series(1, 5000) i"
KEY = "ALTER TABLE t ADD PRIMARY KEY (id)"


def ids(house: House, **where: Any) -> list[int]:
    return sorted(row["id"] for row in house.rows(**where))


def test_a_table_lands_whole_in_pieces(pg: Execute, postgres_url: str) -> None:
    """Each piece is asked for by its key; together they are the table, and replace it."""
    pg(NUMBERS, KEY)
    house = House(postgres_url, {"t": {"table": "t", "chunk_size": 700, "part_size": 1}})

    report = house.well()

    assert list(range(1, 5001)) == ids(house)
    assert (5000, 8) == (report.streams["t"].rows, report.streams["t"].commits)
    last = house.commits()[-1].draft
    assert (True, None, None) == (last.snapshot, last.resume, last.cursor)
    assert report.done


def test_a_reset_to_nothing_is_a_table_without_rows(pg: Execute, postgres_url: str) -> None:
    """An empty table is an empty snapshot, which empties the final table."""
    pg("CREATE TABLE t (id int PRIMARY KEY)")
    house = House(postgres_url, {"t": {"table": "t"}})

    house.well()

    (commit,) = house.commits()
    assert (True, 0, None) == (commit.draft.snapshot, commit.draft.rows, commit.draft.resume)


def test_all_tables_show_one_moment(pg: Execute, postgres_url: str) -> None:
    """What is written after the run began is in none of its tables, however late each of them is read."""
    pg(NUMBERS, KEY, "CREATE TABLE late AS SELECT 1 AS id")
    streams = {"t": {"table": "t", "chunk_size": 100, "part_size": 1}, "late": {"table": "late"}}
    house = House(postgres_url, streams, parallel_streams=1)

    class Writing(MemoryStore):
        """Writes to the database as soon as the first part lands."""

        written = False

        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            if not self.written:
                self.written = True
                pg(
                    "INSERT INTO late VALUES (2)",
                    "DELETE FROM t WHERE id > 2500",
                    "INSERT INTO t VALUES (9999)",
                )
            return super().put_file(key, file, sha256=sha256)

    house.store = Writing(house.clock)
    house.well()

    assert list(range(1, 5001)) == ids(house)
    assert [1] == ids(house, stream="late")


@pytest.mark.parametrize(
    "key", ["id int", "id uuid", "id text", "id timestamptz", "id numeric", "id bytea", "id text, part int"]
)
def test_readers_share_the_range_of_a_key(pg: Execute, postgres_url: str, key: str) -> None:
    """Of any type: the cuts are keys of a sample. They read one moment together."""
    values = {
        "id int": "i * i",
        "id uuid": "md5(i::text)::uuid",
        "id text": "'Ä' || md5(i::text)",
        "id timestamptz": "now() + i * interval '1 ms'",
        "id numeric": "i / 7.0",
        "id bytea": "sha256(i::text::bytea)",
        "id text, part int": "(i % 5)::text, i",
    }
    names = ", ".join(part.split()[0] for part in key.split(", "))
    pg(
        f"CREATE TABLE t ({key}, n int, PRIMARY KEY ({names}))",
        f"INSERT INTO t SELECT {values[key]}, i FROM generate_series(1, 4000) i",
        "ANALYZE t",
    )
    house = House(postgres_url, {"t": {"table": "t", "chunk_size": 300, "parallel": 3}})

    house.well()

    assert list(range(1, 4001)) == sorted(row["n"] for row in house.rows())
    assert len({part.key.rpartition("-w")[2][:5] for c in house.commits() for part in c.draft.parts}) > 3


def test_two_read_a_long_table_unless_the_file_says_otherwise(pg: Execute, postgres_url: str) -> None:
    """What is new since a run is read by one."""
    pg(
        "CREATE TABLE t AS SELECT i AS id, now() + i * interval '1 s' AS at FROM generate_series(1, 3000) i",
        KEY,
        "ALTER TABLE t ALTER at SET NOT NULL",
        "ANALYZE t",
    )
    house = House(postgres_url, {"t": {"table": "t", "cursor_field": "at", "chunk_size": 200}}, defaults={})
    first = house.well()
    pg("UPDATE t SET at = at + interval '1 day' WHERE id <= 1000")
    second = house.well()

    assert (8, 1) == (first.streams["t"].commits, second.streams["t"].commits)
    assert list(range(1, 3001)) == ids(house, run=first.run)
    assert [*range(1, 1001), 3000] == ids(house, run=second.run)


def test_a_table_without_a_key_lands_at_once_or_not_at_all(pg: Execute, postgres_url: str) -> None:
    """There is nothing to go on by, so nothing is committed before its end; parts are cut all the same."""
    pg("CREATE TABLE t AS SELECT 1 AS id, repeat('x', 1000) AS text FROM generate_series(1, 2000)")
    house = House(postgres_url, {"t": {"table": "t", "part_size": 300_000}})

    stopped = house.run(deadline=FixedDeadline(0.0))
    assert ("unfinished", []) == (stopped.streams["t"].status, house.commits())
    house.well()

    (commit,) = house.commits()
    assert (2000, 7) == (commit.draft.rows, len(commit.draft.parts))


def test_a_view_is_read_by_the_key_that_its_entry_names(pg: Execute, postgres_url: str) -> None:
    """The catalogue knows no key of a view; rows without a value for it would be lost, so they are refused."""
    pg(NUMBERS, "CREATE VIEW v AS SELECT * FROM t")
    house = House(
        postgres_url, {"t": {"table": "v", "primary_key": "id", "chunk_size": 1000, "part_size": 1}}
    )

    assert 6 == house.well().streams["t"].commits
    pg("INSERT INTO t VALUES (NULL, 'no key')")
    report = house.run()

    assert isinstance(report.failed["t"], Violation)
    assert "without a value for id" in str(report.failed["t"])


def test_only_what_is_new_is_read(pg: Execute, postgres_url: str) -> None:
    """From the last cursor on, that one included, because rows of the same moment may have come since."""
    pg(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL, name text)",
        "INSERT INTO t VALUES (1, '2024-01-01', 'a'), (2, '2024-01-02', 'b')",
    )
    house = House(postgres_url, {"t": {"table": "t", "cursor_field": "at"}})
    first = house.well()
    pg("INSERT INTO t VALUES (3, '2024-01-02', 'c'), (4, '2024-01-03 00:00:00.000001', 'd')")
    pg("UPDATE t SET at = '2024-01-04', name = 'A' WHERE id = 1")

    second = house.well()
    third = house.well()

    assert "2024-01-02T00:00:00.000000Z" == first.streams["t"].cursor
    assert [1, 2, 3, 4] == ids(house, run=second.run)
    assert "2024-01-04T00:00:00.000000Z" == second.streams["t"].cursor
    assert [1] == ids(house, run=third.run)
    assert [False] * 3 == [commit.draft.snapshot for commit in house.commits()]


def test_look_back_reads_again_what_was_still_open(pg: Execute, postgres_url: str) -> None:
    """A transaction may commit a row with an older time than one that was read already."""
    pg(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamp NOT NULL)",
        "INSERT INTO t VALUES (1, '2024-01-01 12:00')",
    )
    entry = {"table": "t", "cursor_field": "at", "incremental": {"look_back": "1h"}}
    house = House(postgres_url, {"t": entry})
    house.well()
    pg("INSERT INTO t VALUES (2, '2024-01-01 11:30'), (3, '2024-01-01 10:59')")

    second = house.well()

    assert [1, 2] == ids(house, run=second.run)
    assert "2024-01-01T12:00:00.000000Z" == second.streams["t"].cursor


def test_a_growing_number_is_a_cursor_and_appends_each_row_once(pg: Execute, postgres_url: str) -> None:
    """A table that is only added to needs no key."""
    pg("CREATE TABLE t (id bigint NOT NULL)", "INSERT INTO t SELECT generate_series(1, 1500)")
    house = House(postgres_url, {"t": {"table": "t", "cursor_field": "id", "chunk_size": 400}})
    first = house.well()
    pg("INSERT INTO t SELECT generate_series(1501, 1600)")
    house.well()
    house.well()

    assert (1500, 1600) == (first.streams["t"].cursor, house.commits()[-1].draft.cursor)
    assert list(range(1, 1601)) == ids(house)


def test_a_range_can_be_asked_for(pg: Execute, postgres_url: str) -> None:
    """It does not move the cursor back, and not over a gap."""
    pg(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz NOT NULL)",
        "INSERT INTO t SELECT i, '2024-01-01'::timestamptz + i * interval '1 day' FROM generate_series(0, 9) i",
    )
    house = House(postgres_url, {"t": {"table": "t", "cursor_field": "at"}})
    house.well(ask=Ask(until=datetime(2024, 1, 4, tzinfo=UTC)))
    assert [0, 1, 2] == ids(house)

    asked = house.well(ask=Ask(since=datetime(2024, 1, 8, tzinfo=UTC)))
    assert [7, 8, 9] == ids(house, run=asked.run)
    rest = house.well()

    assert list(range(3, 10)) == [i for i in ids(house, run=rest.run) if i > 2]
    assert list(range(10)) == sorted(set(ids(house)))


def test_rows_without_a_cursor_are_told_of(pg: Execute, postgres_url: str) -> None:
    """They are never new."""
    pg("CREATE TABLE t (id int PRIMARY KEY, at timestamptz)", "INSERT INTO t VALUES (1, now()), (2, NULL)")
    house = House(postgres_url, {"t": {"table": "t", "cursor_field": "at"}})

    report = house.well()

    assert [1] == ids(house)
    assert "rows whose at is null are never read" in report.streams["t"].warnings[0]


def test_a_run_that_is_stopped_goes_on_behind_its_last_commit(pg: Execute, postgres_url: str) -> None:
    """Whatever it is stopped after; what other people write meanwhile neither doubles a row nor loses one."""
    pg(NUMBERS, KEY)
    house = House(postgres_url, {"t": {"table": "t", "chunk_size": 500, "part_size": 1, "parallel": 2}})
    runs = 0
    while True:
        steps = iter([False, False, False])
        report = house.run(stop=lambda steps=steps: next(steps, True))
        assert not report.failed
        runs += 1
        pg(f"INSERT INTO t VALUES ({100_000 + runs}, 'new', 0)", f"UPDATE t SET name = 'x' WHERE id = {runs}")
        if report.done:
            break

    found = ids(house)
    assert runs > 2
    assert len(found) == len(set(found))
    assert set(range(1, 5001)) <= set(found)
    assert 1 == len({commit.draft.run for commit in house.commits()})


def test_a_run_that_was_interrupted_can_be_told_to_start_again(pg: Execute, postgres_url: str) -> None:
    """For whoever wants one moment more than the time that it takes."""
    pg(NUMBERS, KEY)
    house = House(
        postgres_url, {"t": {"table": "t", "chunk_size": 500, "part_size": 1}}, interrupted="restart"
    )
    steps = iter([False, False])
    house.run(stop=lambda: next(steps, True))
    assert house.commits()[-1].draft.resume is not None

    report = house.well()

    assert list(range(1, 5001)) == ids(house, run=report.run)


CHILD = """
import sys
from pathlib import Path
from shared.landing.folder import FolderStore
from tests.shared.ingestion.sql_house import House
streams = {"t": {"table": "t", "chunk_size": 2000, "part_size": 1, "parallel": 2}}
house = House(sys.argv[1], streams, store=FolderStore(Path(sys.argv[2])))
house.runs = int(sys.argv[3])
report = house.run()
sys.exit(0 if report.done and not report.failed else 1)
"""


def test_a_killed_run_repeats_at_most_a_part_of_each_reader(
    pg: Execute, postgres_url: str, tmp_path: Path
) -> None:
    """A `kill -9` while others write: every row that was there all the time has landed once."""
    pg(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS text FROM generate_series(1, 60000) i",
        KEY,
        "ANALYZE t",
    )
    writing = threading.Event()

    def write() -> None:
        import psycopg

        with psycopg.connect(postgres_url, autocommit=True) as other:
            number = 0
            while not writing.wait(0.01):
                number += 1
                other.execute(f"INSERT INTO t VALUES ({1_000_000 + number}, 'new')")
                other.execute(f"UPDATE t SET text = 'changed' WHERE id = {number * 37 % 60000 + 1}")

    writer = threading.Thread(target=write)
    writer.start()
    log = tmp_path / "landing/shop/t/log"
    kills = 0
    try:
        for attempt in range(30):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, postgres_url, str(tmp_path), str(attempt)], cwd=Path.cwd()
            )
            before = len(list(log.glob("*.json"))) if log.exists() else 0
            for _ in range(4000):
                if child.poll() is not None:
                    break
                if kills < 4 and log.exists() and len(list(log.glob("*.json"))) > before + 2:
                    os.kill(child.pid, signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.005)
            if child.wait() == 0:
                break
        else:
            pytest.fail("the run never came to its end")
    finally:
        writing.set()
        writer.join()

    house = House(postgres_url, {"t": {"table": "t"}}, store=FolderStore(tmp_path))
    found = ids(house)
    assert 4 == kills
    assert len(found) == len(set(found))
    assert set(range(1, 60001)) <= set(found)
    assert 1 == len({commit.draft.run for commit in house.commits()})


def test_of_two_runs_at_once_one_is_superseded(pg: Execute, postgres_url: str) -> None:
    """The log is the lock, as for every source."""
    pg(NUMBERS, KEY)
    house = House(postgres_url, {"t": {"table": "t", "chunk_size": 1000, "part_size": 1}})

    class Racing(MemoryStore):
        raced = False

        def put_file(self, key: str, file: Path, *, sha256: str) -> str:
            if not self.raced:
                self.raced = True
                house.well()
            return super().put_file(key, file, sha256=sha256)

    house.store = Racing(house.clock)
    report = house.run()

    assert "superseded" == report.streams["t"].status
    assert list(range(1, 5001)) == ids(house)


def test_a_statement_that_takes_too_long_is_ended(pg: Execute, postgres_url: str) -> None:
    """The error says what to change."""
    pg("CREATE VIEW v AS SELECT 1 AS id, pg_sleep(30)::text AS slow")
    house = House(postgres_url, {"t": {"table": "v"}}, statement_timeout="200ms")

    report = house.run()

    assert isinstance(report.failed["t"], Transient)
    assert "a statement took longer than 0.2 s" in str(report.failed["t"])


def test_nothing_can_be_written(pg: Execute, postgres_url: str) -> None:
    """The session is read-only, so a view with effects has none."""
    pg(
        "CREATE TABLE t (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (1) RETURNING 1'",
        "CREATE VIEW v AS SELECT f() AS id",
    )
    house = House(postgres_url, {"t": {"table": "v"}})

    report = house.run()

    assert "read-only transaction" in str(report.failed["t"])
    assert [] == pg("SELECT * FROM t")


def test_what_is_missing_is_named_with_what_there_is(pg: Execute, postgres_url: str) -> None:
    """A misspelt table, column or key costs one look."""
    pg(NUMBERS, "CREATE TABLE nullable (id int, at timestamptz)")
    house = House(
        postgres_url,
        {
            "table": {"table": "tt"},
            "column": {"table": "t", "leave_out": "nmae"},
            "key": {"table": "nullable", "primary_key": "id"},
            "cursor": {"table": "t", "cursor_field": "name", "incremental": {"look_back": "1h"}},
            "well": {"table": "t"},
        },
    )

    report = house.run()

    told = {name: str(error) for name, error in report.failed.items()}
    assert {"table", "column", "key", "cursor"} == set(told)
    assert "there is no table tt" in told["table"]
    assert "public.nullable, public.t" in told["table"]
    assert 'did you mean "name"?' in told["column"]
    assert 'the column "id" of the primary key may be null' in told["key"]
    assert 'look_back does not go with the cursor "name"' in told["cursor"]
    assert all(isinstance(error, Misconfigured) for error in report.failed.values())
    assert 5000 == report.streams["well"].rows


def test_a_user_who_may_not_read_is_told_apart(pg: Execute, postgres_url: str) -> None:
    """A role that does not exist, a database that does not, a table without a grant, and nobody at home."""
    pg(
        NUMBERS,
        "DROP ROLE IF EXISTS stranger",
        "CREATE ROLE stranger LOGIN",
        "REVOKE ALL ON SCHEMA public FROM stranger",
    )
    pg("GRANT USAGE ON SCHEMA public TO stranger")
    streams = {"t": {"table": "t"}}
    nobody = House(postgres_url.replace("//sluice", "//nobody"), streams).run()
    nowhere = House(postgres_url.replace("/postgres", "/elsewhere"), streams).run()
    stranger = House(postgres_url.replace("//sluice", "//stranger"), streams).run()
    away = House("postgresql://sluice@127.0.0.1:1/postgres", streams).run()
    pg("DROP OWNED BY stranger", "DROP ROLE stranger")

    for report in (nobody, nowhere):
        assert isinstance(report.failed["t"], Refused)
        assert "DB_USER" in str(report.failed["t"])
    assert isinstance(stranger.failed["t"], Refused)
    assert "grant SELECT" in str(stranger.failed["t"])
    assert isinstance(away.failed["t"], Transient)


class TestMySql:
    """What holds for MySQL and MariaDB beside their types."""

    TABLE = (
        "CREATE TABLE t (a int NOT NULL, b varchar(20) NOT NULL, at datetime(6) NOT NULL, "
        "PRIMARY KEY (a, b), KEY (at))"
    )
    FILL = "INSERT INTO t SELECT seq DIV 10, CONCAT('ä', seq), '2024-01-01' + INTERVAL seq SECOND FROM seq_1_to_5000"

    def test_a_table_lands_in_pieces_of_one_moment(self, my: Execute, my_url: str) -> None:
        """By a key of two columns, while somebody writes."""
        my(self.TABLE, self.FILL, "CREATE TABLE late (id int)")
        streams = {"t": {"table": "t", "chunk_size": 700, "part_size": 1}, "late": {"table": "late"}}
        house = House(my_url, streams)

        class Writing(MemoryStore):
            written = False

            def put_file(self, key: str, file: Path, *, sha256: str) -> str:
                if not self.written:
                    self.written = True
                    my("INSERT INTO late VALUES (1)", "DELETE FROM t WHERE a > 300")
                return super().put_file(key, file, sha256=sha256)

        house.store = Writing(house.clock)
        report = house.well()

        assert sorted(f"ä{i}" for i in range(1, 5001)) == sorted(row["b"] for row in house.rows())
        assert 8 == report.streams["t"].commits
        assert [] == house.rows("late")

    def test_only_what_is_new_is_read(self, my: Execute, my_url: str) -> None:
        """The cursor is a time or a number here, too."""
        my(self.TABLE, self.FILL)
        entry = {"table": "t", "cursor_field": "at", "chunk_size": 1000, "incremental": {"look_back": "1s"}}
        house = House(my_url, {"t": entry, "n": {"table": "t", "cursor_field": "a"}})
        first = house.well()
        my("INSERT INTO t VALUES (9999, 'new', '2024-02-01')")
        second = house.well()

        assert ("2024-01-01T01:23:20.000000Z", 500) == (first.streams["t"].cursor, first.streams["n"].cursor)
        assert ["new", "ä4999", "ä5000"] == sorted(row["b"] for row in house.rows(run=second.run))
        assert ["new", "ä5000"] == sorted(row["b"] for row in house.rows("n", run=second.run))

    def test_a_stopped_run_goes_on(self, my: Execute, my_url: str) -> None:
        """Behind its last commit."""
        my(self.TABLE, self.FILL)
        house = House(my_url, {"t": {"table": "t", "chunk_size": 900, "part_size": 1}})
        for _ in range(20):
            steps = iter([False, False])
            if house.run(stop=lambda steps=steps: next(steps, True)).done:
                break

        found = [row["b"] for row in house.rows()]
        assert 5000 == len(found) == len(set(found))
        assert len(house.commits()) > 4

    def test_readers_can_share_a_table_that_nobody_writes(self, my: Execute, my_url: str) -> None:
        """Each has a moment of its own then, which the file must say that it knows."""
        my("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT seq FROM seq_1_to_5000")
        entry = {"table": "t", "parallel": 2, "chunk_size": 300}
        house = House(my_url, {"t": entry}, consistent=False)

        house.well()

        assert list(range(1, 5001)) == ids(house)
        with pytest.raises(ValueError, match="MySQL cannot share a snapshot"):
            _ = House(my_url, {"t": entry}).source

    def test_a_statement_that_takes_too_long_is_ended(self, my: Execute, my_url: str) -> None:
        my("CREATE VIEW v AS SELECT SLEEP(20) AS id")
        report = House(my_url, {"t": {"table": "v"}}, statement_timeout="300ms").run()

        assert "a statement took longer than 0.3 s" in str(report.failed["t"])

    def test_the_password_is_nowhere_but_in_the_connection(
        self, my: Execute, my_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in what landed, not in an error, not in a log; neither the right nor a wrong one."""
        my(
            "CREATE TABLE t (id int PRIMARY KEY)",
            "CREATE OR REPLACE USER reader IDENTIFIED BY 'pa%40ss:w/rd\"x'",
            "GRANT SELECT ON shop.* TO reader",
        )
        url = my_url.replace("//root", "//reader")
        right = House(
            url, {"t": {"table": "t"}, "u": {"table": "u"}}, secrets={"DB_PASSWORD": 'pa%40ss:w/rd"x'}
        )
        wrong = House(url, {"t": {"table": "t"}}, secrets={"DB_PASSWORD": "wr0ng-secret"})
        with caplog.at_level(0):
            reports = [right.run(), wrong.run()]

        assert 0 == len(right.rows())
        assert "done" == reports[0].streams["t"].status
        assert isinstance(reports[1].failed["t"], Refused)
        told = json.dumps([report.to_json() for report in reports], default=str) + caplog.text
        stored = b"".join(h.store.get(i.key) for h in (right, wrong) for i in h.store.list("")).decode(
            "latin-1"
        )
        for secret in ("pa%40ss", "pa@ss", "wr0ng-secret", "w/rd"):
            assert secret not in told
            assert secret not in stored
