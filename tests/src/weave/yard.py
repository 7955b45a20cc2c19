"""Webhook, queue, worker and a git host over HTTP, put together as AWS does it; only the queue and time are ours."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from shared.common.clock import SystemClock
from shared.common.fakes import FakeClock
from shared.common.redaction import Redactor
from shared.gitops.fake import FakeRepository
from shared.gitops.manifest import NAME
from shared.gitops.weave import Delivery
from shared.telemetry.alerting import Alert
from shared.telemetry.handler import Telemetry
from shared.telemetry.logging import open_log
from shared.telemetry.metrics import Metrics
from src.config import configure
from src.hook.app import handler_of as hook_of
from src.hook.receive import Desk
from src.invoke import LocalContext
from src.weave.app import handler_of as worker_of
from src.weave.place import weaving
from src.weave.work import Bench
from src.workplace import Workplace
from tests.shared.gitops.hosts.host import TOKEN, HostServer
from tests.shared.gitops.payloads import ACTIONS, PULL, PUSH

SECRET = "a secret of the webhook"
DELIVERY = json.loads((Path(__file__).parents[3] / "events/hook.json").read_text())
DEFINITION = """
pipeline:
  name: {name}
  schedule: {{type: cron, expression: "0 3 * * *", timezone: UTC}}
  steps:
    - {{name: fetch, type: ingestion, source: shop}}
    - {{name: tell, type: call, depends_on: [fetch], method: POST, url: "https://a.example/{path}"}}
"""


def definition(name: str, path: str = "x") -> bytes:
    return DEFINITION.format(name=name, path=path).encode()


class Line:
    """The queue and the memory of deliveries."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.known: set[str] = set()

    def put(self, message: str, *, identity: str, group: str) -> None:
        self.messages.append((message, group))

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        if identity in self.known:
            return False
        act()
        self.known.add(identity)
        return True


@dataclass(frozen=True)
class Place(Workplace):
    """A workplace whose alerts are kept."""

    alerts: list[Alert] = field(default_factory=list)
    out: StringIO = field(default_factory=StringIO)

    def send(self, alert: Alert) -> bool:
        self.alerts.append(alert)
        return True

    def telemetry(self, *, served: str = "") -> Telemetry:
        del served
        log = open_log(f"test-{id(self)}", redactor=self.redactor, stream=self.out)
        return Telemetry(log, Metrics("test", clock=self.clock, write=lambda line: None), self, self.redactor)


class Yard:
    """One repository at one host, with all that weaves it."""

    def __init__(self, server: HostServer, folder: Path, *, deliver: str = "{to: pull_request}") -> None:
        self.server, self.model = server, server.dialect.model
        self.host = type(server.dialect).__name__.removesuffix("Dialect").lower()
        (folder / "weave.yml").write_text(
            f"repositories: [{{host: {self.host}, repository: {self.model.name}, api_url: '{server.api}', "
            "credential: GIT_TOKEN, webhook_secrets: [HOOK], targets: [stepfunctions], "
            f"shared: [pipelines/*.sql], deliver: {deliver}}}]"
        )
        self.line, self.clock = Line(), FakeClock()
        redactor = Redactor()
        self.place = Place(configure(learn=redactor.learn), redactor, self.clock)
        self._deliveries = 0
        self._hook = hook_of(lambda: self.place, self._desk)

    def _desk(self, place: Workplace) -> Desk:
        return Desk(weaving(place), place.configuration.secrets, self.line, self.line, self.clock)

    # What the host sends

    def tell(self, event: str, payload: dict[str, Any], *, again: bool = False) -> int:
        """A delivery of the host, signed; returns the status of the answer. `again`: the same one as before."""
        self._deliveries += not again
        identity, body = f"d-{self._deliveries}", json.dumps(payload)
        digest = "sha256=" + hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
        headers = {
            "github": {"x-github-event": event, "x-github-delivery": identity, "x-hub-signature-256": digest},
            "gitlab": {"x-gitlab-event": event, "idempotency-key": identity, "x-gitlab-token": SECRET},
            "bitbucket": {"x-event-key": event, "x-request-uuid": identity, "x-hub-signature": digest},
        }[self.host]
        call = copy.deepcopy(DELIVERY) | {"headers": {"content-type": "application/json", **headers}}
        call |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
        return int(self._hook(call, context("hook"))["statusCode"])

    def pushed(self, branch: str = "main", *, again: bool = False, **how: bool) -> int:
        """The host tells of a push; `how`: `forced`, `deleted` or `tag`."""
        return self.tell(*PUSH[self.host](self.model.name, branch, **how), again=again)

    def pull_changed(self, number: int, *, closed: bool = False) -> int:
        """The host tells of a pull request."""
        _, updated, ended = ACTIONS[self.host]
        fork = number in self.model.pulls and self.model.pulls[number].fork
        return self.tell(*PULL[self.host](self.model.name, number, ended if closed else updated, fork=fork))

    # What the worker does

    def work(
        self, *, count: int = 1, backwards: bool = False, bench: Callable[[Workplace], Bench] = Bench.of
    ) -> int:
        """Work on all that is queued; what fails stays there. Returns how many messages failed."""
        messages = self.line.messages[::-1] if backwards else self.line.messages
        event = {"Records": [_record(place, *one, count=count) for place, one in enumerate(messages)]}
        answer = worker_of(lambda: self.place, bench)(event, context("weave"))
        failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
        self.line.messages = [one for place, one in enumerate(messages) if f"m-{place}" in failed]
        return len(failed)

    def push(self, files: dict[str, bytes | None], **how: Any) -> str:
        """Somebody pushes to main, the host tells, and it is worked on."""
        sha = self.model.push("main", files, **how)
        assert 202 == self.pushed()
        assert 0 == self.work()
        return sha

    def made(self, branch: str = "sluice/generated") -> dict[str, bytes]:
        """The artifacts on a branch, without the manifest."""
        model: FakeRepository = self.model
        tree = model.commits[model.branches[branch]].tree
        prefix = "generated/"
        return {
            p.removeprefix(prefix): c
            for p, c in tree.items()
            if p.startswith(prefix) and not p.endswith(NAME)
        }

    @property
    def names(self) -> list[str]:
        """The state machines on our branch."""
        return sorted(path for path in self.made() if path.endswith(".asl.json"))


class Asleep:
    """A delivery whose worker falls asleep behind its first look, and wakes up when `meanwhile` is over."""

    def __init__(self, inner: Delivery, meanwhile: Callable[[], None]) -> None:
        self._inner, self._meanwhile = inner, meanwhile

    def manifest(self, head: str) -> bytes | None:
        found = self._inner.manifest(head)
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _record(place: int, message: str, group: str, *, count: int) -> dict[str, Any]:
    attributes = {"MessageGroupId": group, "ApproximateReceiveCount": str(count)}
    return {"messageId": f"m-{place}", "body": message, "attributes": attributes}


def context(name: str) -> Any:
    return LocalContext(name, "r-1", 256, 900, SystemClock())


ENVIRONMENT = {"ENVIRONMENT": "local", "GIT_TOKEN": TOKEN, "HOOK": SECRET}
