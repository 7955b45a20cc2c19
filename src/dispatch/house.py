"""What the operations of the API work on: a running dispatcher, its journal, and rates of what it counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.orchestrator.dispatcher import Dispatcher
from shared.orchestrator.journal import Kept, Outcome, Standing, Store
from shared.orchestrator.picture import picture, plain
from src.dispatch.answers import Problem
from src.dispatch.rates import Rates

PATIENCE = 20
"""Counting all events may take a twentieth of the time at most."""
MANY = 200
"""Dead letters that are counted."""
_TEXTS = frozenset(("error", "logs", "last_error", "trouble"))


@dataclass
class House:
    """`mask` takes secrets out of what processes and inputs said."""

    dispatcher: Dispatcher
    mask: Callable[[str], str] = str
    rates: Rates = field(default_factory=Rates)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: dict[str, int] = field(default_factory=dict)
    _counted: float = 0.0
    """When the events are counted again."""

    @property
    def journal(self) -> Store:
        return self.dispatcher.journal

    def now(self) -> float:
        return self.dispatcher.around.clock.monotonic()

    def picture(self) -> dict[str, Any]:
        """The graph as it runs, with kinds and rates."""
        shown = picture(self.dispatcher.supervisor)
        now, counts = self.now(), _counts(shown)
        self.rates.note(now, counts)
        rates = self.rates.of(now, counts)
        kinds = self.kinds()
        for one in shown["inputs"]:
            one |= {"type": kinds.get(one["name"], ""), "rate": rates[f"input {one['name']}"]}
        for one in shown["processes"]:
            name = one["name"]
            one |= {
                "type": kinds.get(name, ""),
                "rate": rates[f"done {name}"],
                "failing": rates[f"failed {name}"],
            }
        for one in shown["links"]:
            one["rate"] = rates[_link(one)]
        found: dict[str, Any] = self.masked(shown)
        return found

    def sample(self) -> None:
        """Note the counts, so that rates are there when somebody asks for the first time."""
        if self.rates.due(now := self.now()):
            self.rates.note(now, _counts(picture(self.dispatcher.supervisor)))

    def standings(self) -> dict[str, int]:
        """How many events of the journal are open, done and dead; some seconds old where counting takes long."""
        return {one.text: self._count()[one.text] for one in Standing}

    def letters(self) -> int:
        """How many events have a dead letter, `MANY` for more; of these some may be open still."""
        return self._count()["letters"]

    def _count(self) -> dict[str, int]:
        with self._lock:
            began = self.now()
            if began >= self._counted:
                self._counts = {one.text: count for one, count in self.journal.counts().items()}
                self._counts["letters"] = len(self.journal.dead(limit=MANY))
                self._counted = (ended := self.now()) + max(0.2, PATIENCE * (ended - began))
            return dict(self._counts)

    def kept(self, one: Kept, *, logs: bool = True) -> dict[str, Any]:
        """An event with its journey; in lists without what processes wrote."""
        shown: dict[str, Any] = self.masked(one.to_plain())
        for stop, told in zip(one.route, shown["journey"], strict=True):
            told["after"] = [one.route[number].process for number in stop.after]
        if not logs:
            for stop in shown["journey"]:
                stop.pop("logs", None)
        return shown

    def outcome(self, one: Outcome) -> dict[str, Any]:
        shown: dict[str, Any] = self.masked(plain(one))
        return shown

    def kinds(self) -> dict[str, str]:
        """The kind of each node of the document."""
        settings = self.dispatcher.configuration
        return {one.name: one.type for one in settings.input} | {
            one.name: one.type for one in settings.process
        }

    def section(self, name: str) -> str:
        """Whether a node of that name is an `input` or a `process`. Raises `Problem`."""
        settings = self.dispatcher.configuration
        inputs, processes = [one.name for one in settings.input], [one.name for one in settings.process]
        if name in inputs:
            return "input"
        if name in processes:
            return "process"
        known = ", ".join([*inputs, *processes]) or "none"
        raise Problem(404, f'there is no input or process "{name}"', hint=f"known: {known}")

    def masked(self, value: Any) -> Any:
        """The texts that processes and inputs wrote, wherever they are, without secrets."""
        match value:
            case dict():
                return {
                    name: self.mask(one) if name in _TEXTS and isinstance(one, str) else self.masked(one)
                    for name, one in value.items()
                }
            case list():
                return [self.masked(one) for one in value]
        return value


def _link(link: dict[str, Any]) -> str:
    return f"link {link['from']} {link['to']}"


def _counts(shown: dict[str, Any]) -> dict[str, float]:
    counts: dict[str, float] = {f"input {one['name']}": one["events"] for one in shown["inputs"]}
    for one in shown["processes"]:
        counts |= {f"done {one['name']}": one["done"], f"failed {one['name']}": one["failed"]}
    return counts | {_link(one): one["events"] for one in shown["links"]}
