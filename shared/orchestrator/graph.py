"""The graph: which processes an event reaches from the input that raised it, and in which order.

The way of an event is decided once, when it is taken: filters look at the event alone, so nothing that happens later
can change it. A process that several others lead to waits for all of them that the event reaches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured, Violation
from shared.orchestrator.event import Event
from shared.orchestrator.faults import UnknownInput, UnknownProcess
from shared.orchestrator.filters import Filter
from shared.orchestrator.policy import Policy

if TYPE_CHECKING:
    from shared.orchestrator.settings import Opening


@dataclass(frozen=True, slots=True)
class InputNode:
    """`mark` changes when the input has to be opened anew."""

    name: str
    filter: Filter
    open: Opening
    paused: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ProcessNode:
    name: str
    policy: Policy
    open: Opening
    paused: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    source: str
    target: str
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, slots=True)
class Stop:
    """A process on the way of an event, and the numbers of the stops that must have been done before it.

    `fault` says why the event can never start there: its filter could not be evaluated.
    """

    process: str
    after: tuple[int, ...] = ()
    fault: str = ""


Route = tuple[Stop, ...]


def route_json(route: Route) -> str:
    return json.dumps([[stop.process, list(stop.after), stop.fault] for stop in route], ensure_ascii=False)


def route_from_json(text: str) -> Route:
    return tuple(Stop(process, tuple(after), fault) for process, after, fault in json.loads(text))


@dataclass(frozen=True)
class Graph:
    """Nodes by name and links; built once, never changed: a changed document makes a new one."""

    inputs: Mapping[str, InputNode]
    processes: Mapping[str, ProcessNode]
    links: tuple[Link, ...]
    order: tuple[str, ...]
    """The processes, each behind all that lead to it."""
    _into: Mapping[str, tuple[Link, ...]] = field(repr=False)
    _plain: dict[str, Route] = field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls, inputs: Iterable[InputNode], processes: Iterable[ProcessNode], links: Sequence[Link]
    ) -> Graph:
        """Raises `Misconfigured`, `UnknownInput` or `UnknownProcess`: names twice, links to nothing, circles."""
        ins, outs = dict[str, InputNode](), dict[str, ProcessNode]()
        for node in inputs:
            _fresh(node.name, ins, outs)
            ins[node.name] = node
        for one in processes:
            _fresh(one.name, ins, outs)
            outs[one.name] = one
        for link in links:
            if link.source not in ins and link.source not in outs:
                raise UnknownInput(link.source, known=[*ins, *outs])
            if link.target not in outs:
                raise UnknownProcess(link.target, known=outs)
        into = {name: tuple(link for link in links if link.target == name) for name in outs}
        order = _ordered(
            {name: [x.source for x in found if x.source in outs] for name, found in into.items()}
        )
        return cls(ins, outs, tuple(links), order, into)

    def reachable(self, name: str) -> tuple[str, ...]:
        """The processes that an event of this input, or what leaves this process, may come to."""
        found = {name}
        for process in self.order:
            if any(link.source in found for link in self._into[process]):
                found.add(process)
        return tuple(process for process in self.order if process in found and process != name)

    def route(self, source: str, event: Event) -> Route:
        """The way of an event that the input `source` raised; empty when no filter lets it pass."""
        plain = self._plain.get(source)
        if plain is not None:
            return plain
        node = self.inputs.get(source)
        relevant = [link for process in self.reachable(source) for link in self._into[process]]
        found = self._walk(source, event, node.filter if node else Filter())
        if all(link.filter.is_open for link in relevant) and (node is None or node.filter.is_open):
            self._plain[source] = found
        return found

    def _walk(self, source: str, event: Event, first: Filter) -> Route:
        fault = ""
        try:
            if not first.lets_pass(event):
                return ()
        except Violation as error:
            fault = str(error)
        stops: list[Stop] = []
        number: dict[str, int] = {}
        for process in self.order:
            passed, after, own = False, list[int](), fault
            for link in self._into[process]:
                if link.source != source and link.source not in number:
                    continue
                try:
                    if not link.filter.lets_pass(event):
                        continue
                except Violation as error:
                    own = own or str(error)
                passed = True
                if link.source in number:
                    after.append(number[link.source])
            if passed:
                number[process] = len(stops)
                stops.append(Stop(process, tuple(sorted(set(after))), own))
        return tuple(stops)


def _fresh(name: str, *taken: Mapping[str, object]) -> None:
    if any(name in nodes for nodes in taken):
        raise Misconfigured(
            f'the name "{name}" is taken', hint="every input and process has a name of its own"
        )


def _ordered(parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise Misconfigured(
            f"processes lead in a circle: {circle}",
            hint="an event would never come to an end; let the last one raise a new event through an input",
        ) from None
