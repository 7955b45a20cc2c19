"""DuckDB as a warehouse: a file that needs nothing installed but Python, or memory.

A file belongs to one process at a time: others wait for it, and give up with `Transient`. Within a process any number
of sessions work side by side. The stage is a temporary table: it is gone with its process, and costs no second write
to the disk; when its rows do not count up, it is copied into the database for somebody to look at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured, SluiceError, Transient, Violation
from shared.common.ports import Clock
from shared.warehouse.ddl import LEDGER
from shared.warehouse.duckdb_session import DuckDBSession
from shared.warehouse.ports import TableSpec

if TYPE_CHECKING:
    import duckdb

MEMORY = ":memory:"
MEMORY_LIMIT = "512MB"
WAIT = 30.0
"""Seconds to wait for a file that another process has open."""

_PAUSE = 0.25
# Above DuckDB's 16 MB, so that a load is not written to its log and to the file in one go, twice.
_CHECKPOINT = "256MB"


class DuckDB:
    """A DuckDB database at `path`, or `:memory:`, which lives as long as this object.

    `memory` caps what DuckDB takes; the rest goes to a temporary folder beside the file. `threads` are DuckDB's; None:
    one per core. `compact` lets DuckDB look for the smallest form of texts: files of about half the size, which are
    written at about half the speed (docs/decisions/0002-load-protocol.md has the figures).
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        memory: str = MEMORY_LIMIT,
        threads: int | None = None,
        compact: bool = False,
        wait: float = WAIT,
    ) -> None:
        self.path = str(path)
        self._clock = clock
        self._wait = wait
        settings = {
            "memory_limit": memory,
            "threads": threads,
            "checkpoint_threshold": _CHECKPOINT,
        }
        self._compact = compact
        self._settings = {name: str(value) for name, value in settings.items() if value is not None}
        self._lock = threading.Lock()
        self._ddl = threading.Lock()
        self._root: duckdb.DuckDBPyConnection | None = None
        self._open = 0

    @contextmanager
    def session(self, table: TableSpec) -> Iterator[DuckDBSession]:
        """A session; the file is released when the last one ends."""
        with self._connection() as connection, translated(self.path):
            session = DuckDBSession(connection, table, ddl=self._ddl)
            session.prepare()
            yield session

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the file open over several loads: closing it moves DuckDB's log into it each time."""
        with self._connection():
            yield

    def positions(self, source: str) -> dict[str, int]:
        """See `ports.Warehouse`; a file that is not there is not made."""
        if self.path != MEMORY and not Path(self.path).exists():
            return {}
        with self._connection() as connection, translated(self.path):
            there = "SELECT 1 FROM duckdb_tables() WHERE schema_name = ? AND table_name = 'ledger'"
            if not connection.execute(there, (LEDGER,)).fetchall():
                return {}
            found = f"SELECT stream, sequence FROM {LEDGER}.ledger WHERE source = ?"
            return dict(connection.execute(found, (source,)).fetchall())

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._root is None:
                self._root = self._connected()
            self._open += 1
            connection = self._root.cursor()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()
            with self._lock:
                self._open -= 1
                if not self._open and self.path != MEMORY:
                    self._root.close()
                    self._root = None

    def close(self) -> None:
        """Let go of the database; what was in memory is gone."""
        with self._lock:
            if self._root is not None and not self._open:
                self._root.close()
                self._root = None

    def _connected(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        if self.path != MEMORY:
            _make_folder(Path(self.path).absolute().parent)
        until = self._clock.monotonic() + self._wait
        while True:
            try:
                connection = duckdb.connect(self.path, config=dict(self._settings))
            except duckdb.IOException as error:
                if "lock" not in str(error):
                    raise _broken(self.path, error) from error
                if self._clock.monotonic() >= until:
                    raise Transient(
                        f"another process has had the DuckDB file open for {self._wait:g} seconds",
                        hint="DuckDB lets one process write a file: close the other one (a shell, a notebook, "
                        "a second run), or load again when it is done; nothing is lost",
                        file=self.path,
                    ) from error
                self._clock.sleep(_PAUSE)
            except duckdb.Error as error:
                raise _broken(self.path, error) from error
            else:
                # In the settings of `connect` DuckDB 2.0 passes over this one without a word.
                methods = "" if self._compact else "dict_fsst"
                connection.execute(f"SET disabled_compression_methods = '{methods}'")
                return connection


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"the folder of the DuckDB file cannot be made: {error.strerror or error}",
            hint="WAREHOUSE_URL is duckdb:///file below where you stand, or duckdb:////absolute/file; name a place "
            "where this user may write",
            folder=folder,
            setting="WAREHOUSE_URL",
        ) from error


def _damaged(path: str, error: Exception) -> Violation:
    return Violation(
        f"the DuckDB file is damaged: {_first(error)}",
        hint="restore it from a backup, or move it away and load everything that has landed into a new one: "
        "sluice load SOURCE",
        file=path,
    )


def _broken(path: str, error: Exception) -> SluiceError:
    reason = str(error).splitlines()[0]
    if _is_damage(error):
        return _damaged(path, error)
    if "not a valid DuckDB" in reason:
        return Misconfigured(
            "the file is no DuckDB database", hint="set WAREHOUSE_URL to another file", file=path
        )
    return Transient(f"the DuckDB file cannot be opened: {reason}", file=path)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """DuckDB's errors as ours."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Transient(
            f"DuckDB ran out of memory or of its temporary disk space: {_first(error)}",
            hint="give it more (memory, disk), or load smaller batches",
            file=path,
        ) from error
    except (duckdb.IOException, duckdb.TransactionException) as error:
        raise Transient(f"DuckDB could not go on: {_first(error)}", file=path) from error
    except (duckdb.ConversionException, duckdb.ConstraintException, duckdb.OutOfRangeException) as error:
        raise Violation(f"DuckDB refused the rows: {_first(error)}", file=path) from error
    except duckdb.Error as error:
        if not _is_damage(error):
            raise
        raise _damaged(path, error) from error


def _is_damage(error: Exception) -> bool:
    """Whether DuckDB does not understand its own file; damage has no class of its own."""
    import duckdb

    kinds = (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    return type(error) is duckdb.Error or isinstance(error, kinds)


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]
