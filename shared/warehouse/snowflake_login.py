"""How a connection to Snowflake is opened: with a private key out of the secrets, or with the AWS role of the
process.

Secrets: SNOWFLAKE_PRIVATE_KEY (PEM, encrypted or not), SNOWFLAKE_PRIVATE_KEY_PASSPHRASE for an encrypted one,
and SNOWFLAKE_PRIVATE_KEY_2 while keys are rotated. A user of Snowflake has two places for public keys as well,
so that at any moment of a rotation one private key fits one of them: the second is tried when the first is
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, Refused
from shared.common.ports import Secrets
from shared.warehouse.snowflake_connection import Connection, translated
from shared.warehouse.snowflake_url import Address, Names, SignIn

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY, SECOND_KEY, PASSPHRASE = (
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_PRIVATE_KEY_2",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
)
BITS = 2048
"""The least that Snowflake takes."""

LOCK_TIMEOUT = 900
"""Seconds to wait for the row of another loader. A loader that dies in its transaction leaves it open;
Snowflake ends it
after up to 10 minutes (5 until a lost statement is aborted, 5 idle while it blocks another)."""

_NETWORK_TIMEOUT = 300
_LOGIN_TIMEOUT = 60
# JWT_TOKEN_INVALID, in the old numbering and in the new one.
_KEY_REFUSED = frozenset({"390144", *map(str, range(394300, 394307))})

Connect = Callable[..., Any]
"""`snowflake.connector.connect`, or what behaves like it."""


def opened(address: Address, secrets: Secrets, *, tag: str, connect: Connect | None = None) -> Connection:
    """A signed-in connection whose statements carry the query tag `tag`.

    Raises `Misconfigured` when there is no usable key, `Refused` when Snowflake takes none of them, `Transient`
    when it cannot be reached.
    """
    return Connection(lambda: _signed_in(address, secrets, tag, connect or _connect))


def _signed_in(address: Address, secrets: Secrets, tag: str, connect: Connect) -> Any:
    refused: Refused | None = None
    for anew in (False, True):
        if anew and not secrets.refresh():
            break
        for proof in _proofs(address, secrets):
            try:
                with translated():
                    return connect(**_arguments(address, tag), **proof)
            except Refused as error:
                if error.kind not in _KEY_REFUSED:
                    raise
                refused = error
    raise Refused(
        "Snowflake took none of the private keys",
        kind=refused.kind if refused else "",
        hint=f'compare with DESC USER "{address.user}": RSA_PUBLIC_KEY_FP or RSA_PUBLIC_KEY_2_FP must belong to '
        f"{KEY} or {SECOND_KEY}; the user must exist in this account, and this machine's clock must be right",
        account=address.account,
    ) from refused


def _arguments(address: Address, tag: str) -> dict[str, Any]:
    """What does not depend on who signs in."""
    named = {
        "user": address.user,
        "database": address.database,
        "schema": address.schema,
        "warehouse": address.warehouse,
        "role": address.role,
        "host": address.host,
        "port": address.port,
        "protocol": address.protocol,
    }
    return {
        "account": address.account,
        **{name: value for name, value in named.items() if value},
        "application": "Sluice",
        "paramstyle": "qmark",
        "autocommit": True,
        "login_timeout": _LOGIN_TIMEOUT,
        "network_timeout": _NETWORK_TIMEOUT,
        "session_parameters": {
            "QUERY_TAG": tag,
            # Times without a zone are UTC, as in every warehouse of ours.
            "TIMEZONE": "UTC",
            "TIMESTAMP_INPUT_FORMAT": "AUTO",
            # Said, because an account may have another default and would then look for other names.
            "QUOTED_IDENTIFIERS_IGNORE_CASE": address.names is Names.UPPER,
            "LOCK_TIMEOUT": LOCK_TIMEOUT,
            # What a loader that died has begun must not go on holding locks.
            "ABORT_DETACHED_QUERY": True,
            "CLIENT_TELEMETRY_ENABLED": False,
        },
    }


def _proofs(address: Address, secrets: Secrets) -> Iterator[Mapping[str, Any]]:
    if address.authenticator is SignIn.WORKLOAD_IDENTITY:
        yield {"authenticator": "WORKLOAD_IDENTITY", "workload_identity_provider": "AWS"}
        return
    yield {"authenticator": "SNOWFLAKE_JWT", "private_key": _key(KEY, secrets.get(KEY), secrets)}
    try:
        second = secrets.get(SECOND_KEY)
    except Misconfigured:
        return  # there is one only while keys are rotated
    yield {"authenticator": "SNOWFLAKE_JWT", "private_key": _key(SECOND_KEY, second, secrets)}


def _key(name: str, text: str, secrets: Secrets) -> RSAPrivateKey:
    r"""The key of a secret. Environment variables cannot hold line breaks easily: `\n` stands for one."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = text.strip().replace("\\n", "\n").encode()
    encrypted = b"ENCRYPTED" in pem
    passphrase = secrets.get(PASSPHRASE).encode() if encrypted else None
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError) as error:
        # The library's own words may quote the key.
        reason = "cannot be decrypted" if encrypted else "is no private key in PEM form"
        hint = f"{PASSPHRASE} must be its passphrase" if encrypted else "openssl genrsa 2048 makes one"
        raise Misconfigured(f"the secret {name} {reason}", hint=f"{hint}; docs/snowflake.md") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size < BITS:
        raise Misconfigured(
            f"the secret {name} is no RSA key of at least {BITS} bits", hint="openssl genrsa 2048 makes one"
        )
    return key


def _connect(**arguments: Any) -> Any:
    import snowflake.connector

    return snowflake.connector.connect(**arguments)
