"""One of the processes of `sluice backfill`: works off windows that come on stdin and answers on stdout, line by line.

The first line says which source; each later one is a window, or `{"stop": true}`. When stdin ends, whoever gave the
windows is gone: this process ends at once, as if it had been killed, and what it had not committed never happened.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from shared.common.errors import SluiceError

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from src.workplace import Workplace

ABANDONED = 9
"""The exit code when stdin ends in the middle of a window."""

EVERY = 0.5
"""Seconds between two lines about the rows of a window."""


def work(lines: TextIO, answers: TextIO) -> int:
    """Work off what `lines` says; the exit code."""
    from src.workplace import Workplace

    tasks: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stop, busy = threading.Event(), threading.Event()
    order = json.loads(lines.readline())

    def listen() -> None:
        for line in lines:
            task = json.loads(line)
            if task.get("stop"):
                stop.set()
            else:
                tasks.put(task)
        if busy.is_set() or not tasks.empty():
            os._exit(ABANDONED)
        tasks.put(None)

    threading.Thread(target=listen, daemon=True).start()
    place = Workplace.open()
    file = None if order["file"] is None else Path(order["file"])
    source = place.source(order["source"], file=file, changes=order["changes"])
    while (task := tasks.get()) is not None:
        busy.set()
        said = _window(place, source, order, task, stop, answers)
        busy.clear()
        _answer(answers, said)
    return 0


def _window(
    place: Workplace,
    source: Source,
    order: dict[str, Any],
    task: dict[str, Any],
    stop: threading.Event,
    answers: TextIO,
) -> dict[str, Any]:
    """Run one window of some streams; what became of each."""
    from shared.common.instants import parse_instant
    from shared.ingestion.plan import Ask
    from shared.ingestion.run import ingest
    from shared.ingestion.share import share_of
    from shared.ingestion.stream_report import StreamReport, last_words

    live: dict[str, int] = {}
    last = place.clock.monotonic()

    def watch(report: StreamReport) -> None:
        nonlocal last
        live[report.stream] = report.live_rows
        if place.clock.monotonic() - last > EVERY:
            last = place.clock.monotonic()
            _answer(answers, {"rows": sum(live.values())})

    ask = Ask(parse_instant(task["since"]), parse_instant(task["until"]), backfill=order["name"])
    try:
        report = ingest(
            share_of(source, order["share"]),
            place.tools(stop=stop.is_set),
            streams=task["streams"],
            ask=ask,
            watch=watch,
        )
    except Exception as error:  # noqa: BLE001 - one window's fault must not take the others with it
        return {"streams": {name: _failed(place, last_words(error)) for name in task["streams"]}}
    found = {}
    for name, one in report.streams.items():
        found[name] = one.to_json() | (
            {} if one.status != "failed" or one.error is None else _failed(place, one.error)
        )
    return {"streams": found}


def _failed(place: Workplace, error: SluiceError) -> dict[str, Any]:
    """An error as a document that the other side makes one of again, without secrets."""
    clean = place.redactor.text
    return {
        "status": "failed",
        "kind": type(error).__name__,
        "message": clean(error.message),
        "hint": clean(error.hint),
        "where": {name: clean(str(value)) for name, value in error.where.items()},
    }


def _answer(answers: TextIO, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document, default=str) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(work(sys.stdin, sys.stdout))
