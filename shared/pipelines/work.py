"""What a step does: one class per kind of work, which together with `ForEach` (step.py) are the closed family `Work`.

What each kind's output is (what `${steps.NAME.output}` finds) is part of the promise that every target keeps; it is
said in each class. Times are seconds. Where a field is a `Value` it may hold references; a `str` never does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from shared.pipelines.conditions import Condition
from shared.pipelines.values import ListOf, MapOf, Value


class Kind(StrEnum):
    """The kinds of steps by the word that a definition uses for them."""

    INGESTION = "ingestion"
    LOAD = "load"
    TRANSFORMATION = "transformation"
    CHECK = "check"
    CALL = "call"
    LAMBDA = "lambda"
    CONTAINER = "container"
    JOB = "job"
    WAIT = "wait"
    BRANCH = "branch"
    FOREACH = "foreach"
    PIPELINE = "pipeline"


class Store(StrEnum):
    """The kinds of places that inputs and outputs name."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    SNOWFLAKE = "snowflake"
    DUCKDB = "duckdb"
    BIGQUERY = "bigquery"
    REST = "rest"
    S3 = "s3"
    GCS = "gcs"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Ref:
    """A place that data comes from or goes to. Empty text where a field was not given."""

    name: str
    store: Store
    path: str = ""
    url: str = ""
    host: str = ""
    port: int | None = None
    database: str = ""
    schema: str = ""
    table: str = ""
    query: str = ""
    stream: str = ""
    secret: str = ""  # name of the secret with the credentials, never the credentials
    format: str = ""
    warehouse: str = ""
    role: str = ""
    account: str = ""
    region: str = ""
    primary_key: tuple[str, ...] = ()
    cursor_field: str = ""


@dataclass(frozen=True, slots=True)
class Ingest:
    """Bring data from a source to the landing zone, and on into the warehouse where `load` is true.

    Either `source` names a source (src/<source>/source.yml), or `inputs` say where the data is. `outputs` with a
    table say which table it becomes; without outputs it is the source's own. `config` changes settings of the
    source by their path. Output: what the ingest app answers, `{"source", "run", "done", "streams": {name: {"rows",
    "status", …}}}` and, over all streams, `"rows"`; where it loads also `"loaded"`, the rows that came into tables.
    """

    source: str = ""
    streams: tuple[str, ...] = ()
    full_refresh: bool = False
    load: bool = True
    inputs: tuple[Ref, ...] = ()
    outputs: tuple[Ref, ...] = ()
    config: MapOf = field(default_factory=MapOf)


@dataclass(frozen=True, slots=True)
class Load:
    """Bring what has landed of a source into its tables. Output: `{"source", "rows", "streams": {name:
    {"rows"}}}`.
    """

    source: str
    streams: tuple[str, ...] = ()
    config: MapOf = field(default_factory=MapOf)


class Write(StrEnum):
    """What becomes of the rows that a table has already."""

    REPLACE = "replace"
    APPEND = "append"


@dataclass(frozen=True, slots=True)
class Transform:
    """Run SQL in the warehouse. `sql` is text; references in it are bound as values and never become part of the SQL.

    With an output that has a table, the SQL is one query and its rows go into that table as `write` says, in one
    transaction; otherwise the statements are run. `inputs` are relations that the SQL uses under their names.
    `file` is where the SQL was read from, empty when it is in the definition. Output: `{"rows": number or null}`.
    """

    sql: Value
    file: str = ""
    write: Write = Write.REPLACE
    inputs: tuple[Ref, ...] = ()
    outputs: tuple[Ref, ...] = ()
    config: MapOf = field(default_factory=MapOf)


@dataclass(frozen=True, slots=True)
class Check:
    """Fail unless data is as promised: the checks of a source, or a query that finds what is wrong.

    With `sql`, the check passes when the query has no rows. Output: `{"passed": true, "failed": 0}`; a check that
    does not pass is a failure of the step, and has no output.
    """

    source: str = ""
    streams: tuple[str, ...] = ()
    sql: Value | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request. A status outside of `expect` (empty: 200 to 299) is a failure.

    `body` is sent as JSON, text as it is. Secrets may stand in headers, query and body. Output: `{"status",
    "body"}`; the body is JSON where the answer says that it is, else text.
    """

    method: str
    url: Value
    headers: MapOf = field(default_factory=MapOf)
    query: MapOf = field(default_factory=MapOf)
    body: Value | None = None
    expect: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Lambda:
    """Invoke a function of AWS Lambda and wait for it. Output: what it answers."""

    function: str
    payload: Value = field(default_factory=MapOf)


@dataclass(frozen=True, slots=True)
class Container:
    """Run a container to its end; an exit code other than 0 is a failure. Output: `{"exit_code": 0}`.

    `memory` is MiB, `cpu` virtual CPUs. Secrets may stand in the environment.
    """

    image: str
    command: ListOf = field(default_factory=ListOf)
    environment: MapOf = field(default_factory=MapOf)
    cpu: float | None = None
    memory: int | None = None


class JobService(StrEnum):
    """Who runs a job. FUNCTION: an executor function that starts it and tells its state, by the protocol of
    docs/pipelines.md.
    """

    FUNCTION = "function"
    DATAFLOW = "dataflow"
    DATAPROC = "dataproc"
    DATAFORM = "dataform"
    BIGQUERY = "bigquery"
    GLUE = "glue"
    ECS = "ecs"


SUCCEEDED_STATES = frozenset({"DONE", "SUCCESS", "SUCCEEDED", "JOB_STATE_DONE", "success"})
RUNNING_STATES = frozenset(
    {"PENDING", "RUNNING", "QUEUED", "JOB_STATE_QUEUED", "JOB_STATE_RUNNING", "JOB_STATE_PENDING", "running"}
)
"""States that a job is polled on. Any state in neither set is a failure and ends the polling."""


LONGEST_POLL_SECONDS = 86400.0
"""How long a job is polled at most, where nobody says."""


@dataclass(frozen=True, slots=True)
class Job:
    """Start a job somewhere, ask for its state every `poll_seconds`, end with it.

    FUNCTION: `start` and `status` are functions, by name or URL; without `status` the one call is the whole job (a
    `sync` step) and its answer the output. Other services: `start` is the name of the job there. `executor` is the
    name of the executor that an author of LEVEL files chose for Airflow, empty elsewhere. `properties` override
    those of the run, key by key; `input` is data for the job from an earlier step. `poll_timeout_seconds` bounds
    the polling, `call_timeout_seconds` each call; both None where not given. Output: `{"id", "state"}`, for one
    call the answer.
    """

    service: JobService
    start: str
    status: str | None = None
    executor: str = ""
    properties: MapOf = field(default_factory=MapOf)
    input: Value | None = None
    poll_seconds: float = 30.0
    poll_timeout_seconds: float | None = None
    call_timeout_seconds: float | None = None
    job_name: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass: `seconds`, or until an instant (RFC 3339; one that is over does not wait). Output: null."""

    seconds: float | None = None
    until: Value | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """Choose between two sides; the edges of the plan say which steps are on them. Output: true or false."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class SubPipeline:
    """Run another pipeline, by name, and fail when it fails; with `wait` false only start it. Output:
    `{"run_id"}`.
    """

    pipeline: str
    parameters: MapOf = field(default_factory=MapOf)
    wait: bool = True
