"""What a step of a YAML definition may say: one model per `type`, and what all of them share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from shared.common.errors import Misconfigured
from shared.pipelines.step import Method
from shared.pipelines.work import JobService, Store, Write
from shared.pipelines.written import ConditionText, Free, PipelineName, Seconds, StepName, Text, Written


class RefSpec(Written):
    """A place that data comes from or goes to. `table` is another word for `table_name`."""

    name: Text
    type: Store
    path: str = Field("", examples=["s3://lake/raw/orders/"])
    url: str = Field("", examples=["https://api.acme.com/v1"])
    host: str = ""
    port: int | None = Field(None, ge=1, le=65535)
    database: str = ""
    schema_: str = Field("", alias="schema")
    table_name: str = Field("", examples=["analytics.orders"])
    table: str = Field("", description="The same as table_name.")
    query: str = ""
    stream: str = ""
    secret: str = Field(
        "", description="Name of the secret that holds the credentials; never the credentials."
    )
    format: str = ""
    warehouse: str = ""
    role: str = ""
    account: str = ""
    region: str = ""
    primary_key: tuple[Text, ...] = ()
    cursor_field: str = ""

    @model_validator(mode="after")
    def _one_table(self) -> RefSpec:
        if self.table and self.table_name:
            raise ValueError("`table` and `table_name` are the same: give one of them")
        return self


class TargetSpec(Written):
    """Who is told."""

    method: Method
    recipients: tuple[Text, ...] = Field((), examples=[["oncall@example.com"]])
    channel: str = Field("", examples=["#data"])

    @model_validator(mode="after")
    def _complete(self) -> TargetSpec:
        match self.method:
            case Method.SLACK if not (self.channel or self.recipients):
                raise ValueError('slack needs a channel, such as "#data"')
            case Method.EMAIL if not self.recipients:
                raise ValueError("email needs recipients")
            case Method.WEBHOOK if not self.recipients:
                raise ValueError("webhook needs recipients, which are URLs")
        if self.method is not Method.SLACK and self.channel:
            raise ValueError("only slack has a channel")
        for one in self.recipients:
            if self.method is Method.WEBHOOK and not one.startswith(("https://", "http://")):
                raise Misconfigured(f'"{one[:80]}" is no URL', hint="such as https://hooks.example.com/done")
            if self.method is Method.EMAIL and "@" not in one:
                raise Misconfigured(f'"{one[:80]}" is no address', hint="such as oncall@example.com")
        return self


class NotificationSpec(Written):
    on_success: tuple[TargetSpec, ...] = ()
    on_failure: tuple[TargetSpec, ...] = ()


class RetrySpec(Written):
    """How often a failed step is tried again, and how long to wait before."""

    count: int = Field(ge=0, le=100, description="Attempts after the first one.")
    delay: Seconds = 30.0
    backoff: float = Field(2.0, ge=1, le=100, description="Each wait is so many times the one before.")
    max_delay: Seconds = 3600.0


class Common(Written):
    """What every step may say."""

    name: StepName = Field(description="Unique in the definition, steps inside a foreach included.")
    description: str = ""
    depends_on: tuple[str, ...] = Field((), description="Steps that must have ended before this one starts.")
    notifications: NotificationSpec = NotificationSpec()


class Conditional(Common):
    """A step that a condition can take out. The steps behind it run all the same."""

    condition: ConditionText | None = Field(
        None, description="The step is passed over when this is false; the steps behind it run all the same."
    )


class Tolerable(Conditional):
    continue_if_fail: bool = Field(
        False,
        description="The steps behind this one run even if it fails; the run is reported as failed at its end.",
    )


def _not_less_than_none(value: int | RetrySpec) -> int | RetrySpec:
    if isinstance(value, int) and not 0 <= value <= 100:
        raise ValueError("0 to 100 retries")
    return value


Retries = Annotated[
    int | RetrySpec,
    AfterValidator(_not_less_than_none),
    Field(description="Attempts after the first one, or count, delay and backoff."),
]
Timeout = Annotated[Seconds | None, Field(description="How long one attempt may take.")]
PoolName = Annotated[str, Field(description="A pool of the pipeline; the step takes one of its places.")]


class Attempted(Tolerable):
    """A step that does work, which can fail, take too long, and be tried again."""

    retries: Retries = 0
    timeout: Timeout = None
    pool: PoolName = ""


class IngestionSpec(Attempted):
    """Bring data from a source, or from `inputs`, to the landing zone and into the warehouse."""

    type: Literal["ingestion"]
    source: str = Field("", description="A source of src/<source>/source.yml.", examples=["recurly"])
    streams: tuple[Text, ...] = ()
    full_refresh: bool = False
    load: bool = Field(True, description="false: only land the data.")
    inputs: tuple[RefSpec, ...] = ()
    outputs: tuple[RefSpec, ...] = ()
    config: Free = Field({}, description="Settings of the source by their path, for this step.")

    @model_validator(mode="after")
    def _one_origin(self) -> IngestionSpec:
        if bool(self.source) == bool(self.inputs):
            raise ValueError("an ingestion needs a `source`, or `inputs`, and not both")
        if self.streams and not self.source:
            raise ValueError("`streams` are those of a `source`; an input names its own table or stream")
        return self


class LoadSpec(Attempted):
    """Bring what has landed of a source into its tables."""

    type: Literal["load"]
    source: Text
    streams: tuple[Text, ...] = ()
    config: Free = Field({})


class TransformationSpec(Attempted):
    """Run SQL in the warehouse; with an output that has a table, its rows become that table's."""

    type: Literal["transformation"]
    transformation_query: str | None = Field(None, min_length=1, examples=["select * from raw"])
    transformation_file: str | None = Field(None, min_length=1, examples=["sql/orders.sql"])
    write: Write = Field(Write.REPLACE, description="What becomes of the rows that the output has already.")
    inputs: tuple[RefSpec, ...] = ()
    outputs: tuple[RefSpec, ...] = ()
    config: Free = Field({})

    @model_validator(mode="after")
    def _one_query(self) -> TransformationSpec:
        if (self.transformation_query is None) == (self.transformation_file is None):
            raise ValueError("a transformation needs `transformation_query` or `transformation_file`")
        return self


