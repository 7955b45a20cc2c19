"""`/metrics`: what the dispatcher counts, in the text format of Prometheus (version 0.0.4), written by hand.

https://prometheus.io/docs/instrumenting/exposition_formats/. The dispatcher keeps its counts already: the library for
clients, which keeps its own, would only be a second set of books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.orchestrator.http_door import Request, Response
from shared.orchestrator.picture import picture
from src.dispatch.answers import Problem, told
from src.dispatch.gate import Gate
from src.dispatch.house import House

KIND = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "sluice_dispatch_"
Sample = tuple[Mapping[str, str], float]
INPUTS = (
    ("events_total", "counter", "Events that an input took since the start.", "events"),
    ("input_failures_total", "counter", "How often an input failed since the start.", "failures"),
)
PROCESSES = (
    ("started_total", "counter", "Attempts that began since the start.", "started"),
    ("done_total", "counter", "Attempts that went well.", "done"),
    ("failed_total", "counter", "Attempts that failed.", "failed"),
    ("dead_total", "counter", "Dead letters.", "dead"),
    ("busy_seconds_total", "counter", "Seconds that attempts took, all together.", "seconds"),
    ("running", "gauge", "Attempts at work.", "running"),
    ("ready", "gauge", "Events that could start and wait for a slot.", "ready"),
    ("later", "gauge", "Events that wait for their next attempt.", "later"),
    ("pending", "gauge", "Events that are not done, wherever they are.", "pending"),
)


@dataclass(frozen=True)
class Metrics:
    house: House
    gate: Gate

    def __call__(self, request: Request) -> Response:
        try:
            self.gate.check(request)
            if request.method not in ("GET", "HEAD"):
                raise Problem(405, "metrics are read", headers={"Allow": "GET"})
        except Problem as problem:
            return problem.to_response()
        return told(self.text(), kind=KIND)

    def text(self) -> str:
        shown = picture(self.house.dispatcher.supervisor)
        lines = list[str]()
        for name, kind, about, key in INPUTS:
            lines += metric(
                name, kind, about, (({"input": one["name"]}, one[key]) for one in shown["inputs"])
            )
        for name, kind, about, key in PROCESSES:
            lines += metric(
                name, kind, about, (({"process": one["name"]}, one[key]) for one in shown["processes"])
            )
        lines += metric(
            "node_state", "gauge", "1 for the state that a node is in.",
            (({"node": one["name"], "state": one["state"]}, 1) for one in (*shown["inputs"], *shown["processes"])),
        )  # fmt: skip
        lines += metric(
            "link_events_total", "counter", "Events that went along a link.",
            _links(shown["links"]),
        )  # fmt: skip
        lines += metric(
            "journal_events", "gauge", "Events that the journal keeps, by where they stand.",
            (({"standing": name}, count) for name, count in self.house.standings().items()),
        )  # fmt: skip
        for name, about, value in (
            ("journal_trouble", "1 while the journal cannot be written.", bool(shown["trouble"])),
            ("draining", "1 while the dispatcher comes to its end.", shown["draining"]),
            ("document_version", "The version of the document.", self.house.dispatcher.version),
        ):
            lines += metric(name, "gauge", about, [({}, value)])
        return "\n".join([*lines, ""])


def _links(links: list[dict[str, Any]]) -> Iterable[Sample]:
    """Each pair of ends once: two links between them share their count."""
    counts = {(one["from"], one["to"]): one["events"] for one in links}
    return (({"source": source, "target": target}, count) for (source, target), count in counts.items())


def metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> list[str]:
    r"""The lines of one metric.

    >>> metric("running", "gauge", "At work.", [({"process": 'a "b"'}, 2)])[-1]
    'sluice_dispatch_running{process="a \\"b\\""} 2'
    """
    lines = [f"# HELP {PREFIX}{name} {about}", f"# TYPE {PREFIX}{name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        number = int(value) if float(value).is_integer() else round(value, 6)
        lines.append(f"{PREFIX}{name}{f'{{{inside}}}' if inside else ''} {number}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
