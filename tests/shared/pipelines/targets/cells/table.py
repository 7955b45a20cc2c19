"""The table of tests: what each target must make of the example of each feature, beside what a run of it shows.

A cell that docs/targets.md calls refused is in `REFUSED`. All others compile and, where an engine is here, run:
Step Functions and Workflows by test_cells.py, Airflow and dag-factory by tests/oracle/airflow, but for `NOT_RUN`.
What no run shows is in `READS`.
"""

# ruff: noqa: E501 - a thing that is read is one line

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.pipelines.targets.target import Feature, TargetName
from tests.shared.pipelines.targets.cells.example import Example
from tests.shared.pipelines.targets.cells.flow import FLOW
from tests.shared.pipelines.targets.cells.frame import FRAME
from tests.shared.pipelines.targets.cells.work import WORK

EXAMPLES: Mapping[Feature, Example] = {**WORK, **FLOW, **FRAME}
Cell = tuple[Feature, TargetName]

_A, _S, _W, _D = TargetName.AIRFLOW, TargetName.STEPFUNCTIONS, TargetName.WORKFLOWS, TargetName.DAGFACTORY


@dataclass(frozen=True)
class Refused:
    """Not compiled: what the message says, and some words of the line of the definition that it names."""

    says: str
    at: str = "name: p"


@dataclass(frozen=True)
class Reads:
    """What an artifact says: of JSON and YAML at a path (`*`: at any key), of Python as a part of its text."""

    artifact: str
    path: str
    value: object = None


def _same(cells: tuple[Feature, ...], refused: Refused, name: TargetName) -> dict[Cell, Refused]:
    return {(feature, name): refused for feature in cells}


_GOOGLE = (Feature.JOB_DATAFLOW, Feature.JOB_DATAPROC, Feature.JOB_DATAFORM, Feature.JOB_BIGQUERY)
_AMAZON = (Feature.JOB_GLUE, Feature.JOB_ECS)
_CODE = "needs? code; compile for airflow"

REFUSED: Mapping[Cell, Refused] = {
    **_same(_GOOGLE, Refused("needs an executor function in Airflow; write `service: function`", "type: job"), _A),
    (Feature.CONTAINER, _S): Refused("runs task definitions, not images; make one of acme/train:1", "train"),
    **_same(_GOOGLE, Refused("cannot run a job of .*; compile for workflows or airflow", "type: job"), _S),
    (Feature.CATCH_UP, _S): Refused("does not make up for missed runs; take out `catch_up`", "schedule:"),
    (Feature.LAMBDA, _W): Refused("cannot invoke shrink, .*; give it a URL and use type call", "shrink"),
    (Feature.CONTAINER, _W): Refused("runs no images; let an executor function start acme/train:1", "train"),
    **_same(_AMAZON, Refused("cannot run a job of .*; compile for stepfunctions", "type: job"), _W),
    (Feature.ONLY_STARTED, _W): Refused("waits for what it runs; take out `wait: false`", "name: only"),
    (Feature.NOTIFY_SLACK, _W): Refused("cannot notify by slack; use a webhook", "name: a"),
    (Feature.NOTIFY_EMAIL, _W): Refused("cannot notify by email; use a webhook", "name: a"),
    (Feature.ONCE, _W): Refused("knows cron and rate; start this one by `gcloud workflows run`", "schedule:"),
    (Feature.EVENT, _W): Refused("knows cron and rate; .* or by Eventarc", "schedule:"),
    (Feature.CATCH_UP, _W): Refused("does not make up for missed runs; take out `catch_up`", "schedule:"),
    (Feature.BOUNDS, _W): Refused("has no `start` and no `end`", "schedule:"),
    **_same((*_GOOGLE, *_AMAZON), Refused("a job is one of an executor function here", "type: job"), _D),
    (Feature.BRANCH, _D): Refused(_CODE, "is-big"),
    **_same((Feature.FOREACH, Feature.FOREACH_PARALLEL), Refused(_CODE, "each"), _D),
    **_same((Feature.CONDITION, Feature.CONTINUE_IF_FAIL), Refused(_CODE, "name: a"), _D),
    (Feature.WAIT_UNTIL, _D): Refused("a wait until an instant needs code", "long-ago"),
    **_same((Feature.NOTIFY_SLACK, Feature.NOTIFY_EMAIL, Feature.NOTIFY_WEBHOOK), Refused(_CODE, "name: a"), _D),
}  # fmt: skip

