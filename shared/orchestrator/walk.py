"""An event's whole way in one go, for places where a queue is the journal: what it gives again is what is not done.

Each pair of event and process is remembered when it is done, so an event that comes again starts only what failed, and
what lies behind that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.orchestrator.doors import Process, Run
from shared.orchestrator.event import Event
from shared.orchestrator.faults import Failed, TimedOut
from shared.orchestrator.graph import Graph
from shared.orchestrator.status import ExitStatus, Status

Once = Callable[[str, Callable[[], None]], bool]
"""Runs what is given unless it has run for this key before; whether it ran now. What raises has not run."""


@dataclass(slots=True)
class Walked:
    """What became of an event: processes that ran now, that had run before, that failed, and that wait behind those.

    `paused` ones wait too: the event has to come again.
    """

    ran: dict[str, Status | None] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not (self.failed or self.waiting or self.paused)


def walk(
    graph: Graph,
    source: str,
    event: Event,
    key: str,
    *,
    process: Callable[[str], Process],
    once: Once,
    remaining: Callable[[], float],
    attempt: int = 1,
) -> Walked:
    """Run every process that the event reaches from the input `source`, each behind all that lead to it.

    `key` tells the event from all others; `process` opens one by name; `remaining` are the seconds that are left: what
    cannot begin any more waits. `attempt` is larger than at any time before that this event came.
    """
    found = Walked()
    well: list[bool] = []
    for stop in graph.route(source, event):
        node = graph.processes[stop.process]
        ready = all(well[number] for number in stop.after)
        if node.paused or not ready or remaining() <= 0:
            (found.paused if node.paused and ready else found.waiting).append(stop.process)
            well.append(False)
            continue
        try:
            if stop.fault:
                raise Failed(stop.fault)
            limit = min(node.policy.timeout, remaining())
            name, run = stop.process, Run(stop.process, f"{key}:{stop.process}", attempt, limit)
            if not once(run.key, lambda name=name, run=run: _run(found, process(name), event, run)):  # type: ignore[misc]
                found.known.append(name)
            well.append(True)
        except Exception as error:  # noqa: BLE001  # a process may raise anything; the others go their way, and it is told
            found.failed[stop.process] = error
            well.append(False)
    return found


def _run(found: Walked, process: Process, event: Event, run: Run) -> None:
    status = process.execute(event, run)
    if status is not None and status.status is not ExitStatus.SUCCESS:
        raise Failed(f"the process ended as {status.status.text}", logs=status.logs)
    if run.cancelled.is_set():
        raise TimedOut(run.timeout or 0.0)
    found.ran[run.process] = status
