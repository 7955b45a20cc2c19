"""A run of a pipeline on this machine: executors put together, state kept on the disk, pipelines inside of
pipelines.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared.common.clock import random_token
from shared.common.errors import Misconfigured, Refused, Transient, unknown
from shared.common.instants import format_instant
from shared.common.types import JSON
from shared.pipelines.defaults_place import is_defaults
from shared.pipelines.levels import SameNames
from shared.pipelines.plan import Plan
from shared.pipelines.read import read_plan
from shared.pipelines.runner.course import Course
from shared.pipelines.runner.executor import Executors, Task
from shared.pipelines.runner.memory import Memory, digests, kept
from shared.pipelines.runner.scope import RunFacts
from shared.pipelines.runner.states import FAILURES, Result
from shared.pipelines.runner.threads import Driver, Watch
from shared.pipelines.work import Check, Kind, SubPipeline
from src.pipeline.http import Functions, call
from src.pipeline.outside import container, invoke

if TYPE_CHECKING:
    from shared.pipelines.runner.orders import Begin, Ended
    from src.workplace import Workplace

STATES = Path(".sluice/pipelines")
_ENDINGS = (".yaml", ".yml", ".json")
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Order:
    """What to run and how. `again`: from this step on; `resume`: what did not end well; both take up the last run.

    `wait`: for the end of a run that is at work already, instead of an error.
    """

    file: Path
    parameters: Mapping[str, JSON] = field(default_factory=dict)
    again: str | None = None
    resume: bool = False
    at: datetime | None = None
    most: int = 8
    state: Path | None = None
    same_names: SameNames = "levels"
    depth: int = 0
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `stopped`: before its end, by a signal; `failed` are keys of steps, tolerated ones too."""

    plan: Plan
    facts: RunFacts
    results: Mapping[str, Result]
    failed: tuple[str, ...]
    stopped: bool
    state: Path


def run(
    place: Workplace,
    order: Order,
    *,
    functions: Functions | None = None,
    watch: Watch = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    look: Callable[[Course], None] = lambda course: None,
    executors: Executors | None = None,
) -> Outcome:
    """Run a definition to its end. Raises `Misconfigured` before anything begins; failures of steps are in the
    outcome.
    """
    plan = read_plan(order.file, same_names=order.same_names)
    state = order.state or STATES / f"{plan.name}.json"
    with _locked(state, plan, wait=_waiting(place, stop) if order.wait else None):
        before = _remembered(state, order)
        parameters = _parameters(plan, before.parameters if before else {}, order.parameters)
        facts = before.facts if before else _facts(place, plan, order.at)
        held = kept(plan, before, again=order.again) if before else {}
        clock = place.clock
        course = Course(
            plan, facts, parameters=parameters, now=clock.monotonic(), started=clock.now(), most=order.most, kept=held
        )  # fmt: skip
        known = executors or executors_of(place, order, functions or Functions(), stop)

        def seen(event: Begin | Ended) -> None:
            _write(state, Memory(facts, parameters, digests(plan), course.results()))
            watch(event)

        driver = Driver(
            course, known, clock, place.configuration.secrets, seen, stop=stop, redact=place.redactor.text, look=look
        )  # fmt: skip
        driver.run()
        _write(state, Memory(facts, parameters, digests(plan), course.results()))
    results = course.results()
    failed = tuple(key for key, one in results.items() if one.state in FAILURES)
    return Outcome(plan, facts, results, failed, course.is_stopping, state)


def executors_of(place: Workplace, order: Order, functions: Functions, stop: Callable[[], bool]) -> Executors:
    """What does the work of each kind here."""
    from src.pipeline import landing, sql

    database = sql.Database(place)

    def check(task: Task) -> JSON:
        work = task.step.work
        by_query = isinstance(work, Check) and work.sql is not None
        return sql.check(database, task) if by_query else landing.check(place, database, task)

    return {
        Kind.INGESTION: lambda task: landing.ingest(place, database, task),
        Kind.LOAD: lambda task: landing.load(place, database, task),
        Kind.TRANSFORMATION: lambda task: sql.transform(database, task),
        Kind.CHECK: check,
        Kind.CALL: call,
        Kind.LAMBDA: invoke,
        Kind.CONTAINER: container,
        Kind.JOB: functions.job,
        Kind.PIPELINE: lambda task: _inner(place, order, functions, task, stop),
    }