HEAD = "pipeline:\n  name: p\n"
_FAILS = "  notifications: {on_failure: [{method: %s}]}\n"
_STEP = "  steps:\n    - {name: a, type: check, query: one}\n"
_EACH = "  steps:\n    - {name: each, type: foreach, items: [1], max_parallel: 1, steps: [%s, {name: b, type: check, query: one}]}\n"

PARTLY: Mapping[str, tuple[Cell, str, Refused]] = {
    "a container in YAML": (
        (Feature.CONTAINER, _D), "  steps:\n    - {name: a, type: container, image: i}\n",
        Refused("a container is not started from YAML; compile for airflow", "name: a")),
    "a text with references for another pipeline": (
        (Feature.SUBPIPELINE, _D), '  steps:\n    - {name: a, type: pipeline, pipeline: other, parameters: {d: "on ${run.date}"}}\n',
        Refused("whole values only, and no text with references in it; compile for airflow", "name: a")),
    "a foreach in a foreach": (
        (Feature.FOREACH, _A), _EACH % "{name: a, type: foreach, items: [1], steps: [{name: c, type: check, query: one}]}",
        Refused("none that Airflow has; make it a pipeline", "name: a")),
    "a pipeline for each item": (
        (Feature.SUBPIPELINE, _A), _EACH % "{name: a, type: pipeline, pipeline: other}",
        Refused("start it once with the list", "name: a")),
    "a pod for each item": (
        (Feature.CONTAINER, _A), _EACH % "{name: a, type: container, image: i}",
        Refused("give it the list, or use a lambda", "name: a")),
    "a pool beside max_parallel": (
        (Feature.POOLS, _A), "  pools: {db: 1}\n" + _EACH % "{name: a, type: check, query: one, pool: db}",
        Refused("leave one of the two out", "name: a")),
    "a function without a place": (
        (Feature.JOB_FUNCTION, _A), "  steps:\n    - {name: a, type: job, service: function, function: f}\n",
        Refused("give its URL, or --parameters of the platform", "name: a")),
    "a job of Glue with an input": (
        (Feature.JOB_GLUE, _A), '  steps:\n    - {name: a, type: job, service: glue, job: g, input: "${run.id}"}\n',
        Refused("put it into its config", "name: a")),
    "a job of ECS with an input": (
        (Feature.JOB_ECS, _S), '  steps:\n    - {name: a, type: job, service: ecs, job: g, input: "${run.id}"}\n',
        Refused("put it into its config", "name: a")),
    "a URL instead of a function": (
        (Feature.JOB_FUNCTION, _S), '  steps:\n    - {name: a, type: job, service: function, function: "https://x.example.com/f"}\n',
        Refused("invokes functions of Lambda; name one", "name: a")),
    "mail from nobody": (
        (Feature.NOTIFY_EMAIL, _S), _FAILS % 'email, recipients: ["a@example.com"]' + _STEP,
        Refused("give the pipeline an owner with an email", "notifications:")),
    "news of a deadline": (
        (Feature.DEADLINE, _S), "  deadline: 1h\n" + _FAILS % 'webhook, recipients: ["https://x.example.com"]' + _STEP,
        Refused("take out `deadline` or `notifications.on_failure`", "deadline:")),
    "two functions without one between": (
        (Feature.JOB_FUNCTION, _W), "  steps:\n    - {name: a, type: job, service: function, function: f, status_function: g}\n",
        Refused("give --parameters with pFunctionIntermediateName", "name: a")),
}  # fmt: skip
"""Refusals within what is not refused; each is said in docs/targets.md too."""

NOT_RUN: Mapping[Cell, str] = {
    (Feature.SUBPIPELINE, _A): "it waits for a run that only a scheduler starts",
    (Feature.SUBPIPELINE, _D): "it waits for a run that only a scheduler starts",
    (Feature.FOREACH_PARALLEL, _A): "`airflow dags test` does one task after the other",
    **{
        (feature, name): "`airflow dags test` does one task after the other"
        for name in (_A, _D)
        for feature in (Feature.POOLS, Feature.MAX_PARALLEL, Feature.MAX_RUNS)
    },
    (Feature.DEADLINE, _A): "a scheduler ends the run",
    (Feature.DEADLINE, _D): "a scheduler ends the run",
    (Feature.CONTAINER, _A): "a pod needs Kubernetes; by a command of the worker it is run",
}

_DOC = "Resources/Schedule/Properties"
_SCHEDULE = "p.scheduler.json"
_TEMPLATE, _MACHINE, _SOURCE, _DAG, _YAML = (
    "p.template.json", "p.asl.json", "p.workflows.json", "dags/p.py", "dagfactory/p.yaml",
)  # fmt: skip
_KNOWN = {"version": "1.2.3", "domain": "sales"}

