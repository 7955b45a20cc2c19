"""Settings and secrets: environment > `.env` > Secrets Manager > defaults.

With ENVIRONMENT=local everything comes from the environment and `.env`; else the JSON of the secret SECRET_ID stands
behind them. An empty value counts as not set. `python -m src.config > env.example` writes the list of all settings.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.common.clock import SystemClock
from shared.common.errors import Misconfigured
from shared.common.ports import Clock
from shared.common.redaction import Redactor
from src.secret_layers import LayeredSecrets, Manager

DOTENV = Path(".env")
HOME = Path(".sluice")
"""What a run on this machine writes, relative to the current directory."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LANDING = re.compile(r"file:///.+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?")
_SMTP = re.compile(r"smtps?://([^\s@/:]*(:[^\s@/]*)?@)?([^\s@/:]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?/?")
_WAREHOUSE = re.compile(r"[a-z][a-z0-9+]*://.*")


class Environment(StrEnum):
    LOCAL = "local"
    DEV = "dev"
    PROD = "prod"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


def _landing(values: Mapping[str, Any]) -> str:
    bucket = values.get("bucket_name")
    return f"s3://{bucket}" if bucket else (Path.cwd() / HOME / "landing").as_uri()


def _is_mail_server(url: str) -> bool:
    try:
        return _SMTP.fullmatch(url) is not None and urlsplit(url).port != 0
    except ValueError:  # a port beyond 65535
        return False


def _warehouse() -> str:
    return f"duckdb:///{Path.cwd() / HOME / 'warehouse.duckdb'}"


