"""What a running dispatcher shows of itself: plain data for the API, the page and the metrics."""

from __future__ import annotations

from typing import Any

from shared.orchestrator.intake import Source
from shared.orchestrator.journal import Outcome
from shared.orchestrator.lane import Lane
from shared.orchestrator.supervisor import Supervisor


def picture(supervisor: Supervisor) -> dict[str, Any]:
    """The graph with counts since the start. Rates are for the reader to make from two pictures and `at`."""
    with supervisor.lock:
        graph, sources = supervisor.graph, dict(supervisor.intake.sources)
        lanes = dict(supervisor.desk.lanes)
        trouble = supervisor.trouble
        return {
            "at": supervisor.clock.now().timestamp(),
            "draining": supervisor.draining,
            "trouble": str(trouble) if trouble else "",
            "open": len(supervisor.desk.open),
            "inputs": [_input(sources[name]) for name in graph.inputs if name in sources],
            "processes": [_process(lanes[name]) for name in graph.order if name in lanes],
            "links": [
                {
                    "from": link.source,
                    "to": link.target,
                    "operation": [one.text for one in link.filter.operation],
                    "location": link.filter.location,
                    "where": link.filter.where,
                    "events": supervisor.desk.passed[link.source, link.target],
                }
                for link in graph.links
            ],
        }


def runs(supervisor: Supervisor, process: str) -> list[dict[str, Any]]:
    """The last attempts of a process since the start, the newest first, with their logs."""
    with supervisor.lock:
        found = list(supervisor.recent.get(process, ()))
    return [plain(one) for one in reversed(found)]


def plain(one: Outcome) -> dict[str, Any]:
    return {
        "event": one.event,
        "process": one.process,
        "phase": one.phase.text,
        "attempt": one.attempt,
        "at": one.at,
        "seconds": one.seconds,
        "error": one.error,
        "logs": one.logs,
    }


def _input(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "state": source.state,
        "events": source.seen,
        "failures": source.failures,
        "last_error": source.last_error,
        "last_at": source.last_at,
    }


def _process(lane: Lane) -> dict[str, Any]:
    tally = lane.tally
    state = "paused" if lane.paused else "resting" if lane.broken else "running" if lane.running else "idle"
    return {
        "name": lane.name,
        "state": state,
        "running": lane.running,
        "ready": len(lane.ready),
        "later": lane.later,
        "pending": lane.pending,
        "started": tally.started,
        "done": tally.done,
        "failed": tally.failed,
        "dead": tally.dead,
        "seconds": tally.seconds,
        "last_error": tally.last_error,
        "last_at": tally.last_at,
    }
