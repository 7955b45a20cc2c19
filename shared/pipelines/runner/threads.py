"""Drives a run with threads: one per attempt, and the course in the thread that calls."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.common.errors import SluiceError, unknown
from shared.common.ports import Clock, Secrets
from shared.common.types import JSON
from shared.pipelines.plan import Plan
from shared.pipelines.runner.course import Course
from shared.pipelines.runner.executor import EXECUTED, Executors, Task
from shared.pipelines.runner.orders import Begin, Cancel, Ended, Ticket

Watch: TypeAlias = "Callable[[Ended | Begin], None]"
_LOOK = 0.2  # seconds between two looks at `stop`, which a signal handler sets


@dataclass(frozen=True, slots=True)
class _Report:
    ticket: Ticket
    output: JSON = None
    error: str | None = None


@dataclass(slots=True)
class Driver:
    """Carries out the orders of a course until it is over.

    `watch` hears of every attempt that begins and every step that ends, in the calling thread. `stop` is asked a few
    times a second, and `look` may look at the course then. An attempt that does not end when told to is left behind:
    its thread ends with the process.
    """

    course: Course
    executors: Executors
    clock: Clock
    secrets: Secrets
    watch: Watch
    stop: Callable[[], bool] = lambda: False
    redact: Callable[[str], str] = str
    look: Callable[[Course], None] = lambda course: None
    _inbox: queue.SimpleQueue[_Report] = field(default_factory=queue.SimpleQueue)
    _ending: dict[Ticket, threading.Event] = field(default_factory=dict)

    def run(self) -> None:
        """Run to the end. Raises `Misconfigured` before anything begins when a kind of step has no executor."""
        check_executors(self.course.plan, self.executors)
        while True:
            if self.stop() and not self.course.is_stopping:
                self.course.stop()
            for order in self.course.advance(self.clock.monotonic()):
                match order:
                    case Begin():
                        self._begin(order)
                    case Cancel(ticket):
                        self._ending[ticket].set()
            for ended in self.course.drain():
                self.watch(ended)
            if self.course.is_over:
                return
            self.look(self.course)
            self._listen()

    def _listen(self) -> None:
        """Wait for a report, the next thing that is due, or the next look at `stop`."""
        wake = self.course.wake_at()
        seconds = _LOOK if wake is None else min(_LOOK, max(0.0, wake - self.clock.monotonic()))
        try:
            report = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return
        self._ending.pop(report.ticket, None)
        now = self.clock.monotonic()
        if report.error is None:
            self.course.succeeded(report.ticket, report.output, now)
        else:
            self.course.broke(report.ticket, report.error, now)

    def _begin(self, order: Begin) -> None:
        ending = self._ending[order.ticket] = threading.Event()
        course = self.course
        task = Task(
            order.step, order.ticket, course.facts, course.parameters, order.look_up, self.secrets, ending
        )
        self.watch(order)
        threading.Thread(target=self._attempt, args=(task,), name=order.ticket.key, daemon=True).start()

    def _attempt(self, task: Task) -> None:
        try:
            output = self.executors[task.step.kind](task)
        except SluiceError as error:
            self._inbox.put(_Report(task.ticket, error=self.redact(str(error))))
        except Exception as error:  # noqa: BLE001 - whatever an executor raises is the failure of its attempt
            self._inbox.put(_Report(task.ticket, error=self.redact(f"{type(error).__name__}: {error}")))
        else:
            self._inbox.put(_Report(task.ticket, output))


def check_executors(plan: Plan, executors: Executors) -> None:
    """Raises `Misconfigured` for the first step whose kind nothing here can do."""
    for step in plan.all_steps():
        if step.kind in EXECUTED and step.kind not in executors:
            raise unknown(
                "executor for the kind of step", step.kind, executors, step=step.name, at=step.place
            )
