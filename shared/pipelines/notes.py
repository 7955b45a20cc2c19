"""What a definition asks for beyond steps and edges, in short lines: `sluice graph` says it, a picture does not."""

from __future__ import annotations

from collections.abc import Iterator

from shared.common.instants import format_instant
from shared.pipelines.conditions import say
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Notifications, Step, work_references
from shared.pipelines.values import Root, as_text
from shared.pipelines.work import SubPipeline


def about_plan(plan: Plan) -> Iterator[str]:
    """What the pipeline asks for."""
    if said := [text for text in (plan.description, plan.version and f"version {plan.version}") if text]:
        yield ", ".join(said)
    people = [f"owner {one.name}{f' <{one.email}>' if one.email else ''}" for one in plan.owners]
    if said := [*([f"domain {plan.domain}"] if plan.domain else []), *people]:
        yield ", ".join(said)
    if schedule := plan.schedule:
        if schedule.catch_up and schedule.start:
            yield f"missed runs since {format_instant(schedule.start)} are made up for"
        bounds = (("from", schedule.start), ("to", schedule.end))
        if said := [f"{word} {format_instant(at)}" for word, at in bounds if at is not None]:
            yield " ".join(said)
    if plan.parameters:
        yield "parameters: " + ", ".join(f"{one.name} ({_short(one.default)})" for one in plan.parameters)
    if said := list(_limits(plan)):
        yield ", ".join(said)
    if told := ", ".join(_told(plan.notifications)):
        yield told
    cluster, storage = plan.resources.compute_cluster, plan.resources.storage_location
    if said := [*([f"runs on {cluster}"] if cluster else []), *([f"stores in {storage}"] if storage else [])]:
        yield ", ".join(said)


def _limits(plan: Plan) -> Iterator[str]:
    if plan.max_parallel is not None:
        yield f"at most {plan.max_parallel} steps at once"
    if plan.max_runs not in (None, 1):
        yield f"at most {plan.max_runs} runs at once"
    if plan.deadline_seconds is not None:
        yield f"a run at most {plan.deadline_seconds:g} s"


def about_step(step: Step, plan: Plan) -> Iterator[str]:
    """What a step asks for, of itself and of the steps before it."""
    if step.description:
        yield step.description
    if step.condition is not None:
        yield f"only if {say(step.condition)}"
    if step.retry.count:
        times = f", times {step.retry.backoff:g}" if step.retry.backoff != 1 and step.retry.count > 1 else ""
        word = "retry" if step.retry.count == 1 else "retries"
        yield f"{step.retry.count} {word} after {step.retry.delay_seconds:g} s{times}"
    if step.timeout_seconds is not None:
        yield f"an attempt at most {step.timeout_seconds:g} s"
    if step.continue_if_fail:
        yield "its failure stops nothing"
    if step.pool:
        (slots,) = [pool.slots for pool in plan.pools if pool.name == step.pool]
        yield f"pool {step.pool}, of {slots}"
    match step.work:
        case ForEach(max_parallel=int(most)):
            yield f"at most {most} items at once"
        case SubPipeline(pipeline=pipeline, wait=False):
            yield f"{pipeline}, only started"
    yield from _reads(step)
    yield from _told(step.notifications)


def _reads(step: Step) -> Iterator[str]:
    """What it refers to, by names; what is inside of a foreach says so itself."""
    if isinstance(step.work, ForEach):
        return
    found: dict[Root, dict[str, None]] = {}
    for reference in work_references(step.work):
        found.setdefault(reference.root, {})[reference.name] = None
    words = {Root.STEP: "reads", Root.PARAMETER: "params", Root.SECRET: "secrets"}
    for root, word in words.items():
        if root in found:
            yield f"{word} {', '.join(found[root])}"
    if Root.RUN in found:
        yield f"reads {', '.join(f'run.{name}' for name in found[Root.RUN])}"


def _told(told: Notifications) -> Iterator[str]:
    for word, targets in (("success", told.on_success), ("failure", told.on_failure)):
        for target in targets:
            whom = " ".join([*([target.channel] if target.channel else []), *target.recipients])
            yield f"tells {target.method} {whom} on {word}"


def _short(value: object) -> str:
    text = as_text(value) if value is not None else "none"
    return text if len(text) <= 40 else f"{text[:37]}…"
