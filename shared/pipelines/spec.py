"""What a pipeline definition in YAML may say: the pipeline, its schedule, its steps, its resources."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shared.common.instants import parse_instant
from shared.pipelines.schedule import (
    Event,
    Once,
    Schedule,
    Trigger,
    parse_cron,
    parse_rate,
    parse_timezone,
)
from shared.pipelines.step_specs import NotificationSpec, PoolName, Retries, Steps, Timeout
from shared.pipelines.written import Free, PipelineName, Seconds, Text, Written


def _instant(value: object, info: ValidationInfo) -> datetime:
    return parse_instant(str(value), zone=ZoneInfo(info.data.get("timezone", "UTC")))


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "examples": ["2026-01-01", "2026-01-01T06:00:00Z"]}),
]


class OwnerSpec(Written):
    name: Text
    email: str = ""


class ScheduleSpec(Written):
    """When the pipeline runs."""

    type: Literal["cron", "rate", "once", "event"]
    expression: Text = Field(
        description="cron: five fields; rate: 6 hours; once: a time; "
        "event: s3://bucket/prefix, pipeline:NAME, or a name that somebody raises.",
        examples=["0 3 * * *", "6 hours", "2026-12-31T23:00:00Z", "pipeline:orders_daily"],
    )
    timezone: Annotated[str, AfterValidator(parse_timezone)] = Field("UTC", examples=["Europe/Berlin"])
    catch_up: bool = Field(False, description="Make up for runs that were missed since `start`.")
    start: Instant | None = Field(None, description="The first time of a run; local in `timezone`.")
    end: Instant | None = Field(None, description="The last time of a run; local in `timezone`.")

    @field_validator("expression")
    @classmethod
    def _readable(cls, value: str, info: ValidationInfo) -> str:
        if kind := info.data.get("type"):
            _trigger(kind, value, "UTC")
        return value

    @model_validator(mode="after")
    def _sound(self) -> ScheduleSpec:
        if self.catch_up and self.start is None:
            raise ValueError("`catch_up` needs a `start`: since when?")
        if self.catch_up and self.type in ("once", "event"):
            raise ValueError(f"nothing can be made up for in a schedule of type {self.type}")
        if self.start and self.end and self.end < self.start:
            raise ValueError("`end` lies before `start`")
        return self

    def schedule(self) -> Schedule:
        """The schedule that this says."""
        trigger = _trigger(self.type, self.expression, self.timezone)
        return Schedule(trigger, self.timezone, self.catch_up, self.start, self.end)


def _trigger(kind: str, expression: str, timezone: str) -> Trigger:
    match kind:
        case "cron":
            return parse_cron(expression)
        case "rate":
            return parse_rate(expression)
        case "once":
            return Once(parse_instant(expression, zone=ZoneInfo(timezone)))
    return Event(expression)


class PipelineCommon(Written):
    """What pipelines may have in common: each of these keys may stand in shared defaults."""

    domain: str = ""
    owners: tuple[OwnerSpec, ...] = ()
    schedule: ScheduleSpec | None = None
    parameters: Free = Field({}, description="Parameters of a run with their defaults: ${params.NAME}.")
    notifications: NotificationSpec = NotificationSpec()
    pools: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description="How many steps of each pool may run at once."
    )
    max_parallel: int | None = Field(
        None, ge=1, description="How many steps of a run may be at work at once."
    )
    max_runs: int | None = Field(1, ge=1, description="How many runs may be at work at once.")
    deadline: Seconds | None = Field(None, description="How long a run may take in all.")


class PipelineSpec(PipelineCommon):
    """A pipeline: what it is, when it runs, and its steps."""

    name: PipelineName
    version: str = Field("", examples=["1.0.0"])
    description: str = ""
    steps: Steps


class ResourcesSpec(Written):
    compute_cluster: str = ""
    storage_location: str = ""


class DefinitionSpec(Written):
    """A pipeline definition."""

    pipeline: PipelineSpec
    resources: ResourcesSpec = ResourcesSpec()


class StepDefaultsSpec(Written):
    """What steps say that do not say it themselves, as far as their type has the key."""

    retries: Retries = 0
    timeout: Timeout = None
    pool: PoolName = ""


class DefaultsSpec(Written):
    """Shared defaults, `_defaults.yml`: they hold for the definitions of their folder and of those below it."""

    pipeline: PipelineCommon = PipelineCommon()
    steps: StepDefaultsSpec = StepDefaultsSpec()
    resources: ResourcesSpec = ResourcesSpec()
