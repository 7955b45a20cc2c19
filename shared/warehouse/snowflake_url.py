"""Where a Snowflake warehouse is and how one signs in there, as its URL says it.

    snowflake://ACCOUNT/DATABASE/SCHEMA?warehouse=W&role=R&user=U

The account is the identifier of Snowflake's own pages (`myorg-myaccount`); the schema may be left out. Never a
password: Snowflake ends them for programs, and a user of TYPE = SERVICE cannot have one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.common.errors import Misconfigured, unknown
from shared.warehouse.ddl import quoted

SCHEME = "snowflake"
FORM = "snowflake://ACCOUNT/DATABASE/SCHEMA?warehouse=W&role=R&user=U"

_Choice = TypeVar("_Choice", bound=StrEnum)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PASSWORDS = frozenset({"password", "passwd", "pwd", "token", "private_key", "passphrase"})
_OPTIONS = ("warehouse", "role", "user", "authenticator", "suspend", "names", "host", "port", "protocol")


class SignIn(StrEnum):
    """How a program proves who it is: with a private key, or with the AWS role that it runs under."""

    KEY_PAIR = "key_pair"
    WORKLOAD_IDENTITY = "workload_identity"


class Names(StrEnum):
    """How tables and columns are called.

    `upper`: in upper case, as Snowflake does with what is not quoted, so that `select id from recurly.accounts`
    works. `exact`: as in the contract, so that queries have to quote them: `select "id" from "recurly"."accounts"`.
    """

    UPPER = "upper"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Address:
    """A database of a Snowflake account. An empty `schema`, `warehouse` or `role` is the user's default.

    `suspend`: put the virtual warehouse to sleep after the work instead of paying until it falls asleep by itself.
    `host`, `port` and `protocol` are for private links and for tests.
    """

    account: str
    database: str
    schema: str = ""
    warehouse: str = ""
    role: str = ""
    user: str = ""
    authenticator: SignIn = SignIn.KEY_PAIR
    suspend: bool = False
    names: Names = Names.UPPER
    host: str = ""
    port: int = 0
    protocol: str = ""


def parse(url: str) -> Address:
    """The address that a URL names. Raises `Misconfigured` without showing the URL, as it may hold a password."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise _refused_password() if ":" in parts.netloc else _malformed("the user stands behind `?user=`")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name in _PASSWORDS:
            raise _refused_password()
        if name not in _OPTIONS:
            raise unknown("option of a Snowflake URL", name, _OPTIONS, setting="WAREHOUSE_URL")
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    if not _ACCOUNT.fullmatch(parts.netloc):
        raise _malformed("the account is missing")
    if not path[0] or len(path) > 2:
        raise _malformed("a database and at most one schema stand behind the account")
    sign_in = _one_of(SignIn, "authenticator", options.get("authenticator") or SignIn.KEY_PAIR)
    if sign_in is SignIn.KEY_PAIR and not options.get("user"):
        raise _malformed("`user` is missing; without one only authenticator=workload_identity can sign in")
    return Address(
        account=parts.netloc,
        database=path[0],
        schema=path[1] if len(path) > 1 else "",
        warehouse=options.get("warehouse", ""),
        role=options.get("role", ""),
        user=options.get("user", ""),
        authenticator=sign_in,
        suspend=_truth("suspend", options.get("suspend", "false")),
        names=_one_of(Names, "names", options.get("names") or Names.UPPER),
        host=options.get("host", ""),
        port=int(options["port"]) if options.get("port", "").isdecimal() else 0,
        protocol=options.get("protocol", ""),
    )


def identifier(name: str) -> str:
    """A name as a person would write it: in upper case as Snowflake takes it, unless it has to be quoted.

    >>> identifier("load_wh"), identifier("my wh")
    ('load_wh', '"my wh"')
    """
    return name if _PLAIN.fullmatch(name) else quoted(name)


def _one_of(family: type[_Choice], name: str, value: str) -> _Choice:
    try:
        return family(value)
    except ValueError:
        raise unknown(f"{name} of a Snowflake URL", value, list(family), setting="WAREHOUSE_URL") from None


def _truth(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise unknown(f"{name} of a Snowflake URL", value, ["true", "false"], setting="WAREHOUSE_URL")
    return value.lower() == "true"


def _malformed(reason: str) -> Misconfigured:
    return Misconfigured(
        f"the Snowflake URL cannot be used: {reason}", hint=f"write {FORM}", setting="WAREHOUSE_URL"
    )


def _refused_password() -> Misconfigured:
    return Misconfigured(
        "a Snowflake URL holds no password, token or key",
        hint="Snowflake ends sign-in by password for programs (users of TYPE = SERVICE cannot have one): put a private "
        "key into the secret SNOWFLAKE_PRIVATE_KEY, or say authenticator=workload_identity; docs/snowflake.md",
        setting="WAREHOUSE_URL",
    )
