"""What YAML for dag-factory cannot say, with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Place, Step
from shared.pipelines.targets.airflow_works import function_url
from shared.pipelines.targets.target import Options
from shared.pipelines.values import ListOf, MapOf, Reference, Template, Value
from shared.pipelines.work import Branch, Container, Job, JobService, SubPipeline, Wait

_OWN_KEYS = frozenset({"__type__", "__args__", "__and__", "__or__", "__join__"})
_ELSE = "; compile for airflow"

Fault = tuple[Place, str]


def refused(plan: Plan, options: Options, behind: frozenset[str]) -> Iterator[Fault]:
    """Every fault. `behind` are the steps that would have to decide by themselves whether they run."""
    if plan.name == "default":
        yield (
            plan.at("name"),
            '"default" has a meaning of its own for dag-factory; name the pipeline otherwise',
        )
    if plan.notifications.on_success or plan.notifications.on_failure:
        yield plan.at("notifications"), f"notifications need code{_ELSE}"
    for parameter in plan.parameters:
        if _has_own_keys(parameter.default):
            text = f'the default of "{parameter.name}" has a key that dag-factory reads itself'
            yield plan.at("parameters", parameter.name), text
    for step in plan.all_steps():
        yield from ((step.at(key), f"{text}{_ELSE}") for key, text in _step(step, options))
        if step.name in behind:
            yield step.place, f'whether step "{step.name}" runs is not for Airflow\'s own rules to say{_ELSE}'


def _step(step: Step, options: Options) -> Iterator[tuple[str, str]]:
    """What a step says that needs code: the key and the fault."""
    if step.condition is not None:
        yield "condition", "a condition needs code"
    if step.continue_if_fail:
        yield "continue_if_fail", "continue_if_fail needs code"
    if step.notifications.on_success or step.notifications.on_failure:
        yield "notifications", "notifications need code"
    if step.retry.count > 1 and step.retry.backoff not in (1, 2) and options.engine_version == 2:
        yield "retries", "Airflow 2 has no backoff but 1 and 2"
    match step.work:
        case Branch() | ForEach():
            yield "type", f"a {step.kind} needs code"
        case Container() if not options.local:
            yield "image", "a container is not started from YAML"
        case Wait(seconds=None):
            yield "until", "a wait until an instant needs code"
        case SubPipeline(parameters=parameters) if not _is_plain(parameters):
            yield (
                "parameters",
                "parameters of a pipeline can be whole values only, and no text with references in it",
            )
        case Job() as work:
            yield from _job(work, options)


def _job(work: Job, options: Options) -> Iterator[tuple[str, str]]:
    if work.service is not JobService.FUNCTION or work.executor:
        yield "service", "a job is one of an executor function here"
    elif options.platform.intermediate:
        yield "function", "jobs by way of the platform's function are not polled from YAML"
    elif not (function_url(work.start, options) and function_url(work.status or work.start, options)):
        text = f'nobody knows where function "{work.start}" is; give its URL, or --parameters of the platform'
        yield "function", text


def _is_plain(value: Value) -> bool:
    match value:
        case Template():
            return False
        case Reference(path=path):
            return not path
        case ListOf(items):
            return all(map(_is_plain, items))
        case MapOf(pairs):
            return all(_is_plain(item) for _, item in pairs)
    return True


def _has_own_keys(data: Any) -> bool:
    match data:
        case dict():
            return bool(_OWN_KEYS & set(data)) or any(map(_has_own_keys, data.values()))
        case list():
            return any(map(_has_own_keys, data))
    return False
