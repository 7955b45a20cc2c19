"""Threads carry out a course: side by side, stopped, with what executors raise."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.common.clock import SystemClock
from shared.common.errors import Misconfigured, Transient
from shared.common.fakes import DictSecrets
from shared.common.types import JSON
from shared.pipelines.read import read_definition
from shared.pipelines.runner.course import Course
from shared.pipelines.runner.executor import Executor, Task
from shared.pipelines.runner.states import State
from shared.pipelines.runner.threads import Driver
from shared.pipelines.values import MapOf
from shared.pipelines.work import Call, Kind
from tests.shared.pipelines.simulation import FACTS

HEAD = "pipeline:\n  name: p\n  steps:\n"


def drive(text: str, executor: Executor, **options: Any) -> tuple[Course, list[Any]]:
    plan = read_definition(HEAD + text, file="p.yaml")
    clock = SystemClock()
    course = Course(plan, FACTS, parameters={}, now=clock.monotonic(), started=datetime.now(UTC))
    seen: list[Any] = []
    executors = {Kind.LAMBDA: executor, Kind.CALL: executor}
    Driver(course, executors, clock, DictSecrets({"TOKEN": "t0p"}), seen.append, **options).run()
    return course, seen


def test_steps_without_edges_are_at_work_at_the_same_time() -> None:
    met = threading.Barrier(2, timeout=20)

    def meet(task: Task) -> JSON:
        met.wait()
        return task.step.name

    course, seen = drive(
        "    - {name: a, type: lambda, function: f}\n    - {name: b, type: lambda, function: f}", meet
    )

    assert {"a": "a", "b": "b"} == {key: result.output for key, result in course.results().items()}
    assert 4 == len(seen)


def test_whatever_an_executor_raises_is_the_failure_of_its_step() -> None:
    def fail(task: Task) -> JSON:
        if task.step.name == "a":
            raise Transient("down with t0p", hint="try later")
        raise ZeroDivisionError("t0p")

    course, _ = drive(
        "    - {name: a, type: lambda, function: f}\n    - {name: b, type: lambda, function: f}",
        fail,
        redact=lambda text: text.replace("t0p", "***"),
    )

    assert {"a": "down with ***\n  try later", "b": "ZeroDivisionError: ***"} == {
        key: result.error for key, result in course.results().items()
    }


def test_a_stop_ends_what_is_at_work() -> None:
    begun = threading.Event()

    def rest(task: Task) -> JSON:
        begun.set()
        assert not task.rest(60)
        raise Transient("stopped")

    course, _ = drive("    - {name: a, type: lambda, function: f}", rest, stop=begun.is_set)

    assert {} == course.results()
    assert course.is_over


def test_a_timeout_ends_an_attempt() -> None:
    def rest(task: Task) -> JSON:
        return task.rest(60)

    course, _ = drive("    - {name: a, type: lambda, function: f, timeout: 50ms}", rest)

    result = course.results()["a"]
    assert (State.FAILED, "took longer than 0.05 s") == (result.state, result.error)


def test_secrets_are_found_in_the_task_and_nowhere_else() -> None:
    def send(task: Task) -> JSON:
        assert isinstance(task.step.work, Call)
        return (
            task.value(task.step.work.headers) == {"Authorization": "Bearer t0p"}
            and task.value(MapOf()) == {}
        )

    course, _ = drive(
        '    - {name: a, type: call, url: https://a.example, headers: {Authorization: "Bearer ${secrets.TOKEN}"}}',
        send,
    )

    assert course.results()["a"].output is True


def test_a_kind_without_an_executor_is_refused_before_anything_begins() -> None:
    with pytest.raises(Misconfigured, match=r'unknown executor for the kind of step "job".*p\.yaml:5:7'):
        drive(
            "    - {name: a, type: lambda, function: f}\n    - {name: b, type: job, service: glue, job: g}",
            lambda task: pytest.fail("began"),
        )
