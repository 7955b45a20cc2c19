"""What a journal leaves on the disk and in the program: files for their owner alone, and nothing open after a look."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from shared.common.errors import Misconfigured
from shared.orchestrator.journal import Standing, Store
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from tests.shared.orchestrator.running import Remembering
from tests.shared.orchestrator.test_supervisor import raising

NOTHING = dict.fromkeys(Standing, 0)


def open_files(folder: Path) -> list[str]:
    """What this program holds open below a folder."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [name for one in links if (name := os.readlink(one)).startswith(str(folder))]


def modes(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mode & 0o777 for one in [folder, *folder.iterdir()]}


def test_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    """All of them, however open the program's own mask is, while it runs and afterwards."""
    before = os.umask(0)
    try:
        one = Orchestrator(SqliteJournal(tmp_path / "made" / "j.db"))
        one.add_input("i", raising(1))
        one.add_process("p", Remembering())
        one.link("i", "p")
        with one:
            one.run(timeout=20)
            while_running = modes(tmp_path / "made")
    finally:
        os.umask(before)

    names = {"j.db", "j.db-wal", "j.db-shm", "j.db.lock"}
    assert {"made": 0o700, **dict.fromkeys(names, 0o600)} == while_running
    assert {0o600, 0o700} == set(modes(tmp_path / "made").values())


def test_a_folder_and_a_file_of_others_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "j.db").touch(0o640)
    assert NOTHING == SqliteJournal(tmp_path / "j.db").counts()

    assert (0o755, 0o640) == (tmp_path.stat().st_mode & 0o777, (tmp_path / "j.db").stat().st_mode & 0o777)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"no journal can be made: (Not a directory|File exists)"):
        SqliteJournal(tmp_path / "file" / "deeper" / "j.db").counts()


def look(journal: Store) -> list[Callable[[], object]]:
    return [
        journal.counts, journal.events, journal.dead, journal.document, journal.versions,
        lambda: journal.event(1), lambda: journal.retry(1), lambda: journal.drop(1), lambda: journal.runs("p"),
    ]  # fmt: skip


def test_looking_makes_no_journal(tmp_path: Path, database: str) -> None:
    file = tmp_path / "not" / "there.db"
    for journal in (SqliteJournal(file, existing=True), PostgresJournal(database, existing=True)):
        for one in look(journal):
            with pytest.raises(Misconfigured, match="there is no journal"):
                one()
    with psycopg.connect(database) as connection:
        schemas = connection.execute("SELECT FROM pg_namespace WHERE nspname = 'sluice_journal'").fetchall()

    assert ([], False) == (schemas, file.parent.exists())


def test_who_may_only_read_may_look(database: str) -> None:
    writer = PostgresJournal(database)
    writer.open()
    writer.close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS onlooker")
        connection.execute("CREATE ROLE onlooker LOGIN PASSWORD 'pw'")
        connection.execute("GRANT USAGE ON SCHEMA sluice_journal TO onlooker")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sluice_journal TO onlooker")
        onlooker = PostgresJournal(make_conninfo(database, user="onlooker", password="pw"), existing=True)

        assert (NOTHING, [], []) == (onlooker.counts(), onlooker.events(), onlooker.runs("p"))
        connection.execute("DROP OWNED BY onlooker")
        connection.execute("DROP ROLE onlooker")


def test_looking_and_deciding_leave_nothing_open(tmp_path: Path, database: str) -> None:
    """Neither before a dispatcher had the journal, nor after it."""
    for journal in (SqliteJournal(tmp_path / "j.db"), PostgresJournal(database)):
        for _ in range(2):
            for one in look(journal):
                one()
            journal.put_document({"a": 1}, after=journal.document().number, at=1.0)
            assert [] == open_files(tmp_path)
            assert None is journal._connection if isinstance(journal, PostgresJournal) else True
            journal.open()
            journal.close()
    assert [] == open_files(tmp_path)


def test_a_journal_in_memory_does_not_come_back_empty() -> None:
    journal = SqliteJournal(MEMORY)
    journal.open()
    journal.close()
    with pytest.raises(Misconfigured, match="ended with its dispatcher"):
        journal.counts()


def test_files_of_others_stay_as_they_are(tmp_path: Path) -> None:
    text, base = tmp_path / "notes", tmp_path / "theirs.db"
    text.write_text("no database, but rather long " * 10)
    with closing(sqlite3.connect(base)) as connection:
        connection.execute("CREATE TABLE orders (id)")
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}

    for path, fault in ((text, "this is no journal: file is not a database"), (base, "of something else")):
        for journal in (SqliteJournal(path), SqliteJournal(path, existing=True)):
            with pytest.raises(Misconfigured, match=fault):
                journal.counts()
            with pytest.raises(Misconfigured, match=fault):
                journal.open()
            journal.close()
    assert before == {one.name: one.read_bytes() for one in tmp_path.iterdir() if one.suffix != ".lock"}


def test_a_file_that_is_another_ones_is_let_go(tmp_path: Path) -> None:
    """An `open` that fails leaves no lock behind."""
    journal = SqliteJournal(tmp_path / "j.db")
    with journal._writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    for _ in range(2):
        with pytest.raises(Misconfigured, match="layout 99"):
            journal.open()

    assert [] == open_files(tmp_path)
