"""What a `source.yml` may say: the models of a source, its streams and its reports.

The models are the objects: they are frozen, refuse unknown keys and carry the behaviour that follows from them.
Names are the field's own: `primary_key`, `cursor_field`, `write_disposition`, `records`, `pagination`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from shared.common.cron import schedule_expressions
from shared.common.instants import parse_duration, parse_instant
from shared.common.masks import Mask
from shared.contracts.contract import Contract
from shared.ingestion.drift_mode import ContractMode
from shared.ingestion.source_name import SourceName
from shared.ingestion.template import placeholders
from shared.ingestion.window import Bounds, TimeFormat
from shared.rest.auth import Auth, NoAuth
from shared.rest.limit import RateLimit
from shared.rest.pagination import Pagination, SinglePage
from shared.rest.retry import Retry

Duration = Annotated[
    timedelta, BeforeValidator(lambda v: v if isinstance(v, timedelta) else parse_duration(v))
]
Instant = Annotated[
    datetime, BeforeValidator(lambda v: v if isinstance(v, datetime) else parse_instant(str(v)))
]


def _schedule(value: str) -> str:
    """Refuse what EventBridge could not be told; the text stays as it is written."""
    schedule_expressions(value)
    return value


Schedule = Annotated[str, AfterValidator(_schedule)]
"""A schedule that EventBridge can be told; raises what is wrong with it."""

Text = Annotated[str, BeforeValidator(lambda v: str(v).lower() if isinstance(v, bool) else str(v))]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


class Model(BaseModel):
    """Base of the documents that people write: frozen, unknown keys refused."""

    # Compiled when first used, so that a Lambda does not pay for models while it imports.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Incremental(Model):
    """How a stream asks only for what is new.

    `since` and `until` name the request parameters for the window's bounds; without `since` the filter is applied to
    the rows that arrive. A window is half-open, [since, until): `bounds` says how the API reads its own parameters and
    what is too much is dropped on arrival, so nothing is lost or doubled at a boundary. The last window ends `lag`
    before now, because rows of the very last moments may still become visible. `look_back` asks again for that much
    before the cursor. `window` cuts the range into pieces, of which `concurrency` are fetched side by side.
    `by: value` is for a cursor that is no time, such as a growing number: `since` then gets the greatest value so far.
    """

    by: Literal["time", "value"] = "time"

    since: str | None = None
    until: str | None = None
    start: Instant | None = None
    bounds: Bounds = Bounds.INCLUSIVE
    format: TimeFormat = TimeFormat.RFC3339
    lag: Duration = timedelta(seconds=60)
    look_back: Duration = timedelta(0)
    window: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    concurrency: int = Field(default=1, ge=1, le=64)
    ascending: bool = True


class Parent(Model):
    """The stream whose records a child stream is asked for, one by one.

    `each` names a list inside the parent's record: one request for each of its items, whose fields are `{each.…}` in
    the path. `include` copies fields of the parent into every child record (`account_id: id`). With `changed_only`
    only parents inside the incremental window are visited.
    """

    stream: Name
    each: str | None = None
    include: dict[str, str] = Field(default_factory=dict)
    changed_only: bool = False


class Follow(Model):
    """Fetch the rest of a list that a record holds only in part: when `when` is true, `path` gives `field` in full."""

    field: str
    when: str
    path: str
    params: dict[str, Text] = Field(default_factory=dict)


class Ignore(Model):
    """An answer that means "nothing here" and is skipped with a warning: a status, an API error name, or both."""

    status: int | None = None
    error: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Ignore:
        if self.status is None and self.error is None:
            raise ValueError("give `status`, `error`, or both")
        return self


class ErrorPaths(Model):
    """Where the API's error body holds the error's name and its message (dotted paths)."""

    type: str = "error.type"
    message: str = "error.message"


class Timeouts(Model):
    """Until a connection stands, between two pieces of an answer, and for an answer as a whole."""

    connect: Duration = timedelta(seconds=10)
    read: Duration = timedelta(seconds=60)
    total: Duration = timedelta(minutes=10)


class Reconcile(Model):
    """The API's own count of a list: `header` of a HEAD request under the same filters."""

    header: str
    without: tuple[str, ...] = ("limit", "cursor")


