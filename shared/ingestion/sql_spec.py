"""What a `source.yml` of `type: sql` may say: the models of a database and of its tables.

What they have in common with an API (`plain`) is what loading, listing and showing look at; it has the same names.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from shared.common.masks import Mask
from shared.ingestion.source_name import SourceName
from shared.ingestion.spec import (
    Compatibility,
    Duration,
    Incremental,
    Model,
    Name,
    Schedule,
    SourceSpec,
    Stream,
    WriteDisposition,
)

KINDS = ("postgresql", "mysql")
"""What a URL may begin with. MariaDB is spoken to as `mysql`, and `mariadb` and `postgres` are understood, too."""

_SPELLINGS = {"postgres": "postgresql", "mariadb": "mysql"}
_TABLE = re.compile(r'("(?:[^"]|"")+"|[^".]+)(?:\.("(?:[^"]|"")+"|[^".]+))?')


class SqlAuth(Model):
    """The names of the secrets that hold user and password; without `password` none is sent."""

    username: str
    password: str | None = None


class SqlIncremental(Model):
    """Read only rows whose `cursor_field` is not below that of the last run.

    `look_back` (a length of time, or a number for a cursor that is one) reads again what lies that close before it,
    for rows of transactions that were still open then. `lag` leaves out the newest rows, by the database's clock.
    """

    look_back: Duration | None = None
    lag: Duration | None = None


class Table(Model):
    """A table or view, and how it is read.

    `leave_out` names columns that are never asked for. `primary_key` is the catalogue's, unless it is given here (as
    it must be for a view). A statement reads `chunk_size` rows; `parallel` readers share the
    key range of a table that is longer than that, by default two where they can share a snapshot.
    """

    table: str
    leave_out: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    cursor_field: str | None = None
    write_disposition: WriteDisposition | None = None
    incremental: SqlIncremental | None = None
    chunk_size: int = Field(default=100_000, ge=1)
    parallel: int | None = Field(default=None, ge=1, le=32)
    not_finite: Literal["null", "quarantine"] = "null"
    contract: str | dict[str, Any] | None = None
    columns: dict[str, Any] | None = None
    compatibility: Compatibility = "BACKWARD"
    compatibility_policy: Literal["strict", "lenient"] = "strict"
    checks: tuple[Any, ...] = ()
    deleted_field: str | None = None
    max_rejected: float | None = Field(default=None, ge=0, le=1)
    mask: dict[str, Mask] = Field(default_factory=dict)
    compression: Literal["gzip", "none"] = "gzip"
    part_size: int = Field(default=64 * 1024 * 1024, ge=1)
    commit_every: Duration = timedelta(seconds=60)

    @field_validator("primary_key", "leave_out", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("max_rejected", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else value

    @field_validator("table")
    @classmethod
    def _is_name(cls, value: str) -> str:
        split_name(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Table:
        if self.cursor_field and self.incremental is None:
            object.__setattr__(self, "incremental", SqlIncremental())
        if self.incremental and not self.cursor_field:
            raise ValueError("`incremental` needs `cursor_field`, the column that it goes by")
        if self.contract is not None and self.columns is not None:
            raise ValueError("give `contract` or `columns`, not both")
        declared = self.contract is not None or self.columns is not None
        if declared and self.incremental and not self.primary_key and self.write_disposition != "append":
            raise ValueError("with a contract of its own the table needs its `primary_key` here, too")
        for name in (*self.primary_key, self.cursor_field):
            if name in self.leave_out:
                raise ValueError(f"`leave_out` has {name}, which the table is read by")
        return self

    @property
    def disposition(self) -> WriteDisposition:
        """As written; else all of it anew each time, or what is new: merged where there is a key (see `with_key`)."""
        if self.write_disposition:
            return self.write_disposition
        if self.incremental is None:
            return "replace"
        return "merge" if self.primary_key else "append"

    def readers(self, kind: str) -> int:
        """How many read the table side by side, in a database of this kind."""
        return self.parallel or (2 if kind == "postgresql" else 1)

    @property
    def file_format(self) -> str:
        return "jsonl.gz" if self.compression == "gzip" else "jsonl"

    def with_key(self, key: tuple[str, ...]) -> Table:
        """The same with the catalogue's primary key, unless the file names one."""
        return self if self.primary_key or not key else self.model_copy(update={"primary_key": key})

    def plain(self) -> Stream:
        """What it has in common with a stream of an API: all that loading and listing look at."""
        shared = {n: getattr(self, n) for n in type(self).model_fields if n in Stream.model_fields}
        incremental = None if self.incremental is None else Incremental(by="value")
        shared |= {"incremental": incremental, "write_disposition": self.disposition, "path": self.table}
        # Not validated a second time: what an API must have, such as a key to merge by, the catalogue may give here.
        return Stream.model_construct(**shared)


