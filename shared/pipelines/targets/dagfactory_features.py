"""What dag-factory has of each feature."""

from __future__ import annotations

from collections.abc import Mapping

from shared.pipelines.targets.airflow_features import FEATURES as AIRFLOW
from shared.pipelines.targets.target import Feature, Level, Support

_WHOLE = Support(
    Level.EMULATED, "one call of `<app>-step` (at most 15 minutes), or `sluice pipeline step` on the worker"
)
_CODE = Support(Level.REFUSED, "needs code, which YAML has not; compile for airflow")
_SERVICE = Support(Level.REFUSED, "without an executor function; compile for airflow")

FEATURES: Mapping[Feature, Support] = {
    **AIRFLOW,
    **dict.fromkeys(
        (
            Feature.INGESTION,
            Feature.INGESTION_REFS,
            Feature.LOAD,
            Feature.TRANSFORMATION,
            Feature.CHECK,
            Feature.CALL,
            Feature.LAMBDA,
            Feature.JOB_FUNCTION,
        ),
        _WHOLE,
    ),
    **dict.fromkeys(
        (
            Feature.BRANCH,
            Feature.FOREACH,
            Feature.FOREACH_PARALLEL,
            Feature.CONDITION,
            Feature.CONTINUE_IF_FAIL,
            Feature.WAIT_UNTIL,
            Feature.NOTIFY_SLACK,
            Feature.NOTIFY_EMAIL,
            Feature.NOTIFY_WEBHOOK,
        ),
        _CODE,
    ),
    Feature.JOB_GLUE: _SERVICE,
    Feature.JOB_ECS: _SERVICE,
    Feature.CONTAINER: Support(
        Level.EMULATED, "`sluice pipeline step` on the worker; refused without local commands"
    ),
    Feature.WAIT: Support(Level.EMULATED, "a task that sleeps"),
    Feature.SUBPIPELINE: Support(Level.SUPPORTED, "TriggerDagRunOperator; its parameters are whole values"),
    Feature.ONLY_STARTED: Support(Level.SUPPORTED, "TriggerDagRunOperator; its parameters are whole values"),
    Feature.RETRIES: Support(
        Level.EMULATED, "retries; delays that grow are spread by Airflow to up to twice as long"
    ),
    Feature.TIMEOUT: Support(Level.SUPPORTED, "execution_timeout"),
    Feature.PARAMETERS: Support(Level.SUPPORTED, "params, by Jinja"),
    Feature.DATA: Support(Level.SUPPORTED, "XCom, by Jinja"),
    Feature.SECRETS: Support(Level.SUPPORTED, "names go to the product, which looks them up"),
    Feature.MAX_PARALLEL: Support(Level.SUPPORTED, "max_active_tasks. Airflow 2 counts over all runs"),
}
