"""What Airflow has of each feature, and by what a generated file does it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.pipelines.targets.target import Feature, Level, Support


def _by(how: str) -> Support:
    return Support(Level.SUPPORTED, how)


def _emulated(how: str) -> Support:
    return Support(Level.EMULATED, how)


def _refused(why: str) -> Support:
    return Support(Level.REFUSED, why)


_OWN = "the function `<app>-step`, or `sluice pipeline step` on the worker"

FEATURES: Mapping[Feature, Support] = {
    Feature.INGESTION: _by(
        "`<app>-<source>-ingest` until it is done, then `<app>-load`; or `sluice pipeline step` on the worker"
    ),
    Feature.INGESTION_REFS: _by(_OWN),
    Feature.LOAD: _by("`<app>-load` until nothing is left, or `sluice pipeline step` on the worker"),
    Feature.TRANSFORMATION: _by(_OWN),
    Feature.CHECK: _by(_OWN),
    Feature.CALL: _by("requests, on the worker"),
    Feature.LAMBDA: _by("the hook of the amazon provider; tried once an attempt"),
    Feature.CONTAINER: _by(
        "KubernetesPodOperator, deferrable; with local commands podman or docker on the worker"
    ),
    Feature.JOB_FUNCTION: _by("called by the protocol; between polls the task is deferred"),
    Feature.JOB_DATAFLOW: _refused("without an executor function (COMPOSER_STEP, or `service: function`)"),
    Feature.JOB_DATAPROC: _refused("without an executor function (COMPOSER_STEP, or `service: function`)"),
    Feature.JOB_DATAFORM: _refused("without an executor function (COMPOSER_STEP, or `service: function`)"),
    Feature.JOB_BIGQUERY: _refused("without an executor function (COMPOSER_STEP, or `service: function`)"),
    Feature.JOB_GLUE: _by(
        "the hook of the amazon provider; config becomes arguments; deferred between polls"
    ),
    Feature.JOB_ECS: _by(
        "the hook of the amazon provider; config is that of RunTask; deferred between polls"
    ),
    Feature.WAIT: _by("a task that is deferred"),
    Feature.WAIT_UNTIL: _by("a task that is deferred"),
    Feature.BRANCH: _emulated(
        "a task that answers true or false; what is behind it decides whether it was reached"
    ),
    Feature.FOREACH: _by(
        "a mapped task group, between a task that finds the items and one that ends it; not nested"
    ),
    Feature.FOREACH_PARALLEL: _by("max_active_tis_per_dagrun for one step, a pool of its own for several"),
    Feature.SUBPIPELINE: _by("TriggerDagRunOperator, deferrable; not inside a foreach"),
    Feature.ONLY_STARTED: _by("TriggerDagRunOperator; not inside a foreach"),
    Feature.DEPENDS_ON: _by("edges between tasks"),
    Feature.LEVELS: _by("edges between tasks"),
    Feature.RETRIES: _emulated(
        "retries; what a longer delay adds to the first is waited for at the beginning of the attempt. For pipelines "
        "and pods Airflow's own backoff, which spreads delays to up to twice as long (in Airflow 2 its factor is 2)"
    ),
    Feature.TIMEOUT: _emulated("a limit in the task, which holds over deferrals as well"),
    Feature.CONTINUE_IF_FAIL: _emulated("steps behind it decide by themselves; the last task fails the run"),
    Feature.CONDITION: _emulated("the task decides, and is skipped; steps behind it run all the same"),
    Feature.PARAMETERS: _by("params"),
    Feature.DATA: _by("XCom"),
    Feature.RUN_FIELDS: _by("run id, and logical date or the time after which the run was made"),
    Feature.SECRETS: _by("Variables, from the secrets backend of the installation"),
    Feature.NOTIFY_SLACK: _by("a call back, with the slack provider and the connection slack_api_default"),
    Feature.NOTIFY_EMAIL: _by("a call back, with the smtp provider and the connection smtp_default"),
    Feature.NOTIFY_WEBHOOK: _by("a call back"),
    Feature.POOLS: _by("pools NAME.POOL, in pools/NAME.json for `airflow pools import`; over all runs"),
    Feature.MAX_PARALLEL: _by(
        "max_active_tasks; tasks are not deferred then. Airflow 2 counts over all runs"
    ),
    Feature.MAX_RUNS: _by("max_active_runs; without a limit the one of the installation"),
    Feature.CRON: _by("CronTriggerTimetable"),
    Feature.RATE: _by("DeltaTriggerTimetable, from the schedule's start or 2020-01-01"),
    Feature.ONCE: _by("@once, from that instant on"),
    Feature.EVENT: _by(
        "an asset (a dataset in Airflow 2), which a pipeline updates, or whoever raises the event"
    ),
    Feature.TIME_ZONE: _by("of the timetable"),
    Feature.CATCH_UP: _by("catchup; needs a start"),
    Feature.BOUNDS: _by("start_date and end_date"),
    Feature.DEADLINE: _by("dagrun_timeout"),
    Feature.OWNERS: _by("owner, tags, description and doc_md"),
    Feature.RESOURCES: _by("shown in doc_md; workers are the installation's"),
}