READS: Mapping[Cell, tuple[Reads, ...]] = {
    (Feature.CONTAINER, _A): (
        Reads(_DAG, "KubernetesPodOperator("), Reads(_DAG, 'image": "acme/train:1"'),
        Reads(_DAG, 'requests={"cpu": "0.5", "memory": "512Mi"}'),
    ),
    (Feature.SUBPIPELINE, _A): (Reads(_DAG, 'trigger_dag_id="other"'), Reads(_DAG, "wait_for_completion=True")),
    (Feature.SUBPIPELINE, _D): (Reads(_YAML, "p/tasks/0/trigger_dag_id", "other"), Reads(_YAML, "p/tasks/0/wait_for_completion", True)),
    (Feature.FOREACH_PARALLEL, _A): (Reads(_DAG, "max_active_tis_per_dagrun=2"),),
    (Feature.FOREACH_PARALLEL, _W): (Reads(_SOURCE, "*/parallel/concurrency_limit", 2),),
    (Feature.POOLS, _A): (Reads(_DAG, 'pool="p.db"'), Reads("pools/p.json", "p.db/slots", 2)),
    (Feature.POOLS, _D): (Reads(_YAML, "p/tasks/0/pool", "p.db"), Reads("pools/p.json", "p.db/slots", 2)),
    (Feature.POOLS, _W): (Reads(_SOURCE, "*/parallel/branches", 3),),
    (Feature.MAX_PARALLEL, _A): (Reads(_DAG, "max_active_tasks=2"),),
    (Feature.MAX_PARALLEL, _D): (Reads(_YAML, "p/max_active_tasks", 2),),
    (Feature.MAX_PARALLEL, _W): (Reads(_SOURCE, "*/parallel/branches", 2),),
    (Feature.MAX_RUNS, _A): (Reads(_DAG, "max_active_runs=3"),),
    (Feature.MAX_RUNS, _D): (Reads(_YAML, "p/max_active_runs", 3),),
    (Feature.MAX_RUNS, _S): (Reads(_MACHINE, "States/(runs)/ResultSelector/oldest.$", "$.Executions[-3:].ExecutionArn"),),
    (Feature.MAX_RUNS, _W): (Reads(_SOURCE, "main/steps/0/wait_for_turn/args/most", 3),),
    (Feature.CRON, _A): (Reads(_DAG, 'schedule=CronTriggerTimetable("30 2 * * 1-5", timezone="UTC")'),),
    (Feature.CRON, _D): (Reads(_YAML, "p/schedule/__args__/0", "30 2 * * 1-5"),),
    (Feature.CRON, _S): (Reads(_TEMPLATE, f"{_DOC}/ScheduleExpression", "cron(30 2 ? * MON,TUE,WED,THU,FRI *)"),),
    (Feature.CRON, _W): (Reads(_SCHEDULE, "schedule", "30 2 * * 1-5"),),
    (Feature.RATE, _A): (Reads(_DAG, "schedule=DeltaTriggerTimetable(timedelta(minutes=90))"),),
    (Feature.RATE, _D): (Reads(_YAML, "p/schedule/__args__/0/seconds", 5400),),
    (Feature.RATE, _S): (Reads(_TEMPLATE, f"{_DOC}/ScheduleExpression", "rate(90 minutes)"),),
    (Feature.RATE, _W): (Reads(_SCHEDULE, "schedule", "every 90 minutes"),),
    (Feature.ONCE, _A): (Reads(_DAG, 'schedule="@once"'), Reads(_DAG, "start_date=datetime(2031, 1, 1, 6, tzinfo=timezone.utc)")),
    (Feature.ONCE, _D): (Reads(_YAML, "p/schedule", "@once"), Reads(_YAML, "p/start_date", "2031-01-01T06:00:00+00:00")),
    (Feature.ONCE, _S): (Reads(_TEMPLATE, f"{_DOC}/ScheduleExpression", "at(2031-01-01T06:00:00)"),),
    (Feature.EVENT, _A): (Reads(_DAG, 'schedule=[Asset("sluice://pipelines/orders")]'),),
    (Feature.EVENT, _D): (Reads(_YAML, "p/schedule/0", "sluice://pipelines/orders"),),
    (Feature.EVENT, _S): (Reads(_TEMPLATE, "Resources/Rule/Properties/EventPattern/detail", {"status": ["SUCCEEDED"], "stateMachineArn": [{"suffix": ":stateMachine:orders"}]}),),
    (Feature.TIME_ZONE, _A): (Reads(_DAG, 'timezone="Europe/Berlin"'), Reads(_DAG, 'ZONE = "Europe/Berlin"')),
    (Feature.TIME_ZONE, _D): (Reads(_YAML, "p/schedule/timezone", "Europe/Berlin"),),
    (Feature.TIME_ZONE, _S): (Reads(_TEMPLATE, f"{_DOC}/ScheduleExpressionTimezone", "Europe/Berlin"),),
    (Feature.TIME_ZONE, _W): (Reads(_SCHEDULE, "timeZone", "Europe/Berlin"),),
    (Feature.CATCH_UP, _A): (Reads(_DAG, "catchup=True"), Reads(_DAG, "start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)")),
    (Feature.CATCH_UP, _D): (Reads(_YAML, "p/catchup", True), Reads(_YAML, "p/start_date", "2026-01-01T00:00:00+00:00")),
    (Feature.BOUNDS, _A): (Reads(_DAG, "start_date=datetime(2031, 1, 1, tzinfo=timezone.utc)"), Reads(_DAG, "end_date=datetime(2031, 1, 2, 12, tzinfo=timezone.utc)")),
    (Feature.BOUNDS, _D): (Reads(_YAML, "p/start_date", "2031-01-01T00:00:00+00:00"), Reads(_YAML, "p/end_date", "2031-01-02T12:00:00+00:00")),
    (Feature.BOUNDS, _S): (Reads(_TEMPLATE, f"{_DOC}/StartDate", "2031-01-01T00:00:00Z"), Reads(_TEMPLATE, f"{_DOC}/EndDate", "2031-01-02T12:00:00Z")),
    (Feature.DEADLINE, _A): (Reads(_DAG, "dagrun_timeout=timedelta(seconds=2)"),),
    (Feature.DEADLINE, _D): (Reads(_YAML, "p/dagrun_timeout/seconds", 2),),
    (Feature.OWNERS, _A): (
        Reads(_DAG, 'version "1.2.3"'), Reads(_DAG, 'tags=["sluice", "sales"]'), Reads(_DAG, 'description="Orders of the day"'),
        Reads(_DAG, 'default_args={"owner": "data-platform"}'), Reads(_DAG, "* owners: data-platform <data@example.com>"),
    ),
    (Feature.OWNERS, _D): (
        Reads(_YAML, "p/description", "Orders of the day"), Reads(_YAML, "p/tags", ["sluice", "sales"]),
        Reads(_YAML, "p/default_args/owner", "data-platform"), Reads(_YAML, "p/doc_md", "* version: 1.2.3"),
    ),
    (Feature.OWNERS, _S): (
        Reads(_TEMPLATE, "Resources/Machine/Properties/Tags/domain", "sales"), Reads(_TEMPLATE, "Resources/Machine/Properties/Tags/owner", "data-platform"),
        Reads(_MACHINE, "Comment", "p 1.2.3, made by sluice"), Reads(_TEMPLATE, "Description", "Orders of the day"),
    ),
    (Feature.OWNERS, _W): (Reads(_SOURCE, "main/steps/0/about/assign/0/about", {**_KNOWN, "description": "Orders of the day", "owners": "data-platform <data@example.com>"}),),
    (Feature.RESOURCES, _A): (Reads(_DAG, "* runs on: blue"), Reads(_DAG, "* stores in: s3://lake/x/")),
    (Feature.RESOURCES, _D): (Reads(_YAML, "p/doc_md", "* runs on: blue"), Reads(_YAML, "p/doc_md", "* stores in: s3://lake/x/")),
    (Feature.RESOURCES, _S): (Reads(_TEMPLATE, "Resources/Machine/Properties/Tags/compute_cluster", "blue"), Reads(_TEMPLATE, "Resources/Machine/Properties/Tags/storage_location", "s3://lake/x/")),
    (Feature.RESOURCES, _W): (Reads(_SOURCE, "main/steps/0/about/assign/0/about", {"compute_cluster": "blue", "storage_location": "s3://lake/x/"}),),
}  # fmt: skip

LOOKED_AT = (
    Feature.CRON, Feature.RATE, Feature.ONCE, Feature.EVENT, Feature.TIME_ZONE, Feature.CATCH_UP, Feature.BOUNDS,
    Feature.OWNERS, Feature.RESOURCES,
)  # fmt: skip
"""What a run does not show in any engine: each of their cells has something to read."""