class CheckSpec(Attempted):
    """Fail unless data is as promised: the checks of a source, or a query that finds what is wrong."""

    type: Literal["check"]
    source: str = ""
    streams: tuple[Text, ...] = ()
    query: str | None = Field(None, min_length=1, examples=["select id from orders where amount < 0"])
    query_file: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_question(self) -> CheckSpec:
        if sum([bool(self.source), self.query is not None, self.query_file is not None]) != 1:
            raise ValueError("a check needs one of `source`, `query` and `query_file`")
        if self.streams and not self.source:
            raise ValueError("`streams` are those of a `source`")
        return self


class CallSpec(Attempted):
    """Send an HTTP request."""

    type: Literal["call"]
    url: Text
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field({})
    query: Free = Field({})
    body: Any = None
    expect: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(
        (), description="Good statuses; else 200 to 299."
    )


class LambdaSpec(Attempted):
    """Invoke a function of AWS Lambda and wait for its answer."""

    type: Literal["lambda"]
    function: Text
    payload: Any = Field({})


class ContainerSpec(Attempted):
    """Run a container to its end."""

    type: Literal["container"]
    image: Text
    command: tuple[str, ...] = ()
    environment: dict[str, str] = Field({})
    cpu: float | None = Field(None, gt=0, le=192)
    memory: int | None = Field(None, ge=4, description="MiB")


class JobSpec(Attempted):
    """Start a job, ask for its state until it ends."""

    type: Literal["job"]
    service: JobService
    job: str = Field(
        "", description="Name of the job at its service (template, workflow, crawler, task definition)."
    )
    function: str = Field("", description="service function: the executor that starts it, by name or URL.")
    status_function: str = Field("", description="The function that tells its state; else the same.")
    sync: bool = Field(False, description="service function: one call is the whole job.")
    config: Free = Field({}, description="The job's own parameters.")
    input: Any = None
    poll: Seconds = 30.0
    poll_timeout: Seconds | None = Field(
        None, description="How long to ask for its state; then the step fails."
    )
    call_timeout: Seconds | None = None

    @model_validator(mode="after")
    def _startable(self) -> JobSpec:
        if self.service is JobService.FUNCTION:
            if not self.function or self.job:
                raise ValueError("a job of a function needs `function`, and no `job`")
            if self.sync and self.status_function:
                raise ValueError("a `sync` job has no `status_function`: its one call is all")
        elif not self.job or self.function or self.status_function or self.sync:
            raise ValueError(
                f"a job of {self.service} needs `job`; `function` and `sync` belong to service function"
            )
        return self


class WaitSpec(Conditional):
    """Let time pass: `duration`, or `until` a time."""

    type: Literal["wait"]
    duration: Seconds | None = None
    until: str | None = Field(None, min_length=1, examples=["2026-12-31T23:00:00Z", "${params.not_before}"])

    @model_validator(mode="after")
    def _one_length(self) -> WaitSpec:
        if (self.duration is None) == (self.until is None):
            raise ValueError("a wait needs `duration` or `until`")
        return self


class BranchSpec(Common):
    """Choose: the steps of `then` run when the condition is true, else those of `else`."""

    type: Literal["branch"]
    condition: ConditionText
    then: tuple[str, ...] = ()
    else_: tuple[str, ...] = Field((), alias="else")

    @model_validator(mode="after")
    def _some_side(self) -> BranchSpec:
        if not self.then and not self.else_:
            raise ValueError("a branch needs steps in `then`, in `else` or in both")
        return self


class ForEachSpec(Tolerable):
    """Do steps once per item of a list."""

    type: Literal["foreach"]
    items: Any = Field(examples=["${steps.list_shops.output.shops}", ["de", "fr"]])
    steps: Steps
    max_parallel: int | None = Field(None, ge=1)

    @field_validator("items")
    @classmethod
    def _a_list(cls, value: Any) -> Any:
        if not isinstance(value, list | str):
            raise ValueError("`items` is a list, or a reference to one: ${steps.NAME.output}")
        return value


class PipelineStepSpec(Attempted):
    """Run another pipeline."""

    type: Literal["pipeline"]
    pipeline: PipelineName
    parameters: Free = Field({})
    wait: bool = Field(True, description="false: only start it.")


StepSpec = Annotated[
    IngestionSpec
    | LoadSpec
    | TransformationSpec
    | CheckSpec
    | CallSpec
    | LambdaSpec
    | ContainerSpec
    | JobSpec
    | WaitSpec
    | BranchSpec
    | ForEachSpec
    | PipelineStepSpec,
    Field(discriminator="type"),
]


def _some(steps: tuple[StepSpec, ...]) -> tuple[StepSpec, ...]:
    if not steps:
        raise ValueError("there are no steps: write at least one")
    return steps


Steps = Annotated[tuple[StepSpec, ...], AfterValidator(_some)]