WriteDisposition = Literal["append", "merge", "replace", "scd2"]
Compatibility = Literal[
    "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE"
]
"""How the versions of a contract must get along (docs/contracts.md)."""


class Stream(Model):
    """One collection of the API and the table that it becomes."""

    path: str
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, Text] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: dict[str, Any] | None = Field(default=None, alias="json")
    records: str = "data"
    single: bool = False
    primary_key: tuple[str, ...] = ()
    cursor_field: str | None = None
    deleted_field: str | None = None
    write_disposition: WriteDisposition | None = None
    incremental: Incremental | None = None
    pagination: Pagination = Field(default_factory=lambda: SinglePage(type="single_page"))
    parent: Parent | None = None
    follow: tuple[Follow, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    reconcile: Reconcile | None = None
    contract: str | dict[str, Any] | None = None
    columns: dict[str, Any] | None = None
    contract_mode: ContractMode = Field(default_factory=ContractMode)
    compatibility: Compatibility = "BACKWARD"
    compatibility_policy: Literal["strict", "lenient"] = "strict"
    checks: tuple[Any, ...] = ()
    max_rejected: float | None = Field(default=None, ge=0, le=1)
    mask: dict[str, Mask] = Field(default_factory=dict)
    map: str | None = None
    format: Literal["jsonl", "csv"] = "jsonl"
    nested: Literal["json", "flatten"] = "json"
    compression: Literal["gzip", "none"] = "gzip"
    part_size: int = Field(default=64 * 1024 * 1024, ge=1)
    commit_every: Duration = timedelta(seconds=60)

    _contract: Contract | None = PrivateAttr(default=None)

    @field_validator("primary_key", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("max_rejected", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        if isinstance(value, str) and value.endswith("%"):
            return float(value[:-1]) / 100
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Stream:
        if self.incremental and not self.cursor_field:
            raise ValueError("`incremental` needs `cursor_field`, the field of a record that it goes by")
        if self.write_disposition in ("merge", "scd2") and not self.primary_key:
            raise ValueError(f"`write_disposition: {self.write_disposition}` needs a `primary_key`")
        if self.nested == "flatten" and self.format != "csv":
            raise ValueError("`nested: flatten` is for `format: csv`; JSON lines keep objects as they are")
        if self.contract is not None and self.columns is not None:
            raise ValueError("give `contract` or `columns`, not both")
        if (
            self.incremental
            and self.incremental.window
            and not (self.incremental.since and self.incremental.until)
        ):
            raise ValueError(
                "`incremental.window` needs both `since` and `until`, the parameters for its bounds"
            )
        return self

    @property
    def disposition(self) -> WriteDisposition:
        """As written; else merge where there is a key, append where only new rows arrive, replace otherwise."""
        if self.write_disposition:
            return self.write_disposition
        if self.primary_key:
            return "merge"
        return "append" if self.incremental else "replace"

    @property
    def rejected_limit(self) -> float:
        """The share of records that may break the contract: as written; else none of a snapshot, half of other rows.

        A snapshot replaces the table, so every record that it lacks would vanish from there.
        """
        if self.max_rejected is not None:
            return self.max_rejected
        return 0.0 if self.disposition == "replace" else 0.5

    @property
    def file_format(self) -> str:
        return self.format + (".gz" if self.compression == "gzip" else "")

    @property
    def loaded_contract(self) -> Contract | None:
        """The contract, once `load_source` has read it."""
        return self._contract

    def placeholders(self) -> tuple[str, ...]:
        return placeholders(self.path)

    def ignores(self, status: int, kind: str) -> bool:
        return any((i.status in (None, status)) and (i.error in (None, kind)) for i in self.ignore)


class DatedFiles(Model):
    """Files that the API publishes per day: a list of dates, for each a list of files with a digest and a link.

    Each file lands in the stream that `stream` (a regular expression with the group `stream`) finds in its name.
    `not_ready` is the status that means "later".
    """

    type: Literal["dated_files"]
    dates_path: str | None = None
    dates: str = "dates"
    files_path: str
    files: str = "files"
    name: str = "name"
    href: str = "href"
    md5: str | None = "md5sum"
    stream: str = r"^(?P<stream>[a-z][a-z0-9_]*?)[_-]?\d{4}-\d{2}-\d{2}"
    prefix: str = "export_"
    days: int = Field(default=7, ge=1)
    not_ready: tuple[int, ...] = (404,)


class Job(Model):
    """An asynchronous report: create it, poll its state, download its result."""

    type: Literal["job"]
    create: dict[str, Any]
    id: str = "id"
    poll_path: str
    state: str = "state"
    done: tuple[str, ...] = ("done", "success", "SUCCESS", "DONE", "COMPLETE", "COMPLETED", "JobComplete")
    running: tuple[str, ...] = ("pending", "running", "queued", "PENDING", "RUNNING", "QUEUED", "InProgress")
    every: Duration = timedelta(seconds=10)
    give_up: Duration = timedelta(hours=1)
    start: Instant | None = None
    result: str | None = None
    result_path: str | None = None
    format: Literal["jsonl", "csv"] = "csv"

    @model_validator(mode="after")
    def _result_somewhere(self) -> Job:
        if (self.result is None) == (self.result_path is None):
            raise ValueError(
                "give `result` (the field of the poll's answer that holds the link) or `result_path`"
            )
        return self


Report = Annotated[DatedFiles | Job, Field(discriminator="type")]


class SourceSpec(Model):
    """A source: where it is, how to sign in, how fast to go, and what it has."""

    type: Literal["rest"] = "rest"
    source: SourceName
    base_url: str
    description: str = ""
    auth: Auth = Field(default_factory=lambda: NoAuth(type="none"))
    headers: dict[str, str] = Field(default_factory=dict)
    rate_limit: RateLimit = Field(default_factory=RateLimit)
    retry: Retry = Field(default_factory=Retry)
    timeouts: Timeouts = Field(default_factory=Timeouts)
    errors: ErrorPaths = Field(default_factory=ErrorPaths)
    contracts: str | None = None
    mask_key: str = "MASK_KEY"
    hooks: str | None = None
    check: str | None = None
    parallel_streams: int = Field(default=4, ge=1, le=64)
    defaults: dict[str, Any] = Field(default_factory=dict)
    streams: dict[Name, Stream] = Field(default_factory=dict)
    reports: dict[Name, Report] = Field(default_factory=dict)
    schedule: Schedule | None = None
    timezone: str = "UTC"
    flexible: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=1))] = timedelta(0)
    fresh_within: Annotated[Duration, Field(ge=timedelta(hours=1), le=timedelta(days=6))] = timedelta(
        hours=26
    )
    memory: int = Field(default=512, ge=128, le=10240)
    timeout: int = Field(default=900, ge=1, le=900)
    reserved_concurrency: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        """Put `defaults` under every stream: what a stream says itself wins, `params` and `headers` are joined."""
        if not isinstance(data, dict) or not isinstance(data.get("defaults"), dict):
            return data
        defaults, streams = data["defaults"], data.get("streams")
        if not isinstance(streams, dict):
            return data
        joined = {n: _joined(defaults, s) if isinstance(s, dict) else s for n, s in streams.items()}
        return {**data, "streams": joined}

    @model_validator(mode="after")
    def _something_to_do(self) -> SourceSpec:
        if not self.streams and not self.reports:
            raise ValueError("a source needs `streams` or `reports`")
        return self


def _joined(defaults: dict[str, Any], stream: dict[str, Any]) -> dict[str, Any]:
    joined = {**defaults, **stream}
    for name in ("params", "headers"):
        if isinstance(defaults.get(name), dict) and isinstance(stream.get(name), dict):
            joined[name] = {k: v for k, v in {**defaults[name], **stream[name]}.items() if v is not None}
    return {name: value for name, value in joined.items() if value is not None or name not in defaults}
