"""Opens what the settings name: landing zone, warehouse, telemetry. Adapters are imported when they are chosen."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from shared.common.clock import SystemClock
from shared.common.errors import Misconfigured, unknown
from shared.common.ports import Clock, ObjectStore, Secrets
from shared.common.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.telemetry.handler import Telemetry
    from shared.warehouse.ports import TableSpec, Warehouse
    from src.config import Settings


def open_store(url: str, *, clock: Clock | None = None) -> ObjectStore:
    """The object store at `file:///folder` or `s3://bucket/prefix`. Raises `Misconfigured` for any other URL."""
    parts = urlsplit(url)
    match parts.scheme:
        case "file":
            from shared.landing.folder import FolderStore

            return FolderStore(Path(unquote(parts.path)))
        case "s3":
            from shared.aws.s3 import S3Store

            return S3Store(parts.netloc, parts.path.strip("/"), clock=clock or SystemClock())
    raise unknown("kind of landing zone", parts.scheme, ["file", "s3"], setting="LANDING_URL")


def open_warehouse(
    url: str, *, clock: Clock | None = None, secrets: Secrets | None = None, landing: str = ""
) -> Warehouse:
    """The warehouse at `duckdb:///file`, `duckdb:////absolute/file`, `duckdb:///:memory:`, or at a SQLAlchemy URL:
    `postgresql://user:password@host:5432/database`, `mysql://user:password@host:3306` (MariaDB too), or at
    `snowflake://account/database?…`, which needs `secrets` for its key and the URL of the `landing` zone.

    Raises `Misconfigured` for any other URL, which is not shown, as it may hold a password.
    """
    scheme, _, rest = url.partition("://")
    match scheme:
        case "duckdb" if len(rest) > 1 and rest.startswith("/"):
            from shared.warehouse.duckdb_file import DuckDB

            return DuckDB(rest[1:], clock=clock or SystemClock())
        case "duckdb":
            raise Misconfigured(
                "the DuckDB URL names no file",
                hint="write duckdb:///file, or duckdb:////absolute/file",
                setting="WAREHOUSE_URL",
            )
        case "postgresql" | "postgres" | "postgresql+psycopg":
            from shared.warehouse.postgres import postgres

            return postgres(f"postgresql://{rest}")
        case "mysql" | "mariadb" | "mysql+pymysql" | "mariadb+pymysql":
            from shared.warehouse.mysql import mysql

            return mysql(f"mysql://{rest}")
        case "snowflake":
            from shared.warehouse.snowflake_url import parse
            from shared.warehouse.snowflake_warehouse import Snowflake

            return Snowflake(parse(url), secrets=secrets or _no_secrets(), landing=landing)
    known = ["duckdb", "mysql", "postgresql", "snowflake"]
    raise unknown("kind of warehouse", scheme, known, setting="WAREHOUSE_URL")


class ColumnsFor(Protocol):
    """Gives the column of each field, in a table with the columns `there`."""

    def __call__(
        self, fields: Sequence[str], spec: TableSpec, *, there: Iterable[str] = ()
    ) -> dict[str, str]: ...


def column_names(url: str) -> ColumnsFor:
    """What gives the column of each field in the tables of the warehouse at a URL that `open_warehouse` takes."""
    match url.partition("://")[0].partition("+")[0]:
        case "duckdb":
            from shared.warehouse import duckdb_table

            return duckdb_table.columns_for
        case "postgresql" | "postgres":
            from shared.warehouse import postgres_types

            return postgres_types.columns_for
        case "mysql" | "mariadb":
            from shared.warehouse import mysql_types

            return mysql_types.columns_for
    from shared.warehouse import snowflake_table
    from shared.warehouse.ddl import PART
    from shared.warehouse.snowflake_copy import FILE, ROW
    from shared.warehouse.snowflake_stage import PLACE

    return partial(snowflake_table.columns_for, taken=(PART, PLACE, FILE, ROW))


def _no_secrets() -> Secrets:
    from src.secret_layers import LayeredSecrets

    return LayeredSecrets(os.environ, {})


def open_telemetry(
    settings: Settings, *, redactor: Redactor, clock: Clock | None = None, served: str = ""
) -> Telemetry:
    """How this process tells what it does.

    In Lambda: JSON lines and metrics on stdout, and what libraries log in the same form. Elsewhere: readable lines on
    stderr and no metrics; a server, which is looked at later, says by `served` whether its lines are `json` or `text`,
    and they have dates. Alerts go to Slack where SLACK_TOKEN and SLACK_CHANNEL are set, else to the log.
    """
    from shared.telemetry.alerting import LogAlerts, SlackAlerts
    from shared.telemetry.handler import Telemetry
    from shared.telemetry.logging import open_log
    from shared.telemetry.metrics import Metrics, to_stdout

    clock = clock or SystemClock()
    in_lambda = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
    log = open_log(
        settings.app_name,
        redactor=redactor,
        level=settings.log_level,
        as_json=in_lambda or served == "json",
        stream=sys.stdout if in_lambda else sys.stderr,
        libraries=in_lambda or served == "json",
        spread=bool(served),
        dated=bool(served) and not sys.stderr.isatty(),
    )
    metrics = Metrics(settings.app_name, clock=clock, write=to_stdout if in_lambda else None)
    if not (settings.slack_token and settings.slack_channel):
        return Telemetry(log, metrics, LogAlerts(log), redactor)
    slack = SlackAlerts(
        settings.slack_token.get_secret_value(),
        settings.slack_channel,
        log=log,
        redact=redactor.text,
        clock=clock,
        footer=f"{settings.app_name}, {settings.environment}",
        base_url=settings.slack_api_url and settings.slack_api_url.rstrip("/") + "/",
    )
    return Telemetry(log, metrics, slack, redactor)
