"""A disk that is full: nothing is acknowledged that is not written, it is told, and all goes on when there is room."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.orchestrator.journal import Standing
from shared.orchestrator.sqlite_journal import SqliteJournal
from tests.shared.orchestrator.running import until
from tests.src.dispatch.house import BROKEN, Client, serving

pytestmark = pytest.mark.usefixtures("whole")
Disk = tuple[Path, Callable[[], object]]
PADDING = "x" * 20_000


class Limited(SqliteJournal):
    """SQLite's own limit of pages: with it the file is full without a file system that is."""

    def limit(self, more: int) -> None:
        with self._lock:
            pages = self._connected().execute("PRAGMA page_count").fetchone()[0]
            self._connected().execute(f"PRAGMA max_page_count = {pages + more}")


@pytest.fixture
def whole() -> None:
    BROKEN.clear()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of 4 MB, and what makes room on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if (
        os.geteuid()
        or not shutil.which("mount")
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("a small file system can be mounted by root only")
    try:
        (folder / "ballast").write_bytes(b"x" * 2_500_000)
        yield folder, (folder / "ballast").unlink
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def order(client: Client, number: int) -> int:
    event = {
        "location": "shop.orders",
        "operation": "create",
        "id": str(number),
        "payload": {"text": PADDING},
    }
    return client("POST", "/hooks/orders", event, Authorization="", webhook_id=str(number)).status


def fill(client: Client) -> tuple[list[int], int]:
    """Orders until one is refused: those that were taken, and the one that was not."""
    taken = list[int]()
    while len(taken) < 1000:
        status = order(client, len(taken))
        if status != 202:
            assert status == 503
            return taken, len(taken)
        taken.append(len(taken))
    raise AssertionError("nothing was ever refused")


def check(client: Client, dispatcher: Any, make_room: Callable[[], object]) -> None:
    taken, refused = fill(client)
    # Until its own retries have failed too, so that nothing but the dispatcher itself finds out that there is room.
    until(lambda: client("GET", "/health").status == 503)
    told = client("GET", "/health").body
    trouble = client("GET", "/api/graph").plain["trouble"]
    make_room()
    until(lambda: client("GET", "/health").status == 200, seconds=30)
    again = order(client, refused)
    until(lambda: dispatcher.journal.counts()[Standing.DONE] == len(taken) + 1, seconds=30)
    ids = {one.event.id for one in dispatcher.journal.events(limit=1000)}

    assert len(taken) > 5
    assert b"the journal cannot be written\n" == told
    assert "the journal cannot be written: database or disk is full" in trouble
    assert 202 == again
    assert {str(number) for number in [*taken, refused]} == ids


def test_a_full_file_system(small_disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    folder, make_room = small_disk
    with (
        serving(folder, broken=False) as (dispatcher, client),
        caplog.at_level("WARNING", logger="sluice.dispatch"),
    ):
        check(client, dispatcher, make_room)
    lines = [one.getMessage() for one in caplog.records]

    assert [] == [line for line in lines if "nothing is started" in line and "make room" not in line]
    assert "nothing new is started: the journal cannot be written: database or disk is full" in lines[0]
    assert "the journal can be written again" in lines


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    journal = Limited(tmp_path / "j.db")
    with serving(tmp_path, journal=journal, broken=False) as (dispatcher, client):
        journal.limit(200)
        check(client, dispatcher, lambda: journal.limit(1_000_000))


def test_what_was_taken_before_the_disk_was_full_is_whole_afterwards(small_disk: Disk) -> None:
    """The program is gone while the disk is full; SQLite finds its file sound, and the next start goes on."""
    folder, make_room = small_disk
    with serving(folder, broken=False) as (dispatcher, client):
        dispatcher.pause("archive")
        taken, _ = fill(client)
    make_room()
    with sqlite3.connect(folder / "j.db") as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    with serving(folder, broken=False) as (dispatcher, client):
        dispatcher.resume("archive")
        until(lambda: dispatcher.journal.counts()[Standing.DONE] == len(taken), seconds=30)

    assert [("ok",)] == sound
