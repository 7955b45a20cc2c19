"""The world around an example: the product's functions, other functions, hosts, services of AWS. All of it is recorded
as who was asked what, by names that do not depend on the engine.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from shared.pipelines.values import Reference, Root, as_text, follow, parse_value, resolve
from tests.shared.pipelines.targets.cells.example import SECRET, Broken, Example

_OWN_KEYS = ("name", "type", "timeout", "retries", "depends_on", "pool")


@dataclass
class World:
    """Answers what an example says; a step is known by its name, all others by theirs."""

    answers: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    hold: float = 0.0
    together: frozenset[str] = frozenset()
    asked: list[tuple[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    busiest: int = 0
    _busy: int = 0
    _count: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, example: Example) -> None:
        """Forget all, and be the world of this example."""
        self.answers, self.hold, self.together = (
            example.answers,
            example.hold,
            frozenset(example.together.split()),
        )
        self.asked, self.times, self.told, self.busiest = [], [], [], 0
        self._count.clear()

    def ask(self, who: str, what: Any, default: Any) -> Any:
        """Record a question, give the answer. Raises `Broken` where that is the answer."""
        with self._lock:
            self.asked.append((who, what))
            self.times.append(time.monotonic())
            given = self.answers.get(who, [default])
            answer = given[min(self._count[who], len(given) - 1)]
            self._count[who] += 1
            counts = not self.together or who in self.together
            self._busy += counts
            self.busiest = max(self.busiest, self._busy)
        time.sleep(self.hold)
        with self._lock:
            self._busy -= counts
        if isinstance(answer, Broken):
            raise answer
        return answer

    def invoke(self, function: str, payload: Any) -> Any:
        """A function of AWS Lambda, or of the product on another platform."""
        match payload:
            case {"day": {"time": str(at), "timezone": str(zone)}}:
                return datetime.fromisoformat(at).astimezone(ZoneInfo(zone)).date().isoformat()
            case {"tell": {"method": str(method)}, "text": str(text)}:
                self.told.append(f"{method} {text}")
                return {"told": True}
            case {"step": Mapping() as step}:
                return self._step(step, payload)
            case {"call_type": "get_id", "job_name": str(job)}:
                return self.ask(job, json.loads(payload["step_properties"]), f"{job}-1")
            case {"call_type": "get_status", "job_name": str(job)}:
                return self.ask(f"{job}?", payload["async_job_id"], {"state": "DONE"})
        if function.endswith("-ingest"):
            whole = {"source": "acme", "run": "r", "done": True, "streams": {"plans": {"rows": 3}}}
            return self.ask("ingest", payload, whole)
        if function.endswith("-load"):
            source = payload["source"]
            return self.ask(
                f"load-{source}", payload, {"done": True, "loads": {f"{source}.plans": {"rows": 3}}}
            )
        return self.ask(function, payload, {"rows": 3})

    def http(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """A host: jobs by the protocol, webhooks, Slack, and any other, which is known by its path."""
        path = urlsplit(url).path.strip("/")
        if isinstance(body, dict) and "call_type" in body:
            return self.invoke(path.rpartition("/")[2], body)
        if path == "hook":
            self.told.append(f"webhook {body['text']}")
            return {}
        if path.endswith("chat.postMessage"):
            self.told.append(f"slack {body['text']}")
            return {"ok": True}
        token = {name.lower(): value for name, value in (headers or {}).items()}.get("x-token")
        return self.ask(path, body if token is None else {"token": token}, {"rows": 3})

    def _step(self, step: Mapping[str, Any], order: Mapping[str, Any]) -> Any:
        """What `sluice pipeline step` would do: the values that the step refers to are in the order."""

        def look_up(reference: Reference) -> Any:
            if reference.root is Root.SECRET:
                return SECRET
            if reference.root is Root.RUN:
                return {**order["run"], "pipeline": order["pipeline"]}[reference.name]
            if reference.root is Root.ITEM:
                return follow(order["item"], reference.path)
            found = order["outputs" if reference.root is Root.STEP else "params"]
            return follow(found[reference.name], reference.path)

        values = {key: resolve(parse_value(value), look_up) for key, value in step.items()}
        match values:
            case {"type": "call", "url": str(url)}:
                headers = values.get("headers") or {}
                body = self.http(url, values.get("body"), {k: as_text(v) for k, v in headers.items()})
                return {"status": 200, "body": body}
            case {"type": "lambda", "function": str(function)}:
                return self.invoke(function, values.get("payload"))
            case {"query": query} | {"transformation_query": query}:
                return self.ask(values["name"], query, {"rows": 3})
        rest = {key: value for key, value in values.items() if key not in _OWN_KEYS}
        return self.ask(values["name"], rest, {"rows": 3, "id": "j1", "state": "DONE"})
