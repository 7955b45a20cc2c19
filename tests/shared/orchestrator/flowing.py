"""A dispatcher in a process of its own, for tests that kill it: `python -m …flowing FOLDER EVENTS [POSTGRES-URL]`.

The input goes on where its bookmark stands; `sink` is a process whose effect is idempotent by key, `tally` one that
writes down every attempt. Both write to files with one append each, which a kill cannot split.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Outlet, Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.journal import Standing, Store
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import SqliteJournal

PROCESSES = ("first", "second", "third", "fourth")


def source(total: int) -> object:
    def run(outlet: Outlet) -> None:
        begin = int(outlet.bookmark() or 0)
        for start in range(begin, total, 25):
            numbers = range(start, min(start + 25, total))
            outlet.emit(
                [Event("the ether", Operation.CREATE, str(n)) for n in numbers],
                keys=[str(n) for n in numbers],
                bookmark=str(numbers[-1] + 1),
            )

    return run


def append(file: Path) -> object:
    out = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def run(event: Event, run: Run) -> None:
        os.write(out, f"{event.id} {run.key} {run.attempt}\n".encode())
        if run.process == "second" and int(event.id) % 50 == 7 and run.attempt < 3:
            raise OSError("not yet")

    return run


def main(folder: Path, total: int, url: str = "") -> None:
    journal: Store = PostgresJournal(url, lease=2) if url else SqliteJournal(folder / "journal.db")
    with Orchestrator(journal, limits=Limits(concurrency=4)) as dispatcher:
        dispatcher.add_input("i", source(total))  # type: ignore[arg-type]
        for name in PROCESSES:
            policy = Policy(retry=Retry(attempts=10, backoff=0.01, most=0.05))
            dispatcher.add_process(name, append(folder / name), policy=policy)  # type: ignore[arg-type]
        dispatcher.link("i", "first")
        dispatcher.link("first", "second", "third")
        dispatcher.link("second", "fourth")
        dispatcher.link("third", "fourth")
        dispatcher.run(timeout=60)
        while journal.counts()[Standing.OPEN]:  # what another replica has, or had
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
