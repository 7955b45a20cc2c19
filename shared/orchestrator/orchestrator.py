"""The dispatcher as a library: add inputs and processes, link them, run.

>>> from shared.orchestrator.event import Event, Operation
>>> def ether(outlet):
...     outlet.emit([Event("the ether", Operation.CREATE, "an-id")])
>>> def hello(event):
...     print(event.to_json())
>>> with Orchestrator() as dispatcher:
...     dispatcher.add_input("tests", ether)
...     dispatcher.add_process("hello", hello)
...     dispatcher.link("tests", "hello")
...     dispatcher.run()
{"location": "the ether", "operation": "create", "id": "an-id", "trigger": "tests"}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from shared.common.errors import Transient
from shared.orchestrator.configuration import Limits
from shared.orchestrator.doors import Input, Process
from shared.orchestrator.event import Operation
from shared.orchestrator.faults import UnknownInput, UnknownProcess
from shared.orchestrator.filters import Filter
from shared.orchestrator.function import Does, DoesWithRun, FunctionInput, FunctionProcess, Raises
from shared.orchestrator.graph import Graph, InputNode, Link, ProcessNode
from shared.orchestrator.journal import Store
from shared.orchestrator.policy import Policy
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.sqlite_journal import MEMORY, SqliteJournal
from shared.orchestrator.supervisor import Supervisor


class Orchestrator:
    """A graph of objects of one's own over a journal; without one, what happens is forgotten at the end.

    Nodes and links may be added and removed before and while it runs. In a `with` block it drains at the end.
    """

    def __init__(
        self,
        journal: Store | None = None,
        *,
        limits: Limits | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self.supervisor = Supervisor(journal or SqliteJournal(MEMORY), limits=limits, around=around)
        self._inputs: dict[str, InputNode] = {}
        self._processes: dict[str, ProcessNode] = {}
        self._links: list[Link] = []
        self._running = False

    def __enter__(self) -> Orchestrator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_input(self, name: str, source: Input | Raises, *, filter: Filter | None = None) -> None:
        """An input, or a function that is given its outlet. One of the same name is replaced."""
        made = source if hasattr(source, "run") else FunctionInput(source)
        self._inputs[name] = InputNode(name, filter or Filter(), lambda around: made)
        self._changed()

    def add_process(
        self, name: str, process: Process | Does | DoesWithRun, *, policy: Policy | None = None
    ) -> None:
        """A process, or a function of an event (and its `Run`). One of the same name is replaced."""
        made = process if hasattr(process, "execute") else FunctionProcess.of(process)
        self._processes[name] = ProcessNode(name, policy or Policy(), lambda around: made)
        self._changed()

    def link(
        self,
        source: str,
        *targets: str,
        operation: Sequence[Operation] = (),
        location: str = "",
        where: str = "",
    ) -> None:
        """Lead events from an input or a process to processes. Raises `UnknownInput` or `UnknownProcess`."""
        passes = Filter(operation=tuple(operation), location=location, where=where)
        before = list(self._links)
        self._links += [Link(source, target, passes) for target in targets]
        try:
            self._changed()
        except Exception:
            self._links = before
            raise

    def unlink(self, source: str, target: str) -> None:
        self._links = [link for link in self._links if (link.source, link.target) != (source, target)]
        self._changed()

    def remove(self, name: str) -> None:
        """Remove a node and its links. What still waits for a process becomes a dead letter of it."""
        if name not in self._inputs and name not in self._processes:
            raise UnknownProcess(name, known=[*self._inputs, *self._processes])
        self._inputs.pop(name, None)
        self._processes.pop(name, None)
        self._links = [link for link in self._links if name not in (link.source, link.target)]
        self._changed()

    def pause(self, name: str, *, paused: bool = True) -> None:
        """Let a node rest (events wait before a process, an input raises none), or go on."""
        if name in self._inputs:
            self._inputs[name] = replace(self._inputs[name], paused=paused)
        elif name in self._processes:
            self._processes[name] = replace(self._processes[name], paused=paused)
        else:
            raise UnknownInput(name, known=[*self._inputs, *self._processes])
        self._changed()

    def start(self) -> None:
        self.supervisor.start(self.graph())
        self._running = True

    def run(self, *, timeout: float | None = None) -> None:
        """Start, and wait until every input has returned and every event has come to an end.

        Raises `Transient` when that takes longer than `timeout` seconds.
        """
        if not self._running:
            self.start()
        clock = self.supervisor.clock
        until = None if timeout is None else clock.monotonic() + timeout
        while not self.supervisor.idle():
            if until is not None and clock.monotonic() > until:
                raise Transient(f"events were still under way after {timeout:g} s")
            clock.sleep(0.005)

    def stop(self, grace: float | None = None) -> bool:
        """Drain and leave; see `Supervisor.drain`."""
        if not self._running:
            return True
        self._running = False
        return self.supervisor.drain(grace)

    def graph(self) -> Graph:
        return Graph.build(self._inputs.values(), self._processes.values(), self._links)

    def _changed(self) -> None:
        graph = self.graph()
        if self._running:
            self.supervisor.change(graph)