def _inner(
    place: Workplace, order: Order, functions: Functions, task: Task, stop: Callable[[], bool]
) -> JSON:
    """Do a pipeline step: the definition of that name beside this one, in a run of its own."""
    work = task.step.work
    assert isinstance(work, SubPipeline)
    if order.depth >= _DEEPEST:
        raise Misconfigured(
            f"pipelines call each other more than {_DEEPEST} levels deep", step=task.step.name
        )
    if not work.wait:
        raise Misconfigured(
            "a run on this machine leaves no pipeline behind that goes on by itself",
            hint="leave `wait: false` out, or compile the pipeline for an engine",
            step=task.step.name,
            at=task.step.place,
        )
    inner = replace(
        order,
        file=definition_named(work.pipeline, order.file.parent),
        parameters=task.value(work.parameters),
        again=None,
        resume=False,
        state=None,
        depth=order.depth + 1,
    )
    outcome = run(place, inner, functions=functions, stop=lambda: stop() or task.cancelled())
    if outcome.stopped:
        raise Transient(f"pipeline {work.pipeline} was stopped", step=task.step.name)
    if outcome.failed:
        raise Refused(f"pipeline {work.pipeline} failed in {', '.join(outcome.failed)}", step=task.step.name)
    return {"run_id": outcome.facts.id}


def definition_named(name: str, folder: Path) -> Path:
    """The definition of a pipeline in a folder, by its file's name or the name inside. Raises `Misconfigured`."""
    files = sorted(p for p in folder.iterdir() if p.suffix in _ENDINGS and not is_defaults(p.name))
    for path in files:
        if path.stem == name:
            return path
    for path in files:
        if (
            f"name: {name}" in path.read_text(encoding="utf-8", errors="replace")
            and read_plan(path).name == name
        ):
            return path
    raise unknown("pipeline", name, [path.stem for path in files], searched=str(folder))


def _facts(place: Workplace, plan: Plan, at: datetime | None) -> RunFacts:
    now = place.clock.now()
    logical = (at or now).astimezone(UTC)
    zone = ZoneInfo(plan.schedule.timezone if plan.schedule else "UTC")
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{random_token(6)}"
    return RunFacts(run_id, plan.name, f"{logical.astimezone(zone):%Y-%m-%d}", format_instant(logical))


def _parameters(plan: Plan, before: Mapping[str, JSON], given: Mapping[str, JSON]) -> dict[str, JSON]:
    """Defaults, the last run's where this one goes on with it, and what was given. Raises `Misconfigured`."""
    found = {one.name: one.default for one in plan.parameters}
    for name in given:
        if name not in found:
            raise unknown("parameter", name, found, pipeline=plan.name)
    return found | {name: value for name, value in before.items() if name in found} | dict(given)


def _remembered(state: Path, order: Order) -> Memory | None:
    if not order.resume and order.again is None:
        return None
    if not state.exists():
        raise Misconfigured(
            "there is no earlier run to go on with",
            hint="run it as a whole first, without --from and --resume",
            file=state,
        )
    if order.at is not None:
        raise Misconfigured("a run that goes on has the time of the run before", hint="leave --date out")
    if order.parameters:
        raise Misconfigured(
            "a run that goes on has the parameters of the run before", hint="leave --param out"
        )
    return Memory.from_json(state.read_text(encoding="utf-8"), file=str(state))


def _write(state: Path, memory: Memory) -> None:
    """Written beside and moved, so that a killed run leaves the last whole state.

    It is its owner's alone: an output may hold what a server has sent back, credentials among it.
    """
    new = state.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(memory.to_json())
    os.replace(new, state)


@contextmanager
def _locked(state: Path, plan: Plan, *, wait: Callable[[], bool] | None) -> Iterator[None]:
    """One run of a pipeline at a time per state file.

    Raises `Misconfigured` when another process has it; with `wait` only when that says so.
    """
    state.parent.mkdir(parents=True, exist_ok=True)
    with state.with_suffix(".lock").open("w") as lock:
        while not _is_held(lock):
            if wait is not None and wait():
                continue
            raise Misconfigured(
                f"pipeline {plan.name} is running already",
                hint="wait for it, or give another --state FILE",
                file=state,
            ) from None
        yield


def _is_held(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _waiting(place: Workplace, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Lets some time pass; False when the run shall not begin any more."""

    def wait() -> bool:
        place.clock.sleep(0.2)
        return not stop()

    return wait
