"""A dispatcher with an event that ends it, for tests: `python -m …deadly FOLDER [POSTGRES-URL]`.

While event 2 ends the program, the five others run beside it, and each attempt is written down.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Outlet, Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.journal import Store
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.sqlite_journal import SqliteJournal

EVENTS = 6
POISON = "2"


def raising(outlet: Outlet) -> None:
    numbers = [str(n) for n in range(EVENTS)]
    outlet.emit([Event("the ether", Operation.CREATE, n) for n in numbers], keys=numbers)


def main(folder: Path, url: str = "") -> None:
    out = os.open(folder / "attempts", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def work(event: Event, run: Run) -> None:
        os.write(out, f"{event.id} {run.attempt}\n".encode())
        time.sleep(0.1)
        if event.id == POISON:
            os._exit(9)
        time.sleep(0.2)

    journal: Store = PostgresJournal(url) if url else SqliteJournal(folder / "journal.db")
    with Orchestrator(journal, limits=Limits(concurrency=EVENTS)) as dispatcher:
        dispatcher.add_input("i", raising)
        once = Policy(retry=Retry(attempts=1, backoff=0.01), concurrency=EVENTS)
        dispatcher.add_process("work", work, policy=once)
        dispatcher.link("i", "work")
        dispatcher.run(timeout=60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
