"""What Step Functions makes of each feature, for the table in docs/targets.md."""

from __future__ import annotations

from shared.pipelines.targets.target import Feature, Level, Support

_S, _E, _R = Level.SUPPORTED, Level.EMULATED, Level.REFUSED
_STEP = "the product's function `<app>-step` does it"

FEATURES: dict[Feature, Support] = {
    Feature.INGESTION: Support(_S, "`<app>-<source>-ingest` until it is done, then `<app>-load`"),
    Feature.INGESTION_REFS: Support(_E, _STEP),
    Feature.LOAD: Support(_S, "`<app>-load` until nothing is left"),
    Feature.TRANSFORMATION: Support(_E, _STEP),
    Feature.CHECK: Support(_E, _STEP),
    Feature.CALL: Support(_E, f"{_STEP}, so that secrets stay out of the history"),
    Feature.LAMBDA: Support(_S, "`lambda:invoke`"),
    Feature.CONTAINER: Support(_R, "task definitions run, not images: a job of service `ecs`"),
    Feature.JOB_FUNCTION: Support(
        _E,
        "Lambda functions by the protocol, a loop of Wait and Choice; no URLs. Asked less often where all that may be "
        "asked until `poll_timeout` (else a day) does not fit into one history",
    ),
    Feature.JOB_DATAFLOW: Support(_R, "a service of Google: compile for workflows or airflow"),
    Feature.JOB_DATAPROC: Support(_R, "a service of Google: compile for workflows or airflow"),
    Feature.JOB_DATAFORM: Support(_R, "a service of Google: compile for workflows or airflow"),
    Feature.JOB_BIGQUERY: Support(_R, "a service of Google: compile for workflows or airflow"),
    Feature.JOB_GLUE: Support(_S, "`glue:startJobRun.sync`, config as its arguments"),
    Feature.JOB_ECS: Support(_S, "`ecs:runTask.sync`, config as its parameters"),
    Feature.WAIT: Support(_S, "Wait, whole seconds, a year at most"),
    Feature.WAIT_UNTIL: Support(_S, "Wait; an instant from data needs its time and offset"),
    Feature.BRANCH: Support(_S, "Choice, and a gate before what is on a side"),
    Feature.FOREACH: Support(_S, "an inline Map"),
    Feature.FOREACH_PARALLEL: Support(_S, "`MaxConcurrency`; more than 40 is refused"),
    Feature.SUBPIPELINE: Support(_S, "`states:startExecution.sync:2`"),
    Feature.ONLY_STARTED: Support(_S, "`states:startExecution`"),
    Feature.DEPENDS_ON: Support(_E, "nested Parallel; a graph that is no nesting is cut into layers"),
    Feature.LEVELS: Support(_S, "Parallel, one branch per thread"),
    Feature.RETRIES: Support(_S, "Retry, whole seconds, one at least"),
    Feature.TIMEOUT: Support(
        _S, "`TimeoutSeconds`; for ingestion and jobs, of each call, and as many calls as fit"
    ),
    Feature.CONTINUE_IF_FAIL: Support(_E, "Catch, and a record that the machine fails by at its end"),
    Feature.CONDITION: Support(_S, "Choice"),
    Feature.PARAMETERS: Support(_S, "the input `params`, merged over the defaults"),
    Feature.DATA: Support(_S, "values that are read are copied from the output; 256 KiB in all"),
    Feature.RUN_FIELDS: Support(
        _E, "the context object; for the day in another zone than UTC `<app>-step` is asked"
    ),
    Feature.SECRETS: Support(_E, "names go to `<app>-step`, which looks them up"),
    Feature.NOTIFY_SLACK: Support(_E, _STEP),
    Feature.NOTIFY_EMAIL: Support(_S, "SES, from the first owner's address"),
    Feature.NOTIFY_WEBHOOK: Support(_E, _STEP),
    Feature.POOLS: Support(_E, "lanes: steps of a pool one behind the other"),
    Feature.MAX_PARALLEL: Support(_E, "lanes: so many branches of a Parallel"),
    Feature.MAX_RUNS: Support(_E, "an execution waits until it is one of the oldest that run"),
    Feature.CRON: Support(_S, "EventBridge Scheduler; two schedules where both kinds of days are given"),
    Feature.RATE: Support(_S, "EventBridge Scheduler"),
    Feature.ONCE: Support(_S, "EventBridge Scheduler"),
    Feature.EVENT: Support(_S, "a rule of EventBridge"),
    Feature.TIME_ZONE: Support(_S, "`ScheduleExpressionTimezone`"),
    Feature.CATCH_UP: Support(_R, "EventBridge Scheduler does not make up for missed runs"),
    Feature.BOUNDS: Support(_S, "`StartDate` and `EndDate`"),
    Feature.DEADLINE: Support(_S, "`TimeoutSeconds`; refused together with `on_failure` of the pipeline"),
    Feature.OWNERS: Support(
        _E,
        "name, version and digest in the comment, domain and owner as tags, the description of the template",
    ),
    Feature.RESOURCES: Support(_E, "`compute_cluster` is the cluster of jobs of ECS; both are tags"),
}
