"""Signing in: with keys, with a key that is being exchanged, and with nothing but the role of the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.common.errors import Misconfigured, Refused
from shared.common.fakes import DictSecrets
from shared.warehouse.snowflake_login import opened
from shared.warehouse.snowflake_url import parse
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.snowflake.account import LOADER, Account
from tests.shared.warehouse.snowflake.conftest import impatient
from tests.shared.warehouse.snowflake.keys import KEY, PRIVATE_KEY, make_key, pem

KEY_NAME, SECOND, PASSPHRASE = (
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_PRIVATE_KEY_2",
    "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
)


@pytest.fixture(scope="module")
def new_key() -> rsa.RSAPrivateKey:
    return make_key()


def signed_in(account: Account, secrets: DictSecrets) -> None:
    opened(parse(account.url("D")), secrets, tag="", connect=impatient).close()


@pytest.mark.parametrize("spell", [str, lambda text: text.replace("\n", "\\n")], ids=["lines", "one line"])
def test_with_the_key_of_the_secret(account: Account, spell: Callable[[str], str]) -> None:
    account.users[LOADER] = [KEY.public_key()]

    signed_in(account, DictSecrets({KEY_NAME: spell(PRIVATE_KEY)}))

    (data,) = account.logins
    assert ("SNOWFLAKE_JWT", "Sluice") == (data["AUTHENTICATOR"], data["CLIENT_ENVIRONMENT"]["APPLICATION"])
    assert "PASSWORD" not in data
    parameters = data["SESSION_PARAMETERS"]
    assert ("UTC", True, True) == (
        parameters["TIMEZONE"], parameters["QUOTED_IDENTIFIERS_IGNORE_CASE"], parameters["ABORT_DETACHED_QUERY"],
    )  # fmt: skip


def test_with_an_encrypted_key_and_its_passphrase(account: Account) -> None:
    account.users[LOADER] = [KEY.public_key()]

    signed_in(account, DictSecrets({KEY_NAME: pem(KEY, "hunter22"), PASSPHRASE: "hunter22"}))

    with pytest.raises(Misconfigured, match="cannot be decrypted") as caught:
        signed_in(account, DictSecrets({KEY_NAME: pem(KEY, "hunter22"), PASSPHRASE: "wrong"}))
    assert "hunter22" not in str(caught.value)


def test_a_rotation_at_every_moment(account: Account, new_key: rsa.RSAPrivateKey) -> None:
    old, new = KEY.public_key(), new_key.public_key()
    both = DictSecrets({KEY_NAME: PRIVATE_KEY, SECOND: pem(new_key)})
    for places, secrets in (
        ([old], DictSecrets({KEY_NAME: PRIVATE_KEY})),
        ([old, new], DictSecrets({KEY_NAME: PRIVATE_KEY})),
        ([old, new], both),
        ([new], both),
        ([new], DictSecrets({KEY_NAME: pem(new_key)})),
    ):
        account.users[LOADER] = list(places)

        signed_in(account, secrets)


def test_a_process_that_knows_the_old_key_only_looks_for_a_new_one(
    account: Account, new_key: rsa.RSAPrivateKey
) -> None:
    account.users[LOADER] = [new_key.public_key()]

    signed_in(account, DictSecrets({KEY_NAME: PRIVATE_KEY}, {KEY_NAME: pem(new_key)}))


def test_no_key_fits(account: Account, new_key: rsa.RSAPrivateKey) -> None:
    account.users[LOADER] = [new_key.public_key()]

    with pytest.raises(Refused, match="took none of the private keys") as caught:
        signed_in(account, DictSecrets({KEY_NAME: PRIVATE_KEY, SECOND: pem(KEY)}))

    assert "RSA_PUBLIC_KEY_2_FP" in caught.value.hint
    assert "PRIVATE KEY-----" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a key", "is no private key in PEM form"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "no RSA key of at least 2048 bits"),
        (pem(make_key(1024)), "no RSA key of at least 2048 bits"),
    ],
    ids=["text", "elliptic", "short"],
)
def test_a_secret_that_is_no_key(account: Account, text: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message) as caught:
        signed_in(account, DictSecrets({KEY_NAME: text}))

    assert text not in str(caught.value)


def test_without_a_secret(account: Account) -> None:
    with pytest.raises(Misconfigured, match="SNOWFLAKE_PRIVATE_KEY"):
        signed_in(account, DictSecrets({}))


def test_the_role_of_the_process_is_handed_to_the_connector_which_asks_aws() -> None:
    asked: dict[str, Any] = {}

    def connect(**arguments: Any) -> Any:
        asked.update(arguments)
        return object()

    opened(
        parse("snowflake://a/d?authenticator=workload_identity&role=r"),
        DictSecrets({}),
        tag="t",
        connect=connect,
    )

    assert ("WORKLOAD_IDENTITY", "AWS", "r") == (
        asked["authenticator"], asked["workload_identity_provider"], asked["role"],
    )  # fmt: skip
    assert not {"user", "private_key", "password"} & asked.keys()


def test_the_connector_knows_every_argument() -> None:
    """A misspelled argument would be passed over with a warning."""
    from snowflake.connector.connection import DEFAULT_CONFIGURATION

    asked: dict[str, Any] = {}

    def connect(**arguments: Any) -> Any:
        asked.update(arguments)
        return object()

    url = "snowflake://a/d/s?warehouse=w&role=r&user=u&host=h&port=1&protocol=https"
    opened(parse(url), DictSecrets({KEY_NAME: PRIVATE_KEY}), tag="t", connect=connect)

    assert asked.keys() <= DEFAULT_CONFIGURATION.keys()


def test_statements_carry_the_load_in_their_query_tag_and_the_warehouse_sleeps_afterwards(
    account: Account, open_snowflake: Callable[..., Snowflake], stream: Any
) -> None:
    warehouse = open_snowflake(suspend="true")
    stream.commit([{"id": "a"}])
    stream.warehouse = warehouse
    with warehouse.held():
        stream.load(stream.spec())
        before = [sql for sql in account.seen if "SUSPEND" in sql]

    assert '{"app":"sluice","source":"recurly","stream":"accounts","load":"L1","run":"r1"}' in account.tags
    assert [] == before
    assert ["ALTER WAREHOUSE LOAD_WH SUSPEND"] == [sql for sql in account.seen if "SUSPEND" in sql]


def test_importing_the_loader_or_the_address_loads_no_connector() -> None:
    code = (
        "import sys, shared.warehouse.load, shared.warehouse.snowflake_warehouse; "
        "print([m for m in ('snowflake', 'cryptography', 'duckdb', 'pyarrow') if m in sys.modules])"
    )
    root = Path(__file__).parents[4]
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    )

    assert answer.stdout == "[]\n"
