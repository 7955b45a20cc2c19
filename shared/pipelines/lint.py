"""What is allowed in a plan and perhaps not meant: each finding with its place. Faults proper are the reader's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from shared.common.places import Key
from shared.pipelines.plan import Form, Plan
from shared.pipelines.schedule import Cron, is_unsteady
from shared.pipelines.step import Place, Step, fields_of
from shared.pipelines.urls import SECRET, secret_in_url
from shared.pipelines.values import ListOf, Literal, MapOf, Root, Template, Value
from shared.pipelines.work import Call, Job, JobService


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something to look at; `rule` is its short name."""

    place: Place
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.place} {self.text} [{self.rule}]"


def lint(plan: Plan, *, shared: Collection[str] = ()) -> list[Finding]:
    """All findings in a plan, in the order of the file. `shared`: parameters and pools that a whole folder has."""
    steps = (f for step in plan.all_steps() for f in _step(step))
    return sorted({*_schedule(plan), *_unused(plan, shared), *same_names(plan), *steps})


def same_names(plan: Plan) -> list[Finding]:
    """The steps of a LEVEL file whose JOB_NAME another one has too, each with the name that it got instead."""
    known: dict[str, list[Step]] = {}
    for step in plan.steps if plan.form is Form.LEVELS else ():
        written = getattr(step.work, "job_name", "") or step.name.removesuffix(f"_{step.job_id}")
        known.setdefault(written, []).append(step)
    return [
        Finding(
            step.place,
            "same-name",
            f'JOB_NAME "{written}" is that of {len(steps)} steps; this one is called "{step.name}"',
        )
        for written, steps in known.items()
        if len(steps) > 1
        for step in steps
    ]


def _schedule(plan: Plan) -> Iterator[Finding]:
    if plan.schedule is None or not isinstance(plan.schedule.trigger, Cron):
        return
    cron = plan.schedule.trigger
    if cron.is_either_day:
        yield Finding(
            plan.at("schedule", "expression"),
            "either-day",
            f'"{cron.expression}" runs on each such day of the month and on each such day of the week; '
            "not every engine can say this",
        )
    if is_unsteady(cron, plan.schedule.timezone):
        yield Finding(
            plan.at("schedule", "expression"),
            "clock-change",
            f"at this time clocks change in {plan.schedule.timezone}; engines then differ: run it in UTC, or later",
        )


def _unused(plan: Plan, shared: Collection[str]) -> Iterator[Finding]:
    if plan.form is Form.LEVELS:
        return
    used = {r.name for step in plan.steps for r in step.references() if r.root is Root.PARAMETER}
    for parameter in plan.parameters:
        if parameter.name not in used and parameter.name not in shared:
            place = plan.at("parameters", parameter.name)
            yield Finding(place, "unused", f'no step uses the parameter "{parameter.name}"')
    pools = {step.pool for step in plan.all_steps()}
    for pool in plan.pools:
        if pool.name not in pools and pool.name not in shared:
            place = plan.at("pools", pool.name)
            yield Finding(place, "unused", f'no step uses the pool "{pool.name}"')


def _step(step: Step) -> Iterator[Finding]:
    match step.work:
        case Job(service=JobService.FUNCTION, status=None):
            pass  # one call, nothing is polled
        case Job(poll_timeout_seconds=None) if step.timeout_seconds is None:
            yield Finding(
                step.place, "no-timeout", f'job "{step.name}" is polled for a day unless it has a timeout'
            )
        case Call(url=Literal(str() as url)) if url.startswith("http://") and "//127." not in url:
            yield Finding(
                step.at("url"), "plain-http", f'step "{step.name}" sends over http, which others can read'
            )
    for key, value in fields_of(step.work):
        for path in _secrets(value, (key,)):
            name = next(one for one in reversed(path) if isinstance(one, str))
            yield Finding(
                step.at(*path),
                "secret",
                f'"{name}" of step "{step.name}" looks like a secret; name it: ${{secrets.NAME}}, or where that is '
                "not possible let the job read it itself",
            )
    for place, url in _urls(step):
        if name := secret_in_url(Literal(url)):
            text = f'"{name}" in a URL of step "{step.name}" looks like a secret; put it where its name is enough'
            yield Finding(place, "secret", text)


def _urls(step: Step) -> Iterator[tuple[Place, str]]:
    """URLs that are no values."""
    for key in ("inputs", "outputs"):
        for number, ref in enumerate(getattr(step.work, key, ())):
            yield step.at(key, number, "url"), ref.url
    for key, told in (
        ("on_success", step.notifications.on_success),
        ("on_failure", step.notifications.on_failure),
    ):
        for number, target in enumerate(told):
            yield from (
                (step.at("notifications", key, number, "recipients"), one) for one in target.recipients
            )
    if isinstance(step.work, Job):
        yield step.at("function"), step.work.start
        if step.work.status not in (None, step.work.start):
            yield step.at("status_function"), str(step.work.status)


def _secrets(value: Value, path: tuple[Key, ...], name: str = "") -> Iterator[tuple[Key, ...]]:
    """Where what looks like a secret is written out; `name` is the nearest key around a value."""
    match value:
        case MapOf(pairs):
            for key, item in pairs:
                yield from _secrets(item, (*path, key), key)
        case ListOf(items):
            for number, item in enumerate(items):
                yield from _secrets(item, (*path, number), name)
        case Literal(str() as text) if text and SECRET.search(name):
            yield path
        case Literal() | Template() if inside := secret_in_url(value):
            yield (*path, inside)