class SqlSpec(Model):
    """A database as a source: where it is, who reads, and which tables."""

    type: Literal["sql"]
    source: SourceName
    url: str
    auth: SqlAuth | None = None
    description: str = ""
    statement_timeout: Duration = timedelta(minutes=10)
    consistent: bool = True
    interrupted: Literal["resume", "restart"] = "resume"
    contracts: str | None = None
    mask_key: str = "MASK_KEY"
    parallel_streams: int = Field(default=2, ge=1, le=64)
    defaults: dict[str, Any] = Field(default_factory=dict)
    streams: dict[Name, Table]
    schedule: Schedule | None = None
    timezone: str = "UTC"
    flexible: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(days=1))] = timedelta(0)
    fresh_within: Annotated[Duration, Field(ge=timedelta(hours=1), le=timedelta(days=6))] = timedelta(
        hours=26
    )
    memory: int = Field(default=512, ge=128, le=10240)
    timeout: int = Field(default=900, ge=1, le=900)
    reserved_concurrency: int | None = Field(default=None, ge=1, le=1000)

    @field_validator("url")
    @classmethod
    def _is_database(cls, value: str) -> str:
        parts = urlsplit(value)
        if kind_of(value) not in KINDS or not parts.hostname or len(parts.path) < 2:
            raise ValueError("expected postgresql://host:port/database or mysql://host:port/database")
        named = {name.lower() for name, _ in parse_qsl(parts.query)}
        if "@" in parts.netloc or named & {"user", "username", "password", "passwd"}:
            # Not shown: what stands there may be a real password.
            raise ValueError(
                "user and password do not belong here; write the names of their secrets under `auth`"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: object) -> object:
        """Put `defaults` under every stream; what a stream says itself wins."""
        if not isinstance(data, dict) or not isinstance(data.get("defaults"), dict):
            return data
        streams = data.get("streams")
        if not isinstance(streams, dict):
            return data
        joined = {n: {**data["defaults"], **s} if isinstance(s, dict) else s for n, s in streams.items()}
        return {**data, "streams": joined}

    @model_validator(mode="after")
    def _something_to_do(self) -> SqlSpec:
        if not self.streams:
            raise ValueError("a source needs `streams`")
        if self.kind == "mysql" and self.consistent:
            for name, table in self.streams.items():
                if (table.parallel or 1) > 1:
                    raise ValueError(
                        f"streams.{name}.parallel: MySQL cannot share a snapshot between connections; "
                        "leave `parallel` out, or write `consistent: false` on the source"
                    )
        return self

    @property
    def kind(self) -> str:
        """`postgresql` or `mysql`."""
        return kind_of(self.url)

    def plain(self) -> SourceSpec:
        """What it has in common with an API."""
        shared = {n: getattr(self, n) for n in type(self).model_fields if n in SourceSpec.model_fields}
        shared |= {"base_url": self.url, "streams": {n: table.plain() for n, table in self.streams.items()}}
        return SourceSpec.model_construct(**{n: v for n, v in shared.items() if n not in ("type", "auth")})


def kind_of(url: str) -> str:
    """What a database URL speaks to: the scheme, with its other spellings read as one."""
    scheme = url.partition("://")[0].partition("+")[0].lower()
    return _SPELLINGS.get(scheme, scheme)


def split_name(text: str) -> tuple[str, str]:
    """Schema (empty: the connection's own) and table of `orders`, `public.orders` or `"odd.name"."Orders"`.

    >>> split_name('sales."Order.Lines"')
    ('sales', 'Order.Lines')
    """
    match = _TABLE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is no table: write name or schema.name, odd names in double quotes')
    names = [n[1:-1].replace('""', '"') if n.startswith('"') else n for n in match.groups() if n is not None]
    return ("", names[0]) if len(names) == 1 else (names[0], names[1])
