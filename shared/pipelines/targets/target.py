"""What every target is: how it is asked, what it gives, and what it says of each feature.

A target makes artifacts of a plan, or refuses it with the place of every step that it cannot express. The same plan and
options are the same bytes, on any machine. What a feature means is said once for all: docs/decisions/0007-plan.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.pipelines.plan import Plan
from shared.pipelines.platform import Platform

LAYOUT = 1
"""The newest layout of artifacts. An older one stays until `--layout` asks for another, so that a new release of the
compilers does not rewrite every artifact at once."""


class TargetName(StrEnum):
    """The engines by the word of the command line."""

    AIRFLOW = "airflow"
    STEPFUNCTIONS = "stepfunctions"
    WORKFLOWS = "workflows"
    DAGFACTORY = "dagfactory"
    MERMAID = "mermaid"


@dataclass(frozen=True, slots=True)
class Options:
    """What a compilation is told besides the plan.

    `platform`: the parameters file of the LEVEL form. `engine_version`: of Airflow, 3 or 2. `local`: steps of this
    product run its command line where the engine is, instead of invoking its Lambda functions. `app`: name of the
    installation, the beginning of the names of its functions (`<app>-<source>-ingest`, `<app>-load`, `<app>-step`).
    """

    platform: Platform = field(default_factory=Platform)
    engine_version: int = 3
    layout: int = LAYOUT
    local: bool = False
    app: str = "sluice"


class Level(StrEnum):
    """How a target has a feature."""

    SUPPORTED = "supported"  # the engine itself has it
    EMULATED = "emulated"  # the artifact does it with other means of the engine
    REFUSED = "refused"  # a plan that uses it is not compiled


@dataclass(frozen=True, slots=True)
class Support:
    """How a target has a feature, and by what, or why not: one sentence for the table in docs/targets.md."""

    level: Level
    how: str


class Feature(StrEnum):
    """What a definition can ask for; every target says something of each."""

    INGESTION = "ingestion of a source"
    INGESTION_REFS = "ingestion by inputs and outputs"
    LOAD = "load"
    TRANSFORMATION = "transformation"
    CHECK = "check"
    CALL = "call"
    LAMBDA = "lambda"
    CONTAINER = "container"
    JOB_FUNCTION = "job of an executor function"
    JOB_DATAFLOW = "job of Dataflow"
    JOB_DATAPROC = "job of Dataproc"
    JOB_DATAFORM = "job of Dataform"
    JOB_BIGQUERY = "job of BigQuery"
    JOB_GLUE = "job of Glue"
    JOB_ECS = "job of ECS"
    WAIT = "wait for seconds"
    WAIT_UNTIL = "wait until an instant"
    BRANCH = "branch"
    FOREACH = "foreach"
    FOREACH_PARALLEL = "max_parallel of a foreach"
    SUBPIPELINE = "pipeline"
    ONLY_STARTED = "pipeline that is only started"
    DEPENDS_ON = "depends_on"
    LEVELS = "levels and threads"
    RETRIES = "retries with backoff"
    TIMEOUT = "timeout of an attempt"
    CONTINUE_IF_FAIL = "continue_if_fail"
    CONDITION = "condition of a step"
    PARAMETERS = "parameters"
    DATA = "data from an earlier step"
    RUN_FIELDS = "run.id, run.date, run.time, run.pipeline"
    SECRETS = "secrets"
    NOTIFY_SLACK = "notification by Slack"
    NOTIFY_EMAIL = "notification by e-mail"
    NOTIFY_WEBHOOK = "notification by webhook"
    POOLS = "pools"
    MAX_PARALLEL = "max_parallel of a run"
    MAX_RUNS = "max_runs"
    CRON = "schedule by cron"
    RATE = "schedule by rate"
    ONCE = "schedule once"
    EVENT = "schedule by event"
    TIME_ZONE = "time zone of the schedule"
    CATCH_UP = "catch-up"
    BOUNDS = "start and end of a schedule"
    DEADLINE = "deadline of a run"
    OWNERS = "owners, domain, description, version"
    RESOURCES = "resources"


def says_who_made_it(content: bytes) -> bool:
    """Whether an artifact says in its first lines that Sluice has made it; not every format has a place for that."""
    return b"ade by sluice" in content[:200].lower()


@dataclass(frozen=True, slots=True)
class Target:
    """An engine that plans are compiled for.

    `compile` gives the artifacts by path (relative, with `/`); it raises `Misconfigured` with one line per fault,
    `file:line:column what cannot be expressed; what would be right`. `features` has every `Feature`. `version` grows
    with every change of what the target writes: who keeps artifacts compiles them anew then.
    """

    name: TargetName
    compile: Callable[[Plan, Options], Mapping[str, bytes]]
    features: Mapping[Feature, Support]
    version: int = 1
