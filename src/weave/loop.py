"""The worker of `sluice weave serve`: asks plain remotes for their heads, and works on the queue message by message."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from shared.common.errors import SluiceError, Superseded, Transient
from shared.gitops.configuration import Plain, Weaving, Woven
from shared.gitops.news import BranchMoved, PullChanged, news_of
from shared.gitops.weave import Outcome
from shared.telemetry.alerting import Alert, Alerts
from src.weave.queue import FileQueue, Message
from src.weave.work import Bench, work

NAP = 0.2
"""Seconds between two looks at an empty queue."""

_AWAY = "away"
"""Stands for the head of a remote that could not be asked."""


@dataclass
class Loop:
    """One worker. `say` takes a line of progress, `token` gives a name that nothing had before, `changed` what is woven
    when that has become another.

    `failures` counts what was given up, and the branches of which a definition failed.
    """

    bench: Bench
    queue: FileQueue
    say: Callable[[str], None]
    alerts: Alerts
    token: Callable[[], str]
    stop: Callable[[], bool] = lambda: False
    changed: Callable[[], Weaving | None] = lambda: None
    failures: int = 0
    _heads: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)

    def begin(self, *, polled: bool) -> None:
        """Go on with what was at work, and look at every branch once: deliveries may have been missed meanwhile.

        `polled`: those of plain remotes are left to the first poll.
        """
        if again := self.queue.recover():
            self.say(f"queue: {again} at work when the last process ended; once more")
        for woven in self.bench.weaving.repositories:
            if not (polled and isinstance(woven, Plain)):
                self._put(woven)

    def poll(self) -> None:
        """Ask the plain remotes whose time has come; one that moved is news. Never raises."""
        for woven in self.bench.weaving.repositories:
            if isinstance(woven, Plain) and not self.stop() and self._is_due(woven):
                self._ask(woven)

    def work(self) -> bool:
        """Work on one message; whether there was one."""
        message = self.queue.take()
        if message is None:
            return False
        try:
            news = news_of(json.loads(message.body))
            told = [self._tell(outcome, message) for outcome in work(self.bench, news)]
        except Superseded as error:
            self.say(f"{message.group}: {error.message}; who was faster does it")
            self.queue.done(message, error.message)
        except SluiceError as error:
            self._failed(message, error)
        except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the other branches; it is told
            text = f"unexpected {type(error).__name__}: {error}"
            self._failed(message, SluiceError(text, hint="this is a fault of Sluice: please report it"))
        else:
            nothing = "previewed" if isinstance(news, PullChanged) else "nobody weaves it any more"
            self.queue.done(message, "\n".join(told) or nothing)
        return True

    def run(self) -> None:
        """Work until `stop`; the message at hand is worked on to its end."""
        clock = self.bench.place.clock
        while not self.stop():
            if not self.work():
                clock.sleep(NAP)

    def watch(self) -> None:
        """Poll until `stop`, and heed what is woven from now on."""
        clock = self.bench.place.clock
        while not self.stop():
            if fresh := self.changed():
                self.weave_from_now_on(fresh)
            self.poll()
            clock.sleep(NAP)

    def weave_from_now_on(self, fresh: Weaving) -> None:
        """Take over another list; what is new in it, or is to be done otherwise, is looked at at once."""
        before = self.bench.weaving.repositories
        self.bench = replace(self.bench, weaving=fresh)
        self.say(f"what is woven has changed: {len(fresh.repositories)} branches")
        for woven in fresh.repositories:
            if woven not in before:
                self._heads.pop(_group(woven), None)
                self._asked.pop(_group(woven), None)
                if not isinstance(woven, Plain):
                    self._put(woven)

    def _is_due(self, woven: Plain) -> bool:
        name, now = _group(woven), self.bench.place.clock.monotonic()
        if now - self._asked.get(name, float("-inf")) < woven.poll:
            return False
        self._asked[name] = now
        return True

    def _ask(self, woven: Plain) -> None:
        name = _group(woven)
        try:
            head = self.bench.open_repository(self.bench.place, woven).head(woven.branch) or "none"
            if self._heads.get(name) != head:
                self._put(woven)
            self._heads[name] = head
        except SluiceError as error:
            # Once in a row: a remote that is away for a night is no reason for a thousand lines.
            if self._heads.get(name) != _AWAY:
                self.say(f"{name}: cannot be asked: {error}")
            self._heads[name] = _AWAY

    def _put(self, woven: Woven) -> None:
        news = BranchMoved(woven.host, woven.repository, woven.branch)
        body = json.dumps(news.to_json(), sort_keys=True)
        self.queue.put(body, identity=f"{_group(woven)}#{self.token()}", group=_group(woven))

    def _tell(self, outcome: Outcome, message: Message) -> str:
        told = list(_told(outcome))
        for line in told:
            self.say(f"{message.group}: {line}")
        self.failures += bool(outcome.failed)
        return "\n".join(told)

    def _failed(self, message: Message, error: SluiceError) -> None:
        again = isinstance(error, Transient)
        after = error.retry_after if isinstance(error, Transient) else None
        if self.queue.failed(message, str(error), again=again, after=after):
            self.say(f"{message.group}: failed, try {message.tries}: {error}")
            return
        self.failures += 1
        self.say(f"{message.group}: given up: {error}")
        self.alerts.send(Alert.of(error, key=f"weave {message.number}", app="weave"))


def _group(woven: Woven) -> str:
    """The group of a branch's messages: as the webhook has it."""
    return f"{woven.host.value}:{woven.repository}:{woven.branch}".lower()


def _told(outcome: Outcome) -> Iterator[str]:
    """What a weave did, in a line, and a line for each definition that failed."""
    if outcome.head is None:
        yield "there is no such branch; nothing changes"
    elif outcome.delivered:
        yield f"{outcome.head[:12]}: {outcome.title} -> {outcome.delivered}"
    else:
        yield f"{outcome.head[:12]}: nothing to deliver"
    for text in outcome.failed.values():
        yield f"failed: {text}"
