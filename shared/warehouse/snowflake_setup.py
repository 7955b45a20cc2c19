"""Fills the SQL of `deploy/snowflake` with the parameters of an environment.

A parameter stands as `<% name %>`, which `snow sql -f FILE -D "name=value"` knows as well. A statement behind a comment
that begins with "optional" is left out when one of its parameters is not given; of any other it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shared.common.errors import Misconfigured
from shared.landing.layout import Layout
from shared.warehouse.snowflake_connection import parts_of
from shared.warehouse.snowflake_url import identifier
from shared.warehouse.snowflake_values import text

FILES = {"account": "10_account.sql", "database": "20_database.sql"}
"""The parts of a setup, in their order."""
SNOWPIPE = "30_snowpipe.sql"

_SLOT = re.compile(r"<% (\w+) %>")
_ADMINS = frozenset({"ACCOUNTADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN", "ORGADMIN", "PUBLIC"})
_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")


@dataclass(frozen=True, slots=True)
class Setup:
    """One environment. `role` and `user` are the loader's; `aws_role` is what Snowflake becomes to read the bucket, and
    `workload_role` what the loader runs under. Public keys are PEM or its bare body.
    """

    environment: str
    database: str
    warehouse: str
    role: str
    user: str
    landing: str
    aws_role: str = ""
    workload_role: str = ""
    public_key: str = ""
    public_key_2: str = ""

    @property
    def integration(self) -> str:
        return f"SLUICE_{re.sub('[^A-Z0-9]', '_', self.environment.upper())}_LANDING"

    def statements(self, sql: str, **more: str) -> list[str]:
        """The statements of a file, filled. Raises `Misconfigured` naming the options that are missing."""
        values = {**self._values(), **more}
        found, missing = [], dict[str, None]()
        for statement in split(sql):
            lacking = [name for name in _SLOT.findall(statement) if not values[name]]
            optional = any(line.startswith("-- optional") for line in statement.splitlines())
            if not lacking:
                found.append(_SLOT.sub(lambda slot: values[slot[1]], statement))
            elif not optional:
                missing |= dict.fromkeys(lacking)
        if missing:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise Misconfigured(
                f"the setup of Snowflake lacks {options}", hint="docs/snowflake.md explains them"
            )
        return found

    def snowpipe(self, sql: str, source: str, stream: str) -> list[str]:
        """The statements of a pipe for one stream."""
        layout, name = Layout(source, stream), f"{source}_{stream}"
        bucket_folder = urlsplit(self._location()).path.lstrip("/")
        return self.statements(
            sql,
            piped_rows=identifier(f"piped_{name}"),
            piped_commits=identifier(f"piped_{name}_commits"),
            rows_pipe=identifier(f"pipe_{name}"),
            log_pipe=identifier(f"pipe_{name}_commits"),
            piped_view=identifier(f"rows_{name}"),
            data_folder=f"{layout.home}data/",
            log_folder=f"{layout.home}log/",
            bucket_folder=text(bucket_folder),
        )

    def _values(self) -> Mapping[str, str]:
        if self.role.upper() in _ADMINS:
            raise Misconfigured(
                f"the loader would be {self.role}, which may do anything",
                hint="name a role of its own: --role SLUICE_LOADER, and --user for its user",
            )
        for name in ("aws_role", "workload_role"):
            arn = getattr(self, name)
            if arn and not _ARN.fullmatch(arn):
                raise Misconfigured(
                    f'"{arn}" is no role of AWS', hint="write arn:aws:iam::123456789012:role/NAME"
                )
        names = ("database", "warehouse", "role", "user", "integration")
        return {
            **{name: identifier(found) if (found := getattr(self, name)) else "" for name in names},
            "landing": text(self._location()),
            "aws_role": text(self.aws_role) if self.aws_role else "",
            "workload_role": text(self.workload_role) if self.workload_role else "",
            "public_key": _key(self.public_key),
            "public_key_2": _key(self.public_key_2),
        }

    def _location(self) -> str:
        if not self.landing.startswith("s3://"):
            raise Misconfigured(
                "Snowflake reads a landing zone in S3 by a stage, and this one is a folder",
                hint="set LANDING_URL or BUCKET_NAME; a folder is uploaded by each load and needs no setup",
                setting="LANDING_URL",
            )
        return self.landing.rstrip("/") + "/"


def split(sql: str) -> list[str]:
    r"""The statements of a text, each with the comments before it.

    >>> split("-- one\nSELECT ';';\nSELECT 2; -- rest")
    ["-- one\nSELECT ';'", 'SELECT 2']
    """
    found, held = [], ""
    for code, piece in parts_of(sql):
        if not code:
            held += piece
            continue
        *ended, last = piece.split(";")
        for one in ended:
            found.append((held + one).strip())
            held = ""
        held += last
    return [statement for statement in [*found, held.strip()] if without_comments(statement)]


def without_comments(statement: str) -> str:
    r"""A statement as it is run.

    >>> without_comments("-- why\nSELECT 1")
    'SELECT 1'
    """
    kept = (piece for code, piece in parts_of(statement) if code or not piece.startswith(("--", "//", "/*")))
    return "".join(kept).strip()


def read(folder: Path, names: Iterable[str]) -> list[str]:
    """The texts of the files."""
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def trust(rows: Iterable[tuple[object, ...]]) -> dict[str, str]:
    """Of the answer of DESC STORAGE INTEGRATION, what AWS must be told: Snowflake's user, and the external id."""
    wanted = {"STORAGE_AWS_IAM_USER_ARN": "principal", "STORAGE_AWS_EXTERNAL_ID": "external_id"}
    return {wanted[str(row[0])]: str(row[2]) for row in rows if len(row) > 2 and str(row[0]) in wanted}


def _key(pem: str) -> str:
    """A public key as Snowflake takes it: the body of PEM in one line."""
    if "PRIVATE KEY" in pem:
        raise Misconfigured("that is a private key", hint="openssl rsa -in KEY -pubout writes the public one")
    body = "".join(line.strip() for line in pem.splitlines() if line.strip() and not line.startswith("-----"))
    if body and not re.fullmatch(r"[A-Za-z0-9+/]+=*", body):
        raise Misconfigured(
            "that is no public key in PEM form", hint="openssl rsa -in KEY -pubout writes one"
        )
    return text(body) if body else ""
