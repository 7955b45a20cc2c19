"""One of several dispatchers over one journal: `python -m …replica NAME FOLDER JOURNAL-URL ROWS-URL EVENTS`.

Rows of `reading` are events, and EVENTS more come from an input of this replica's own; both hold a sensor, and `note`
does what concerns a sensor in order. It writes down when it begins and when it ends, with one append each.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from shared.common.errors import Transient
from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Outlet, Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.inputs.postgres import PostgresInput
from shared.orchestrator.orchestrator import Orchestrator
from shared.orchestrator.policy import Policy, Retry
from shared.orchestrator.postgres_journal import PostgresJournal
from shared.orchestrator.settings import Surroundings

SENSORS = 5


def main(name: str, folder: Path, journal: str, rows: str, total: int) -> None:
    out = os.open(folder / "note", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(event: Event, run: Run) -> None:
        assert event.payload is not None
        source, sensor, number = event.trigger, event.payload["sensor"], event.payload["number"]
        told = f"{name} {sensor} {source} {number} {run.key}\n"
        os.write(out, f"begin {told}".encode())
        time.sleep(0.002)
        if number % 40 == 7 and run.attempt < 2:
            raise Transient("not yet")
        os.write(out, f"end {told}".encode())

    def own(outlet: Outlet) -> None:
        for number in range(total):
            payload = {"sensor": number % SENSORS, "number": number}
            outlet.emit([Event("own", Operation.CREATE, str(number), payload=payload)], keys=[str(number)])
            outlet.wait(0.003)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    readings = PostgresInput(
        name="rows", type="postgres", connection_string=rows, tables=("reading",), poll=0.5
    )
    policy = Policy(concurrency=8, order_by="payload.sensor", retry=Retry(backoff=0.02, most=0.05))
    with Orchestrator(PostgresJournal(journal, lease=2), limits=Limits(concurrency=8)) as dispatcher:
        dispatcher.add_input("rows", readings.open(Surroundings()))
        dispatcher.add_input(name, own)
        dispatcher.add_process("note", note, policy=policy)
        dispatcher.link("rows", "note")
        dispatcher.link(name, "note")
        dispatcher.start()
        stop.wait(120)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
