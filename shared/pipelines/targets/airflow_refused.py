"""What Airflow cannot do, or a file cannot be written for: every fault of a plan, with its place."""

from __future__ import annotations

from collections.abc import Iterator

from shared.common.errors import Misconfigured, unknown
from shared.pipelines.plan import Plan
from shared.pipelines.step import ForEach, Place, Step
from shared.pipelines.targets.airflow_works import called, function_url
from shared.pipelines.targets.target import LAYOUT, Options
from shared.pipelines.work import Container, Job, JobService, SubPipeline

VERSIONS = (2, 3)
_OWN_SERVICES = (JobService.FUNCTION, JobService.GLUE, JobService.ECS)


def check(plan: Plan, options: Options) -> None:
    """Raises `Misconfigured` with a line for every fault."""
    if options.engine_version not in VERSIONS:
        raise unknown("version of Airflow", str(options.engine_version), map(str, VERSIONS))
    if options.layout != LAYOUT:
        raise unknown("layout", str(options.layout), [str(LAYOUT)])
    found = sorted({fault for step in plan.all_steps() for fault in _step(step, options)})
    if found:
        raise Misconfigured("\n".join(f"{place} {text}" for place, text in found))


def _step(step: Step, options: Options) -> Iterator[tuple[Place, str]]:
    match step.work:
        case ForEach(steps=steps, max_parallel=most):
            yield from _inside(steps, options, pool=most is not None and len(steps) > 1)
        case Job(service=service, executor=executor) if service not in _OWN_SERVICES and not executor:
            yield (
                step.at("service"),
                f"a job of {service} needs an executor function in Airflow; write `service: function` and name it",
            )
        case Job(service=JobService.GLUE | JobService.ECS, input=given) if given is not None:
            yield step.at("input"), "such a job takes no input; put it into its config"
        case Job(service=JobService.FUNCTION) | Job(executor=str()) if not _is_known(step.work, options):
            yield (
                step.at("function"),
                f'nobody knows where function "{called(step.work)}" is; give its URL, or --parameters of the platform',
            )


def _is_known(work: Job, options: Options) -> bool:
    if work.service in (JobService.GLUE, JobService.ECS) and not work.executor:
        return True
    return bool(function_url(called(work), options) and function_url(work.status or called(work), options))


def _inside(steps: tuple[Step, ...], options: Options, *, pool: bool) -> Iterator[tuple[Place, str]]:
    for step in steps:
        match step.work:
            case ForEach():
                yield (
                    step.place,
                    "a foreach inside of another one is none that Airflow has; make it a pipeline",
                )
            case SubPipeline():
                yield step.place, "a pipeline is not started for each item here; start it once with the list"
            case Container() if not options.local:
                yield (
                    step.place,
                    "a container is not started for each item here; give it the list, or use a lambda",
                )
        if pool and step.pool:
            yield (
                step.at("pool"),
                "a step of a foreach with max_parallel has no pool beside it; leave one of the two out",
            )
