"""An event's whole way in one go: in the order of the graph, once for each pair, and what failed comes again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.common.errors import Transient
from shared.orchestrator.doors import Run
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.filters import Filter
from shared.orchestrator.graph import Graph, InputNode, Link, ProcessNode
from shared.orchestrator.policy import Policy
from shared.orchestrator.status import ExitStatus, Status
from shared.orchestrator.walk import Walked, walk

EVENT = Event("public.orders", Operation.CREATE, "7", "in")


@dataclass
class Plant:
    """Processes that note what they did; those in `broken` fail."""

    done: list[str] = field(default_factory=list)
    keys: dict[str, set[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    ill: set[str] = field(default_factory=set)
    paused: tuple[str, ...] = ()

    def process(self, name: str) -> Any:
        plant = self

        class One:
            def execute(self, event: Event, run: Run) -> Status:
                del event
                plant.keys.setdefault(name, set()).add(run.key)
                if name in plant.broken:
                    raise Transient("not now")
                plant.done.append(name)
                return Status(name, status=ExitStatus.FAIL if name in plant.ill else ExitStatus.SUCCESS)

        return One()

    def once(self, key: str, act: Callable[[], None]) -> bool:
        if key in self.known:
            return False
        act()
        self.known.add(key)
        return True

    def walk(self, *links: tuple[str, str], remaining: float = math.inf, event: Event = EVENT) -> Walked:
        names = sorted({name for link in links for name in link} - {"in"})
        nodes = [ProcessNode(name, Policy(), lambda around: None, name in self.paused) for name in names]
        made = [Link(source, target) for source, target in links]
        graph = Graph.build([InputNode("in", Filter(), lambda around: None)], nodes, made)
        return walk(
            graph, "in", event, "k", process=self.process, once=self.once, remaining=lambda: remaining
        )


DIAMOND = (("in", "a"), ("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"))


def test_every_process_runs_behind_all_that_lead_to_it() -> None:
    plant = Plant()

    found = plant.walk(*DIAMOND)

    assert found.done
    assert ("a", "d", {"b", "c"}) == (plant.done[0], plant.done[-1], set(plant.done[1:3]))


def test_what_lies_behind_a_failure_waits_and_the_rest_goes_on() -> None:
    plant = Plant(broken={"b"})

    found = plant.walk(*DIAMOND)

    assert (["b"], ["d"], ["a", "c"]) == (list(found.failed), found.waiting, sorted(found.ran))
    assert not found.done


def test_an_event_that_comes_again_starts_only_what_is_not_done() -> None:
    plant = Plant(broken={"b"})
    plant.walk(*DIAMOND)
    plant.broken.clear()

    found = plant.walk(*DIAMOND)

    assert (["a", "c"], ["b", "d"]) == (sorted(found.known), list(found.ran))
    assert ["a", "b", "c", "d"] == sorted(plant.done)
    assert all(len(keys) == 1 for keys in plant.keys.values())


def test_a_status_that_says_fail_is_a_failure() -> None:
    assert ["a"] == list(Plant(ill={"a"}).walk(("in", "a")).failed)


def test_a_paused_process_has_the_event_come_again() -> None:
    found = Plant(paused=("b",)).walk(("in", "a"), ("a", "b"), ("b", "c"))

    assert (["b"], ["c"], False) == (found.paused, found.waiting, found.done)


def test_without_time_nothing_is_begun() -> None:
    found = Plant().walk(("in", "a"), remaining=0)

    assert (["a"], {}) == (found.waiting, found.ran)
