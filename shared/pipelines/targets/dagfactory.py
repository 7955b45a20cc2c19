"""Compiles a plan for dag-factory 1.x: one YAML file per pipeline, with operators of the standard and amazon providers.

YAML holds no code, so this target has what Airflow's own rules do right: steps that run when all before them succeeded.
Work goes whole to the product (`<app>-step`, or `sluice pipeline step` on the worker). All else is refused. Text is
safe from what reads the file: `$` from the expansion of variables, `{` from Jinja, dunder keys from dag-factory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.common.errors import Misconfigured, unknown
from shared.pipelines.plan import Plan
from shared.pipelines.schedule import Cron, Event, Once, Rate
from shared.pipelines.step import Place, Step
from shared.pipelines.targets.airflow import pools_of, writing_of
from shared.pipelines.targets.airflow_dag import about
from shared.pipelines.targets.airflow_tasks import asset_url, gated, pool_name
from shared.pipelines.targets.airflow_works import Writing
from shared.pipelines.targets.dagfactory_features import FEATURES
from shared.pipelines.targets.dagfactory_refused import refused
from shared.pipelines.targets.dagfactory_values import document_of, jinja_json
from shared.pipelines.targets.target import LAYOUT, Options, Target, TargetName
from shared.pipelines.work import SubPipeline, Wait

_STANDARD = "airflow.providers.standard.operators"
_LAMBDA = "airflow.providers.amazon.aws.operators.lambda_function.LambdaInvokeFunctionOperator"
_COMMAND = 'cd "${SLUICE_HOME:-.}" && printf %s "$SLUICE_STEP" | ${SLUICE_COMMAND:-sluice} pipeline step -'


def compile_dagfactory(plan: Plan, options: Options) -> Mapping[str, bytes]:
    """`dagfactory/NAME.yaml`, and `pools/NAME.json` where the plan needs pools.

    Raises `Misconfigured` with the place of all that dag-factory cannot say.
    """
    if options.engine_version not in (2, 3):
        raise unknown("version of Airflow", str(options.engine_version), ("2", "3"))
    if options.layout != LAYOUT:
        raise unknown("layout", str(options.layout), [str(LAYOUT)])
    writing = writing_of(plan, options)
    faults: list[tuple[Place, str]] = sorted({*refused(plan, options, gated(plan.steps))})
    if faults:
        raise Misconfigured("\n".join(f"{place} {text}" for place, text in faults))
    text = _yaml(_head(plan), {plan.name: _dag(plan, writing)})
    return {f"dagfactory/{plan.name}.yaml": text, **pools_of(plan)}


def _head(plan: Plan) -> str:
    return (
        "# Made by Sluice from a definition, for dag-factory 1.x. Change that and not this file: it is written anew.\n"
        f"# digest {plan.digest()}, layout {LAYOUT}\n"
    )


def _yaml(head: str, document: Mapping[str, Any]) -> bytes:
    """The text; every `$` stands in double quotes as an escape, since dag-factory expands variables in the file."""
    import yaml

    # The one in C where it is there: five times as fast.
    dumper_class: Any = type("Dumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
    dumper_class.ignore_aliases = lambda *_: True

    def written(dumper: Any, text: str) -> Any:
        style = '"' if "$" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    dumper_class.add_representer(str, written)
    text: str = yaml.dump(document, Dumper=dumper_class, sort_keys=False, allow_unicode=False, width=110)
    return (head + text.replace("$", "\\x24")).encode()


def _dag(plan: Plan, writing: Writing) -> dict[str, Any]:
    schedule = plan.schedule
    found: dict[str, Any] = {"description": plan.description} if plan.description else {}
    found["schedule"] = _schedule(plan, writing.options)
    start = schedule.start if schedule else None
    if schedule and isinstance(schedule.trigger, Once):
        start = schedule.trigger.at
    found["start_date"] = start.isoformat() if start else "2020-01-01T00:00:00+00:00"
    if schedule and schedule.end:
        found["end_date"] = schedule.end.isoformat()
    found["catchup"] = bool(schedule and schedule.catch_up)
    if plan.max_runs is not None:
        found["max_active_runs"] = plan.max_runs
    if plan.max_parallel is not None:
        found["max_active_tasks"] = plan.max_parallel
    if plan.deadline_seconds is not None:
        found["dagrun_timeout"] = _span(plan.deadline_seconds)
    if plan.owners:
        found["default_args"] = {"owner": ", ".join(owner.name for owner in plan.owners)}
    if plan.parameters:
        found["params"] = {one.name: one.default for one in plan.parameters}
    found["tags"] = [tag[:100] for tag in ("sluice", plan.domain) if tag]
    found["doc_md"] = about(plan)
    found["tasks"] = [_task(step, writing) for step in plan.steps]
    return found


def _span(seconds: float) -> dict[str, Any]:
    return {"__type__": "datetime.timedelta", "seconds": seconds}


def _schedule(plan: Plan, options: Options) -> Any:
    if plan.schedule is None:
        return None
    zone = plan.schedule.timezone
    timetables = "airflow.sdk" if options.engine_version == 3 else "airflow.timetables.trigger"
    match plan.schedule.trigger:
        case Cron(expression):
            return {
                "__type__": f"{timetables}.CronTriggerTimetable",
                "__args__": [expression],
                "timezone": zone,
            }
        case Rate(seconds):
            return {"__type__": f"{timetables}.DeltaTriggerTimetable", "__args__": [_span(seconds)]}
        case Once():
            return "@once"
        case Event(name) if (
            options.engine_version == 2
        ):  # where dag-factory leaves URLs in a list as they are
            return {"__type__": "airflow.datasets.Dataset", "uri": asset_url(name)}
        case Event(name):
            return [asset_url(name)]


def _task(step: Step, writing: Writing) -> dict[str, Any]:
    found: dict[str, Any] = {"task_id": writing.tasks[step.name], **_work(step, writing)}
    if step.description:
        found["doc_md"] = step.description
    if step.needs:
        found["dependencies"] = [writing.tasks[edge.source] for edge in step.needs]
    if step.pool:
        found["pool"] = pool_name(writing, step.pool)
    found.update(_attempts(step))
    if step.name == writing.last:
        found["outlets"] = [asset_url(f"pipeline:{writing.plan.name}")]
    return found


def _attempts(step: Step) -> Iterator[tuple[str, Any]]:
    retry = step.retry
    if retry.count:
        yield "retries", retry.count
        yield "retry_delay", _span(retry.delay_after(1))
        if retry.count > 1 and retry.backoff != 1:
            yield "retry_exponential_backoff", True if retry.backoff == 2 else retry.backoff
            yield "max_retry_delay", _span(retry.max_delay_seconds)
    if step.timeout_seconds is not None:
        yield "execution_timeout", _span(step.timeout_seconds)


def _work(step: Step, writing: Writing) -> dict[str, Any]:
    match step.work:
        case Wait(seconds=float() | int() as seconds):
            return {"operator": f"{_STANDARD}.bash.BashOperator", "bash_command": f"sleep {seconds:g}"}
        case SubPipeline(pipeline, parameters, wait):
            found = {
                "operator": f"{_STANDARD}.trigger_dagrun.TriggerDagRunOperator",
                "trigger_dag_id": pipeline,
            }
            found |= {"conf": jinja_json(parameters, writing)}
            return found | ({"wait_for_completion": True, "deferrable": True} if wait else {})
    given = document_of(step, writing)
    if writing.options.local:
        env = {"SLUICE_STEP": given}
        return {
            "operator": f"{_STANDARD}.bash.BashOperator", "bash_command": _COMMAND, "env": env, "append_env": True,
        }  # fmt: skip
    return {
        "operator": _LAMBDA,
        "function_name": f"{writing.options.app}-step",
        "payload": given,
        "botocore_config": {"read_timeout": 905, "retries": {"total_max_attempts": 1}},
    }


DAGFACTORY = Target(TargetName.DAGFACTORY, compile_dagfactory, FEATURES, version=2)
