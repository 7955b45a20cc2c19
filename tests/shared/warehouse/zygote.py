"""A process that forks loaders which kill themselves: real deaths, without a fresh interpreter for each.

As a program it reads jobs from stdin (JSON lines) and answers each with the signal that ended its child, or 0.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from shared.contracts.columns import Column
from tests.shared.warehouse.stream import columns

ROOT = Path(__file__).parents[3]


class Jobs(Protocol):
    """What a job is about (`History` of the tests)."""

    @property
    def house(self) -> Any: ...
    @property
    def stream(self) -> Any: ...
    @property
    def way(self) -> str: ...


def kinds_of(way: str) -> tuple[Column, ...]:
    """The columns of the stream of a history."""
    cursor = "timestamp" if way == "scd2" else "integer"
    return columns(id="string", v="integer", c=cursor, gone="boolean")


def deletes(way: str) -> str | None:
    """The field of a history that says that a record is gone."""
    return None if way == "append" else "gone"


class Zygote:
    """Starts the program, and gives it one job at a time."""

    def __enter__(self) -> Zygote:
        command = [sys.executable, "-m", "tests.shared.warehouse.zygote"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")

    def killed(self, history: Jobs, *, step: str = "", at: int = 1, after: float = 0.0) -> bool:
        """Load in a process that dies behind the `at`-th time of `step`, or `after` seconds; False: it lived on."""
        stream = history.stream
        job = {
            "root": str(stream.store.root),
            "url": history.house.url,
            "source": stream.source,
            "way": history.way,
            "step": step,
            "at": at,
            "after": after,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        ended = self._process.stdout.readline().strip()
        assert ended in ("0", str(int(signal.SIGKILL)), str(int(signal.SIGALRM))), ended
        return ended != "0"


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def job(order: dict[str, Any]) -> None:
    """Load one stream, and die as ordered."""
    from shared.landing.folder import FolderStore
    from shared.landing.log import CommitLog
    from shared.warehouse.load import load
    from shared.warehouse.ports import Disposition, Step, TableSpec
    from src.wiring import open_warehouse

    seen: Iterator[int] = itertools.count(1)

    def die(step: Step) -> None:
        if step.name == order["step"] and next(seen) == order["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    if order["after"]:
        signal.setitimer(
            signal.ITIMER_REAL, order["after"]
        )  # nobody handles the signal: it ends the process there
    store, clock = FolderStore(Path(order["root"])), SystemClock()
    source, way = order["source"], order["way"]
    disposition = Disposition("scd2" if way == "moments" else way)
    spec = TableSpec(source, "accounts", disposition, kinds_of(way), ("id",), "c", deleted_field=deletes(way))
    load(
        CommitLog(store, source, "accounts", clock),
        store,
        open_warehouse(order["url"], clock=clock),
        spec,
        load_id=lambda: f"L{os.getpid()}",
        clock=clock,
        batch_bytes=800,
        on_step=die,
    )


def main() -> None:
    # Imported once, for all children.
    import duckdb  # noqa: F401
    import psycopg  # noqa: F401
    import pymysql  # noqa: F401
    import sqlalchemy  # noqa: F401

    import shared.warehouse.duckdb_file
    import shared.warehouse.load
    import shared.warehouse.mysql
    import shared.warehouse.postgres  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = 1
            with contextlib.suppress(BaseException):
                try:
                    job(json.loads(line))
                    code = 0
                except BaseException:
                    traceback.print_exc()
                    raise
            os._exit(code)
        _, status = os.waitpid(child, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
