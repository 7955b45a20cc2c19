"""What becomes of one delivery, whoever carries it: a Function URL, an API Gateway or the local server.

| status | when |
|---|---|
| 202 | there are news, and they are in the queue |
| 204 | nobody waits for this event, this repository or this branch; or the delivery was taken in before |
| 400 | the body or the headers are none of a git host |
| 401 | the signature is wrong; no detail, for whoever asks may be anybody |
| 413 | the body is larger than any host sends |
| 503 | the queue or a secret cannot be had now: the host sends it again |

The signature is checked over the bytes as received, before anything of the body is read: first against the secrets of
all repositories at this host, and once the body has told which one it is about, against those of that one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from shared.common.errors import Misconfigured, Refused, Transient
from shared.common.ports import Clock, Secrets
from shared.gitops.delivery import LARGEST, host_of, read
from shared.gitops.news import BranchMoved, Host, News
from shared.gitops.signature import verify

if TYPE_CHECKING:
    from shared.gitops.configuration import Weaving, Woven


class Queue(Protocol):
    """Messages for the worker, kept until it has worked on them."""

    def put(self, message: str, *, identity: str, group: str) -> None:
        """Add a message, once per `identity`; those of a `group` are worked on one after another.

        Raises `Transient` when it cannot be had.
        """


class Seen(Protocol):
    """Remembers deliveries for as long as hosts send them again."""

    def once(self, identity: str, act: Callable[[], None]) -> bool:
        """Run `act` unless it has run for this identity; whether it ran now. What raises has not run."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets, and what the log gets."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def body(self) -> str:
        return json.dumps(self.document) if self.document else ""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where deliveries arrive."""

    weaving: Weaving
    secrets: Secrets
    queue: Queue
    seen: Seen
    clock: Clock

    def receive(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take in a delivery. `headers` in any case; never raises."""
        named = {name.lower(): value for name, value in headers.items()}
        if len(body) > LARGEST:
            return Answer(413, {"error": f"more than {LARGEST} bytes"})
        try:
            host = host_of(named)
            self._verified(host, named, body, self.weaving.repositories)
            delivery = read(host, named, body)
            wanted = [news for news in delivery.news if self.weaving.about(news)]
            for news in wanted:
                self._verified(host, named, body, self.weaving.about(news))
            if not wanted:
                return Answer(204, reason="; ".join(delivery.ignored) or "nobody weaves this branch")
            identity = delivery.identity or hashlib.sha256(body).hexdigest()
            fresh = [self._queued(news, f"{identity}/{number}") for number, news in enumerate(wanted)]
        except Refused as error:
            return Answer(401, {"error": "unauthorized"}, reason=error.message)
        except Misconfigured as error:
            return Answer(400, {"error": error.message}, reason=error.message)
        except Transient as error:
            return Answer(503, {"error": "try again"}, reason=str(error))
        if not any(fresh):
            return Answer(204, reason="the delivery was taken in before")
        return Answer(202, {"delivery": delivery.identity, "queued": sum(fresh)})

    def _verified(self, host: Host, headers: Mapping[str, str], body: bytes, woven: Iterable[Woven]) -> None:
        names = {name for one in woven if one.host is host for name in one.webhook_secrets}
        if not names:
            raise Refused(f"no repository at {host.value} is woven", status=401)
        try:
            self._check(host, headers, body, names)
        except Refused:
            # A secret may have been exchanged since it was read.
            if not self.secrets.refresh():
                raise
            self._check(host, headers, body, names)

    def _check(self, host: Host, headers: Mapping[str, str], body: bytes, names: set[str]) -> None:
        try:
            secrets = [self.secrets.get(name) for name in sorted(names)]
            now = self.clock.now().timestamp()
            verify(host, headers, body, secrets=secrets, now=now)
        except Misconfigured as error:
            # It is ours to mend, and the delivery must not be lost by it.
            raise Transient(str(error)) from None

    def _queued(self, news: News, identity: str) -> bool:
        branch = news.branch if isinstance(news, BranchMoved) else "pulls"
        group = f"{news.host.value}:{news.repository}:{branch}".lower()
        message = json.dumps(news.to_json(), sort_keys=True)
        known = f"{group}#{identity}"
        return self.seen.once(known, lambda: self.queue.put(message, identity=known, group=group))
