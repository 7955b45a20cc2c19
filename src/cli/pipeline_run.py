"""What `sluice pipeline run` shows: a line per attempt and per step that ends, a table at the end, an exit code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured
from shared.common.instants import parse_instant
from shared.common.yaml_text import plain_value
from shared.pipelines.platform import Platform, read_platform
from shared.pipelines.runner.orders import Begin, Ended
from shared.pipelines.runner.states import FAILURES, State
from src.cli.outcome import Exit
from src.cli.screen import Screen, spoken, table
from src.cli.stop import Stop
from src.pipeline.http import Functions
from src.pipeline.local import Order, Outcome
from src.pipeline.local import run as run_plan
from src.pipeline.notify import tell
from src.workplace import Workplace

_EVERY = 60.0  # seconds between two lines about steps that take long

if TYPE_CHECKING:
    from shared.common.ports import Clock
    from shared.common.types import JSON
    from shared.pipelines.levels import SameNames
    from shared.pipelines.runner.course import Course


def run_here(
    screen: Screen,
    definition: Path,
    *,
    again: str | None,
    resume: bool,
    params: Sequence[str],
    at: str | None,
    most: int,
    state: Path | None,
    functions: str | None,
    parameters: Path | None,
    notify: bool,
    same_names: SameNames,
    wait: bool,
) -> int:
    """Run a definition and say how it went; the exit code. Raises `Misconfigured` before anything begins."""
    place = Workplace.open()
    screen.redactor = place.redactor
    order = Order(
        definition,
        parameters_of(params),
        again,
        resume,
        None if at is None else parse_instant(at),
        most,
        state,
        same_names,
        wait=wait,
    )
    known = Functions(_platform(parameters), functions or "")
    began = place.clock.monotonic()

    def watch(event: Begin | Ended) -> None:
        _show(screen, event)
        if notify and isinstance(event, Ended) and event.result.state in FAILURES | {State.SUCCEEDED}:
            well = event.result.state is State.SUCCEEDED
            text = f"{event.key} {event.result.state}: {event.result.error}".rstrip(": ")
            for error in tell(place, event.step.notifications, text, well=well):
                screen.fail(error, label="warning: nobody was told")

    with Stop("ending the steps at work") as stop:
        look = _StillAtWork(screen, place.clock)
        outcome = run_plan(place, order, functions=known, watch=watch, stop=stop, look=look)
    if notify and not outcome.stopped:
        for error in tell(place, outcome.plan.notifications, _news(outcome), well=not outcome.failed):
            screen.fail(error, label="warning: nobody was told")
    code = stop.exit_code if outcome.stopped else Exit.FAILED if outcome.failed else Exit.DONE
    _sum_up(screen, outcome, order, seconds=place.clock.monotonic() - began)
    screen.answer(answer_of(outcome, code))
    return int(code)


def _news(outcome: Outcome) -> str:
    """What people are told of a whole run: how it ended, and a line for each step that failed."""
    ending = "failed" if outcome.failed else "succeeded"
    lines = [f"pipeline {outcome.plan.name} {ending} ({outcome.facts.id})"]
    return "\n".join([*lines, *(f"{key}: {outcome.results[key].error}" for key in outcome.failed[:20])])


def parameters_of(pairs: Sequence[str]) -> dict[str, JSON]:
    """`--param` arguments by name: JSON where it is an object, a list or in quotes, else as YAML reads a word.

    >>> parameters_of(["a=3", "b=text", 'c=["x"]', "d=", 'e="3"'])
    {'a': 3, 'b': 'text', 'c': ['x'], 'd': '', 'e': '3'}
    """
    found: dict[str, JSON] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Misconfigured(f"--param {pair} has no = in it", hint="such as --param mode=full")
        if text[:1] in ("{", "[", '"'):
            try:
                found[name] = json.loads(text)
            except ValueError:
                raise Misconfigured(
                    f"--param {name} is no JSON", hint="put text that begins so in quotes"
                ) from None
        else:
            found[name] = plain_value(text) if text else ""
    return found


def answer_of(outcome: Outcome, code: int) -> dict[str, Any]:
    """The run for programs."""
    return {
        "pipeline": outcome.plan.name,
        "run": outcome.facts.id,
        "date": outcome.facts.date,
        "failed": list(outcome.failed),
        "stopped": outcome.stopped,
        "steps": {
            key: {"state": str(one.state), "attempts": one.attempts, "output": one.output, "error": one.error}
            for key, one in outcome.results.items()
        },
        "exit_code": int(code),
    }


def _platform(file: Path | None) -> Platform:
    if file is None:
        return Platform()
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{file} cannot be read: {error.strerror}") from None
    return read_platform(text, file=str(file))


class _StillAtWork:
    """Says once a minute what is at work, where nothing else is said meanwhile."""

    def __init__(self, screen: Screen, clock: Clock) -> None:
        self._screen, self._clock = screen, clock
        self._next = clock.monotonic() + _EVERY

    def __call__(self, course: Course) -> None:
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        steps = [
            f"{key} ({spoken(now - began)})" for key, phase, began in course.at_work() if phase != "each"
        ]
        self._screen.say(f"still at work: {', '.join(steps)}")


def _show(screen: Screen, event: Begin | Ended) -> None:
    match event:
        case Begin(ticket, step, _, after):
            more = f", attempt {ticket.attempt} of {step.retry.count + 1}" if ticket.attempt > 1 else ""
            if after:
                screen.warn(f"{ticket.key}: attempt {ticket.attempt - 1} failed: {after}")
            screen.say(f"{ticket.key}: {step.kind}{more}")
        case Ended(key, _, result):
            text = f"{key}: {result.state}"
            if result.attempts:
                text += f" in {spoken(result.ended - result.began)}"
            if result.error:
                screen.warn(f"{text}: {result.error}")
            else:
                screen.say(text)


def _sum_up(screen: Screen, outcome: Outcome, order: Order, *, seconds: float) -> None:
    rows = [
        (key, one.state, one.attempts or "", spoken(one.ended - one.began) if one.ended else "kept")
        for key, one in outcome.results.items()
    ]
    screen.say()
    screen.say(table(rows, head=("step", "state", "attempts", "time"), right=[2, 3]))
    ending = "stopped" if outcome.stopped else "failed" if outcome.failed else "done"
    screen.say(f"{outcome.plan.name} {outcome.facts.id}: {ending} in {spoken(seconds)}")
    if outcome.failed:
        screen.say(f"failed: {', '.join(outcome.failed)}")
    if outcome.failed or outcome.stopped:
        words = ["sluice", "pipeline", "run", str(order.file), "--resume"]
        words += ["--state", str(order.state)] if order.state else []
        screen.say(f"go on when that is mended: {shlex.join(words)}")
