"""Back-fills a source on this machine: windows of time, worked off by processes side by side, once each.

What is done stands in the landing zone (`shared/ingestion/backfill.py`), so a second start goes on where the first one
was killed. A window that fails does not stop the others.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common import errors
from shared.common.errors import Misconfigured, SluiceError, Transient, unknown

if TYPE_CHECKING:
    from shared.ingestion.source import Source
    from shared.ingestion.window import Window
    from src.workplace import Workplace

MOST_WINDOWS = 100_000
"""Windows of one back-fill: by the day, 270 years."""


@dataclass(frozen=True, slots=True)
class Task:
    """One window, and the streams that still lack it."""

    window: Window
    streams: tuple[str, ...]


@dataclass(slots=True)
class Outcome:
    """What became of a window: per stream the report of its run, and the errors of those that failed."""

    task: Task
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, SluiceError] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(int(one.get("rows", 0)) for one in self.streams.values())

    @property
    def done(self) -> bool:
        """Whether the window is done: one that another process works on may still fail there."""
        return not self.failed and all(one["status"] in ("done", "skipped") for one in self.streams.values())


@dataclass(frozen=True, slots=True)
class Order:
    """What all processes of a back-fill are told."""

    source: str
    name: str
    share: int
    file: Path | None = None
    changes: dict[str, str] = field(default_factory=dict)


def fillable_streams(source: Source, asked: Sequence[str] | None) -> list[str]:
    """The streams to fill: those asked for, or all that can be. Raises `Misconfigured` for one that cannot be."""
    from shared.ingestion.backfill import fillable

    streams = source.spec.streams
    if source.sql is not None:
        raise Misconfigured(
            "tables of a database have no windows to fill", hint="use `sluice run --full-refresh`"
        )
    for name in asked or ():
        if name not in streams:
            raise unknown("stream", name, streams, source=source.name)
        if why := fillable(streams[name]):
            raise Misconfigured(
                f"{name} cannot be back-filled: {why}",
                hint="leave it out; `sluice run --full-refresh` lands it anew",
                source=source.name,
            )
    found = list(dict.fromkeys(asked)) if asked else [n for n, s in streams.items() if not fillable(s)]
    if not found:
        raise Misconfigured("no stream of this source has windows of time to fill", source=source.name)
    return found


def tasks(
    place: Workplace, source: Source, streams: Sequence[str], *, name: str, whole: Window, step: timedelta
) -> tuple[list[Task], int]:
    """The windows that are to do, oldest first, and how many streams have all of them already."""
    from shared.ingestion.backfill import Filled
    from shared.landing.log import CommitLog

    assert whole.since is not None
    assert whole.until is not None
    if (whole.until - whole.since) / step > MOST_WINDOWS:
        raise Misconfigured(
            f"the range has more than {MOST_WINDOWS:,} windows of {step}", hint="choose a longer --window"
        )
    found: dict[Window, list[str]] = {}
    complete = 0
    for stream in streams:
        head = CommitLog(place.store, source.name, stream, place.clock).latest()
        left = Filled.of(head, name).left(whole, step)
        complete += not left
        for window in left:
            found.setdefault(window, []).append(stream)
    ordered = sorted(found.items(), key=lambda item: (item[0].since, item[0].until))
    return [Task(window, tuple(names)) for window, names in ordered], complete


def fill(
    order: Order,
    todo: Sequence[Task],
    *,
    processes: int,
    stop: Callable[[], bool] = lambda: False,
    moved: Callable[[int, int], None] = lambda process, rows: None,
) -> Iterator[Outcome]:
    """Work off `todo` with so many processes; outcomes come as they are there.

    When `stop` says so, windows that have begun commit what is whole, and those that have not are left. `moved` is told
    how many rows the window at hand of a process has so far.
    """
    waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in todo:
        waiting.put(task)
    outcomes: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    hands = [_Hand(n, order, moved) for n in range(max(1, min(processes, len(todo))))]
    for hand in hands:
        threading.Thread(target=hand.work_off, args=(waiting, outcomes, stop), daemon=True).start()
    ended, told = 0, False
    try:
        while ended < len(hands):
            if stop() and not told:
                told = True
                for hand in hands:
                    hand.stop()
            try:
                outcome = outcomes.get(timeout=0.1)
            except queue.Empty:
                continue
            match outcome:
                case None:
                    ended += 1
                case BaseException():
                    raise outcome
                case _:
                    yield outcome
    finally:
        for hand in hands:
            hand.end()


class _Hand:
    """Feeds one process with windows; begins another one when it dies."""

    def __init__(self, number: int, order: Order, moved: Callable[[int, int], None]) -> None:
        self._number, self._order, self._moved = number, order, moved
        self._process: subprocess.Popen[str] | None = None
        self._writing = threading.Lock()

    def work_off(
        self,
        waiting: queue.SimpleQueue[Task],
        outcomes: queue.SimpleQueue[Outcome | BaseException | None],
        stop: Callable[[], bool],
    ) -> None:
        try:
            while not stop():
                try:
                    task = waiting.get_nowait()
                except queue.Empty:
                    break
                outcomes.put(self._one(task))
            outcomes.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcomes are read
            outcomes.put(error)

    def stop(self) -> None:
        """Ask the window at hand to come to an end."""
        self._say({"stop": True})

    def end(self) -> None:
        """Let go of the process: without windows to come it ends by itself, in the middle of one at once."""
        process, self._process = self._process, None
        if process is not None:
            with self._writing:
                _close(process)

    def _one(self, task: Task) -> Outcome:
        assert task.window.since is not None
        assert task.window.until is not None
        self._say({**task.window.to_json(), "streams": task.streams}, begin=True)
        process = self._process
        if process is None:
            return _lost(task, "stopped before it began")
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "streams" in said:
                return _outcome(task, said["streams"])
            self._moved(self._number, said["rows"])
        with self._writing:
            self._process = None
            code = _close(process)
        return _lost(
            task,
            f"its process was killed by signal {-code}" if code < 0 else f"its process ended with {code}",
        )

    def _say(self, document: dict[str, Any], *, begin: bool = False) -> None:
        with self._writing:
            if self._process is None and begin:
                self._process = _start(self._order)
            if self._process is None or self._process.stdin is None:
                return
            try:
                self._process.stdin.write(json.dumps(document) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:  # it died; whoever reads its answers tells
                return


def _start(order: Order) -> subprocess.Popen[str]:
    """A process in a session of its own, so that Ctrl-C comes to it through us and in good order."""
    root = str(Path(__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-m", "src.backfill_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )
    assert process.stdin is not None
    said = {
        "source": order.source,
        "file": None if order.file is None else str(order.file),
        "changes": order.changes,
        "name": order.name,
        "share": order.share,
    }
    process.stdin.write(json.dumps(said) + "\n")
    return process


def _close(process: subprocess.Popen[str]) -> int:
    """End a process by the end of its input; its exit code."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # it is gone, and what was not written to it does not matter
        process.stdin.close()
    code = process.wait()
    process.stdout.close()
    return code


def _outcome(task: Task, said: dict[str, dict[str, Any]]) -> Outcome:
    failed = {name: _error(one) for name, one in said.items() if one["status"] == "failed"}
    return Outcome(task, said, failed)


def _error(said: dict[str, Any]) -> SluiceError:
    kind = getattr(errors, str(said["kind"]), SluiceError)
    error: SluiceError = kind(said["message"], hint=said["hint"], **said["where"])
    return error


def _lost(task: Task, what: str) -> Outcome:
    error = Transient(
        f"the window was not finished: {what}", hint="start the back-fill again: what is committed stays"
    )
    said = {"status": "failed", "rows": 0}
    return Outcome(task, {name: dict(said) for name in task.streams}, dict.fromkeys(task.streams, error))