class Settings(BaseSettings):
    """Everything that can be set; a name in the environment is the field's in upper case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_file_encoding="utf-8", env_ignore_empty=True, validate_default=False
    )

    environment: Environment = Field(
        Environment.LOCAL,
        description="Where this runs: local, dev or prod. With local, Secrets Manager is never asked.",
    )
    secret_id: str | None = Field(
        None,
        description="Name or ARN of the Secrets Manager secret whose JSON holds settings and secrets for dev and prod.",
    )
    log_level: LogLevel = Field(
        LogLevel.INFO, description="The least that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    app_name: str = Field("sluice", description="The name of this installation in logs, metrics and alerts.")
    api_endpoint: str | None = Field(
        None, description="Base URL of the source's API, where it is not the one in its source.yml."
    )
    api_key: SecretStr | None = Field(None, description="Secret. The API key of the source.")
    aws_region: str | None = Field(
        None, description="AWS region; by default what boto3 finds, in Lambda its own."
    )
    bucket_name: str | None = Field(None, description="The S3 bucket of the landing zone.")
    slack_token: SecretStr | None = Field(
        None, description="Secret. Bot token (xoxb-…) for alerts; without it alerts are only logged."
    )
    slack_channel: str | None = Field(None, description="The channel that alerts go to, as a name or an id.")
    slack_api_url: str | None = Field(None, description="Slack's API, where a proxy stands before it.")
    smtp_url: SecretStr | None = Field(
        None,
        description="Secret. The mail server for notifications by e-mail: smtp://host:587 (STARTTLS where offered) or "
        "smtps://host:465, with user:password@ before the host where it asks for them.",
    )
    smtp_from: str | None = Field(
        None, description="The sender of those e-mails; by default the user of SMTP_URL."
    )
    landing_url: str = Field(
        default_factory=_landing,
        description="The landing zone: file:///folder or s3://bucket/prefix. "
        "By default s3://BUCKET_NAME, or ./.sluice/landing without a bucket.",
    )
    warehouse_url: str = Field(
        default_factory=_warehouse,
        repr=False,  # it may hold a password
        description="The warehouse: duckdb:///file, duckdb:////absolute/file, "
        "postgresql://user:password@host:5432/database, mysql://user:password@host:3306 (MariaDB too) or "
        "snowflake://account/database?warehouse=W&role=R&user=U. "
        "By default ./.sluice/warehouse.duckdb.",
    )

    backfill_machine: str | None = Field(
        None,
        description="ARN of the state machine that `sluice backfill` starts; {source} stands for the source's name. "
        "Without it windows are worked off on this machine.",
    )

    weave_file: str = Field(
        "weave.yml", description="Which repositories are woven, and where their artifacts go: docs/weave.md."
    )
    weave_queue_url: str | None = Field(
        None, description="URL of the FIFO queue of SQS between the webhook and its worker; in AWS only."
    )
    weave_table: str | None = Field(
        None, description="The DynamoDB table in which the webhook remembers deliveries; in AWS only."
    )

    dispatch_file: str = Field(
        "dispatch.yml", description="The document of the dispatcher in AWS: docs/dispatch.md."
    )
    dispatch_queue_url: str | None = Field(
        None, description="URL of the queue of SQS that the dispatcher's webhooks go into; in AWS only."
    )
    dispatch_table: str | None = Field(
        None, description="The DynamoDB table in which the dispatcher remembers what is done; in AWS only."
    )

    @field_validator("environment", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return {"WARN": "WARNING"}.get(value.upper(), value.upper()) if isinstance(value, str) else value

    @field_validator("bucket_name")
    @classmethod
    def _is_bucket(cls, value: str | None) -> str | None:
        if value is not None and not _BUCKET.fullmatch(value):
            raise ValueError("expected the bare name of a bucket: 3 to 63 of a-z, 0-9, . and -")
        return value

    @field_validator("api_endpoint", "slack_api_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^/\s@]+(/\S*)?", value):
            raise ValueError("expected https://host/path, without a user or password")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_mail_server(value.get_secret_value()):
            raise ValueError(
                "expected smtp://host:port or smtps://host:port, also with user:password@ before the host"
            )
        return value

    @field_validator("smtp_from")
    @classmethod
    def _is_sender(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[^\r\n]*[^\s@<]+@[^\s@>]+>?", value):
            raise ValueError("expected an address, such as sluice@example.com or Sluice <sluice@example.com>")
        return value

    @field_validator("landing_url")
    @classmethod
    def _is_landing(cls, value: str) -> str:
        if not _LANDING.fullmatch(value):
            raise ValueError("expected file:///folder or s3://bucket/prefix")
        return value.rstrip("/")

    @field_validator("warehouse_url")
    @classmethod
    def _is_warehouse(cls, value: str) -> str:
        if not _WAREHOUSE.fullmatch(value):
            raise ValueError(
                "expected duckdb:///file, postgresql:// or mysql:// with user, password and host, or snowflake://"
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments come last: they are what Secrets Manager said, and the environment overrides that."""
        return env_settings, dotenv_settings, init_settings


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings and the secrets of one process."""

    settings: Settings
    secrets: LayeredSecrets


def configure(
    *,
    dotenv: Path = DOTENV,
    clock: Clock | None = None,
    learn: Callable[[str], None] = lambda value: None,
    open_manager: Callable[[str, str | None, Clock], Manager] | None = None,
) -> Configuration:
    """Read the configuration of this process from `os.environ`, the file `dotenv` and Secrets Manager.

    `AWS_*` names of `.env` that the environment lacks are put into it, because boto3 looks for them there. `learn` is
    told every secret. Raises `Misconfigured` with one line per bad setting, and what Secrets Manager raises.
    """
    try:
        written = {n: v for n, v in dotenv_values(dotenv, encoding="utf-8").items() if v}
    except UnicodeDecodeError:
        raise Misconfigured(f"{dotenv} is not UTF-8 text", hint="save the file as UTF-8") from None
    for name, value in written.items():
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)
    settings = _settings({}, dotenv, written)
    manager, without = None, ""
    if settings.environment is Environment.LOCAL:
        without = "and not Secrets Manager, because ENVIRONMENT is local"
    elif settings.secret_id is None:
        without = "and not Secrets Manager, because SECRET_ID is not set"
    else:
        manager = (open_manager or _open_manager)(
            settings.secret_id, settings.aws_region, clock or SystemClock()
        )
        settings = _settings(manager.values(), dotenv, written)
    for secret in (settings.api_key, settings.slack_token):
        if secret is not None:
            learn(secret.get_secret_value())
    mail = settings.smtp_url.get_secret_value() if settings.smtp_url else ""
    for url in (settings.warehouse_url, mail):
        if password := urlsplit(url).password:
            learn(unquote(password))
    return Configuration(
        settings, LayeredSecrets(os.environ, written, manager=manager, without=without, learn=learn)
    )


def _settings(managed: Mapping[str, str], dotenv: Path, written: Mapping[str, str]) -> Settings:
    known = {name.lower(): value for name, value in managed.items() if name.lower() in Settings.model_fields}
    try:
        return Settings(_env_file=dotenv, **known)  # type: ignore[arg-type]  # text, as from every other source
    except ValidationError as error:
        # A default that follows from a setting that is wrong says nothing new.
        lines = [
            _complaint(detail, written)
            for detail in error.errors(include_url=False, include_context=True)
            if detail["type"] != "default_factory_not_called"
        ]
    raise Misconfigured("\n".join(lines), hint="env.example explains all settings")


def _complaint(detail: Mapping[str, Any], written: Mapping[str, str]) -> str:
    name = str(detail["loc"][0])
    variable = name.upper()
    if any(key.upper() == variable and value for key, value in os.environ.items()):
        place = "environment"
    else:
        place = ".env" if any(key.upper() == variable for key in written) else "Secrets Manager"
    hidden = (
        SecretStr in getattr(Settings.model_fields[name].annotation, "__args__", ())
        or name == "warehouse_url"
    )
    shown = "" if hidden else f' is "{Redactor().text(str(detail["input"]))[:80]}"'
    reason = detail.get("ctx", {}).get("error") or detail.get("ctx", {}).get("expected") or detail["msg"]
    expected = f"expected {reason}" if detail["type"] == "enum" else str(reason)
    return f"{variable}{shown} ({place}): {expected}"


def _open_manager(secret_id: str, region: str | None, clock: Clock) -> Manager:
    from shared.aws.secrets import ManagedSecrets

    return ManagedSecrets(secret_id, clock=clock, region=region)


def env_example() -> str:
    """The text of `env.example`: every setting with what it is for and its default."""
    blocks = [
        "# All settings of Sluice, written by `python -m src.config > env.example`.\n"
        "# Copy this file to .env. The environment goes before .env, which goes before Secrets Manager.\n"
        "# An empty value counts as not set. Secrets that a source.yml names can be set here as well.\n"
    ]
    for name, field in Settings.model_fields.items():
        comment = "\n".join(
            textwrap.wrap(field.description or "", 100, initial_indent="# ", subsequent_indent="# ")
        )
        default = "" if field.default_factory or field.default is None else str(field.default)
        blocks.append(f"{comment}\n{name.upper()}={default}\n")
    return "\n".join(blocks)


if __name__ == "__main__":
    sys.stdout.write(env_example())
