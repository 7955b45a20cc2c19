"""The DuckDB file: who may have it, and what its errors become."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Transient, Violation
from shared.common.fakes import FakeClock
from shared.landing.folder import FolderStore
from shared.warehouse.duckdb_file import DuckDB
from tests.shared.warehouse.stream import Stream, columns

_HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_waits_for_a_file_that_another_process_has_and_says_so(stream: Stream, database: Path) -> None:
    clock = FakeClock()
    command = [sys.executable, "-c", _HOLD, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert b"held" in other.stdout.readline()

        with (
            pytest.raises(Transient, match="open for 2 seconds"),
            DuckDB(database, clock=clock, wait=2).session(stream.spec()),
        ):
            pass
        other.communicate(b"")

    assert 2 <= sum(clock.slept) < 3


@pytest.mark.parametrize("place", [100, 4096, 12288])
def test_a_damaged_file_is_told_as_that(stream: Stream, database: Path, place: int) -> None:
    stream.commit([{"id": "a"}])
    stream.load(stream.spec(columns=columns(id="string")))
    with database.open("r+b") as file:
        file.seek(place)
        file.write(b"\xde\xad" * 300)

    with pytest.raises(Violation, match="the DuckDB file is damaged") as caught:
        stream.load(stream.spec(columns=columns(id="string")))

    assert "backup" in caught.value.hint


def test_damage_that_shows_only_while_reading_is_told_as_that(stream: Stream, database: Path) -> None:
    stream.commit([{"id": f"{number * 7919:x}" * 9} for number in range(60_000)])
    stream.load(stream.spec(columns=columns(id="string")))
    with database.open("r+b") as file:
        file.seek(12288 + 100)
        file.write(b"\xde\xad" * ((database.stat().st_size - 12288) // 2 - 100))

    with pytest.raises(Violation, match="the DuckDB file is damaged"):
        stream.rows("min(id)")


def test_a_folder_that_cannot_be_made_is_a_setting_that_is_wrong(stream: Stream, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    warehouse = DuckDB(tmp_path / "taken" / "deeper" / "sluice.duckdb", clock=FakeClock())

    with pytest.raises(Misconfigured, match="folder of the DuckDB file cannot be made") as caught:
        warehouse.positions("recurly") or warehouse.session(stream.spec()).__enter__()

    assert "WAREHOUSE_URL" in caught.value.hint


def test_the_file_is_free_again_after_the_last_session(stream: Stream, database: Path) -> None:
    stream.commit([{"id": "a"}])
    stream.load(stream.spec(columns=columns(id="string")))
    command = [sys.executable, "-c", _HOLD, str(database)]

    assert 0 == subprocess.run(command, input=b"", capture_output=True, check=False).returncode


def test_a_file_that_is_held_stays_open_between_sessions(stream: Stream, database: Path) -> None:
    log = database.with_name("sluice.duckdb.wal")
    stream.commit([{"id": "a"}])
    warehouse = stream.warehouse
    assert isinstance(warehouse, DuckDB)
    with warehouse.held():
        stream.load(stream.spec(columns=columns(id="string")))
        open_still = log.exists()

    assert (True, False) == (open_still, log.exists())


def test_a_file_that_is_no_database(stream: Stream, database: Path) -> None:
    database.write_bytes(b"something else" * 1000)

    with pytest.raises(Misconfigured, match="is no DuckDB database"), stream.warehouse.session(stream.spec()):
        pass


def test_streams_are_loaded_side_by_side(tmp_path: Path) -> None:
    warehouse = DuckDB(tmp_path / "db", clock=FakeClock(), threads=1)
    streams = [Stream(FolderStore(tmp_path / "l"), warehouse, stream=f"s{number}") for number in range(6)]
    for stream in streams:
        stream.commit([{"id": n} for n in range(100)])
        stream.commit([{"id": n} for n in range(50)])

    def load(stream: Stream) -> None:
        kinds = columns(id="integer")
        stream.load(stream.spec("merge", columns=kinds, primary_key=("id",)), batch_bytes=1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, streams))

    assert [100] * 6 == [len(stream.rows()) for stream in streams]


@pytest.mark.parametrize(("compact", "methods"), [(False, "DICT_FSST"), (True, "")])
def test_texts_are_compressed_at_length_only_when_asked(
    tmp_path: Path, *, compact: bool, methods: str
) -> None:
    warehouse = DuckDB(tmp_path / "db", clock=FakeClock(), memory="300MB", compact=compact)
    stream = Stream(FolderStore(tmp_path / "l"), warehouse)

    names = "current_setting('disabled_compression_methods'), current_setting('memory_limit')"
    assert [(methods, "286.1 MiB")] == stream.ask(f"SELECT {names}")


def test_memory_lives_as_long_as_the_warehouse() -> None:
    warehouse = DuckDB(":memory:", clock=FakeClock())
    spec = Stream.spec.__get__(type("S", (), {"stream": "s", "source": "s"})())()
    with warehouse.session(spec) as session:
        session.query("CREATE TABLE t AS SELECT 1 AS a")
    with warehouse.session(spec) as session:
        assert [(1,)] == session.query("SELECT a FROM t")
    warehouse.close()
