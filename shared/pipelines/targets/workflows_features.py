"""What Google Cloud Workflows makes of each feature, for the table in docs/targets.md."""

from __future__ import annotations

from shared.pipelines.targets.target import Feature, Level, Support

_S, _E, _R = Level.SUPPORTED, Level.EMULATED, Level.REFUSED
_STEP = "the product's function `<app>-step` on the platform does it, in one call of half an hour at most"
_EXECUTOR = "an executor function by the protocol: that of `COMPOSER_STEP`, else `{}-executor`"
_AWS = "a service of AWS: compile for stepfunctions or airflow"

FEATURES: dict[Feature, Support] = {
    Feature.INGESTION: Support(_E, _STEP),
    Feature.INGESTION_REFS: Support(_E, _STEP),
    Feature.LOAD: Support(_E, _STEP),
    Feature.TRANSFORMATION: Support(_E, _STEP),
    Feature.CHECK: Support(_E, _STEP),
    Feature.CALL: Support(_S, "`http.request`"),
    Feature.LAMBDA: Support(_R, "needs a signature of AWS: give it a URL and use type call"),
    Feature.CONTAINER: Support(_R, "no images: a job that an executor function starts"),
    Feature.JOB_FUNCTION: Support(_S, "`http.post` with OIDC, polled until it ends"),
    Feature.JOB_DATAFLOW: Support(_E, _EXECUTOR.format("dataflow")),
    Feature.JOB_DATAPROC: Support(_E, _EXECUTOR.format("dataproc")),
    Feature.JOB_DATAFORM: Support(_E, _EXECUTOR.format("dataform")),
    Feature.JOB_BIGQUERY: Support(_E, _EXECUTOR.format("bigquery")),
    Feature.JOB_GLUE: Support(_R, _AWS),
    Feature.JOB_ECS: Support(_R, _AWS),
    Feature.WAIT: Support(_S, "`sys.sleep`, whole seconds, a year at most"),
    Feature.WAIT_UNTIL: Support(_S, "`sys.sleep_until`"),
    Feature.BRANCH: Support(_S, "switch, and a gate before what is on a side"),
    Feature.FOREACH: Support(_S, "`for`, parallel where two levels of nesting allow it"),
    Feature.FOREACH_PARALLEL: Support(_S, "`concurrency_limit`; more than 20 is refused"),
    Feature.SUBPIPELINE: Support(_S, "the connector of executions"),
    Feature.ONLY_STARTED: Support(_R, "it waits for what it runs: take out `wait: false`"),
    Feature.DEPENDS_ON: Support(_E, "nested parallel; what is no nesting, or deeper than two, waits longer"),
    Feature.LEVELS: Support(_S, "parallel, one branch per thread; more than ten in branches of branches"),
    Feature.RETRIES: Support(_S, "retry, whole seconds, one at least"),
    Feature.TIMEOUT: Support(
        _E, "of the HTTP call, half an hour at most; of jobs, the time that they are asked"
    ),
    Feature.CONTINUE_IF_FAIL: Support(_E, "except, and a state that the run fails by at its end"),
    Feature.CONDITION: Support(_S, "switch"),
    Feature.PARAMETERS: Support(_S, "the argument `params`, or that of LEVEL files"),
    Feature.DATA: Support(_S, "variables; 512 KB in all"),
    Feature.RUN_FIELDS: Support(_S, "the id of the execution, the argument `time` or the start"),
    Feature.SECRETS: Support(_S, "Secret Manager in calls; names go to `<app>-step`"),
    Feature.NOTIFY_SLACK: Support(_R, "use a webhook of Slack"),
    Feature.NOTIFY_EMAIL: Support(_R, "Cloud Workflows sends no mail: use a webhook"),
    Feature.NOTIFY_WEBHOOK: Support(_S, "`http.post`"),
    Feature.POOLS: Support(_E, "lanes: steps of a pool one behind the other"),
    Feature.MAX_PARALLEL: Support(_E, "lanes: so many branches of a parallel"),
    Feature.MAX_RUNS: Support(_E, "a run waits until it is one of the oldest that are active"),
    Feature.CRON: Support(_S, "Cloud Scheduler"),
    Feature.RATE: Support(_S, "Cloud Scheduler, `every N minutes`"),
    Feature.ONCE: Support(_R, "Cloud Scheduler has none"),
    Feature.EVENT: Support(_R, "use Eventarc"),
    Feature.TIME_ZONE: Support(_S, "`timeZone`"),
    Feature.CATCH_UP: Support(_R, "Cloud Scheduler does not make up for missed runs"),
    Feature.BOUNDS: Support(_R, "Cloud Scheduler has no `start` and no `end`"),
    Feature.DEADLINE: Support(
        _E, "nothing is started after it, and the run fails; what is at work has its own limits"
    ),
    Feature.OWNERS: Support(_E, "the variable `about` of each run"),
    Feature.RESOURCES: Support(_E, "shown in the variable `about`; where functions run is the platform's"),
}
