"""The threads in which inputs run: started, restarted after a failure, stopped, and changed with the graph."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.common.ports import Clock
from shared.orchestrator.doors import Input, Stopped
from shared.orchestrator.event import Event
from shared.orchestrator.graph import Graph, InputNode
from shared.orchestrator.journal import Store
from shared.orchestrator.policy import Chance, Retry, sentence
from shared.orchestrator.settings import Surroundings

LOG = logging.getLogger("sluice.dispatch")
AGAIN = Retry(attempts=1, backoff=1.0, most=60.0)
"""The pauses before an input that failed is run again."""
STEADY = 60.0
"""Seconds after which a failure counts as the first one again."""


class Taker(Protocol):
    """Where events go; see `Supervisor.emit`."""

    clock: Clock
    journal: Store
    around: Surroundings

    def emit(
        self,
        source: str,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
        stopping: threading.Event | None = None,
    ) -> int: ...


@dataclass
class Source:
    """An input at work; the `Outlet` that it is given."""

    name: str
    node: InputNode
    taker: Taker
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    state: str = "starting"
    seen: int = 0
    failures: int = 0
    last_error: str = ""
    last_at: float = 0.0

    @property
    def clock(self) -> Clock:
        return self.taker.clock

    def emit(
        self,
        events: Sequence[Event],
        *,
        keys: Sequence[str] | None = None,
        bookmark: str | None = None,
        patience: float | None = None,
    ) -> int:
        return self.taker.emit(
            self.name, events, keys=keys, bookmark=bookmark, patience=patience, stopping=self.stop
        )

    def bookmark(self) -> str:
        return self.taker.journal.bookmark(self.name)

    def wait(self, seconds: float) -> bool:
        return self.stop.wait(max(0.0, seconds))

    def stopping(self) -> bool:
        return self.stop.is_set()


class Intake:
    """All inputs of a graph."""

    def __init__(self, taker: Taker, *, chance: Chance = lambda: 0.0) -> None:
        self._taker = taker
        self._chance = chance
        self._lock = threading.Lock()
        self.sources: dict[str, Source] = {}

    def arrange(self, graph: Graph) -> None:
        """Stop inputs that are gone, paused or changed, and start those that are new."""
        with self._lock:
            stale = [one for name, one in self.sources.items() if not _same(one.node, graph.inputs.get(name))]
            for one in stale:
                one.stop.set()
            for one in stale:
                _join(one, 30.0)
                del self.sources[one.name]
            for name, node in graph.inputs.items():
                if name not in self.sources:
                    self.sources[name] = self._begin(name, node)

    def saw(self, name: str, events: int) -> None:
        if (source := self.sources.get(name)) is not None:
            source.seen += events
            source.last_at = source.clock.now().timestamp()

    def ask_to_stop(self) -> None:
        with self._lock:
            for one in self.sources.values():
                one.stop.set()

    def stop(self, grace: float) -> None:
        """Wait until all inputs have returned, `grace` seconds at most."""
        self.ask_to_stop()
        until = self._taker.clock.monotonic() + grace
        with self._lock:
            for one in self.sources.values():
                _join(one, max(0.0, until - one.clock.monotonic()))

    def done(self) -> bool:
        """Whether every input has returned."""
        return all(one.state in ("done", "paused") for one in self.sources.values())

    def _begin(self, name: str, node: InputNode) -> Source:
        source = Source(name, node, self._taker)
        if node.paused:
            source.state = "paused"
            return source
        source.thread = threading.Thread(
            target=self._run, args=(source,), name=f"dispatch-input-{name}", daemon=True
        )
        source.thread.start()
        return source

    def _run(self, source: Source) -> None:
        failures = 0
        while not source.stopping():
            began = source.clock.monotonic()
            try:
                opened: Input = source.node.open(self._taker.around)
                source.state = "running"
                opened.run(source)
                source.state = "done"
                return
            except Stopped:
                source.state = "done"
                return
            except Exception as error:  # noqa: BLE001 - whatever an input raises: it is told, and run again
                failures = 1 if source.clock.monotonic() - began > STEADY else failures + 1
                self._failed(source, error, failures)
        source.state = "done"

    def _failed(self, source: Source, error: Exception, failures: int) -> None:
        source.failures += 1
        source.last_error, source.state = self._taker.around.masked(sentence(error)), "failing"
        pause = AGAIN.pause(failures, self._chance())
        where = {"input": source.name}
        LOG.error(
            "input %s: %s; again in %.0f s", source.name, source.last_error, pause, extra={"where": where}
        )
        source.wait(pause)


def _same(before: InputNode, now: InputNode | None) -> bool:
    if now is None or before.paused != now.paused:
        return False
    return before is now or bool(before.mark and before.mark == now.mark)


def _join(source: Source, seconds: float) -> None:
    if source.thread is not None and source.thread is not threading.current_thread():
        source.thread.join(timeout=seconds)
        if source.thread.is_alive():
            LOG.warning("input %s does not stop", source.name)
