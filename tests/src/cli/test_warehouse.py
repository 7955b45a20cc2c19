"""`sluice warehouse ddl | apply` from end to end: keys in Secrets Manager, the real connector, an account beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from tests.shared.aws.servers import CREDENTIALS, moto_server
from tests.shared.warehouse.snowflake.account import Account, running
from tests.shared.warehouse.snowflake.keys import KEY, PRIVATE_KEY, make_key, pem

pytestmark = pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result")

AWS_ROLE = "arn:aws:iam::123456789012:role/sluice-snowflake"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIIBIjAN\nBgkqhkiG\n-----END PUBLIC KEY-----\n"
ADMIN = "ADMIN"

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def shared_account() -> Iterator[Account]:
    with running(lambda url: b"") as account:
        yield account


@pytest.fixture
def account(shared_account: Account) -> Iterator[Account]:
    shared_account.users[ADMIN] = [KEY.public_key()]
    yield shared_account
    shared_account.reset()


@pytest.fixture
def place(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory whose settings name an account and a bucket, and an administrator who signs in."""
    for name in ("ENVIRONMENT", "LANDING_URL", "SECRET_ID", "SNOWFLAKE_PRIVATE_KEY_2"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WAREHOUSE_URL", url(account, "SLUICE_LOCAL"))
    monkeypatch.setenv("BUCKET_NAME", "bucket")
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY", PRIVATE_KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pub").write_text(PUBLIC)
    return tmp_path


@pytest.fixture
def command(place: Path) -> Command:
    names = ["--role", "SLUICE_LOADER", "--user", "SLUICE_LOADER", "--aws-role", AWS_ROLE]
    return lambda verb, *words: CliRunner().invoke(sluice, ["warehouse", verb, *names, *words])


def url(account: Account, database: str, **more: str) -> str:
    return account.url(database, user=ADMIN, role="ACCOUNTADMIN", **more)


def answered(result: Result) -> Any:
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout.strip().splitlines()[-1])


def ran(account: Account, *words: str) -> list[str]:
    return [sql for sql in account.seen if sql.startswith(words)]


def test_ddl_prints_what_apply_would_run_and_asks_nobody(command: Command, account: Account) -> None:
    answer = command("ddl", "--public-key", "key.pub", "--snowpipe", "recurly.accounts")

    assert 0 == answer.exit_code, answer.output
    assert "ALTER STAGE _sluice.landing SET URL = 's3://bucket/'" in answer.output
    assert "CREATE PIPE IF NOT EXISTS _sluice.pipe_recurly_accounts" in answer.output
    assert "PRIVATE KEY" not in answer.output
    assert [] == account.logins


@pytest.mark.parametrize(
    ("name", "said"),
    [("nope.x", 'unknown source "nope"'), ("recurly", "names no stream")],
)
def test_a_pipe_is_for_a_stream_that_there_is(command: Command, name: str, said: str) -> None:
    done = command("ddl", "--snowpipe", name)

    assert 2 == done.exit_code
    assert said in done.output


def test_apply_runs_what_ddl_prints_and_says_what_aws_must_be_told(
    command: Command, account: Account
) -> None:
    printed = answered(command("ddl", "--public-key", "key.pub", "--json"))["statements"]
    account.seen.clear()
    answer = command("apply", "--public-key", "key.pub")

    assert 0 == answer.exit_code, answer.output
    assert "trust arn:aws:iam::1:user/x with the external id XY_1" in answer.output
    assert [*map(bare, printed), "DESC STORAGE INTEGRATION SLUICE_LOCAL_LANDING"] == account.seen


def bare(statement: str) -> str:
    """Without its comments, which stand before it."""
    lines = [line for line in statement.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip()


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_each_environment_gets_its_own_and_a_second_time_changes_nothing(
    environment: str, command: Command, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key and its passphrase in Secrets Manager, where the first of two keys is no longer taken."""
    name, old = f"SLUICE_{environment.upper()}", make_key()
    secret = {
        "SNOWFLAKE_PRIVATE_KEY": pem(old, "hunter22"),
        "SNOWFLAKE_PRIVATE_KEY_2": pem(KEY, "hunter22"),
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "hunter22",
    }
    monkeypatch.delenv("SNOWFLAKE_PRIVATE_KEY")
    with moto_server() as server:
        for key, value in {
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": server,
            "ENVIRONMENT": environment,
            "SECRET_ID": f"sluice/{environment}",
            "BUCKET_NAME": f"landing-{environment}",
            "WAREHOUSE_URL": url(account, name, suspend="true"),
        }.items():
            monkeypatch.setenv(key, value)
        secrets = boto3.client("secretsmanager")
        secrets.create_secret(Name=f"sluice/{environment}", SecretString=json.dumps(secret))
        first, seen = answered(command("apply", "--json")), list(account.seen)
        keep = "INSERT INTO _sluice.ledger (source, stream, sequence) SELECT 'recurly', 'accounts', 7"
        list(opened(account, name).run(iter([keep])))
        account.seen.clear()
        again = answered(command("apply", "--json"))
        secrets.close()

    assert first == again
    assert seen == account.seen
    assert [f"CREATE STORAGE INTEGRATION IF NOT EXISTS {name}_LANDING"] == [
        sql.splitlines()[0] for sql in ran(account, "CREATE STORAGE INTEGRATION")
    ]
    assert [f"CREATE DATABASE IF NOT EXISTS {name}"] == ran(account, "CREATE DATABASE")
    # The virtual warehouse sleeps afterwards, once, and each statement says whose it was.
    assert (["ALTER WAREHOUSE LOAD_WH SUSPEND"], account.seen[-1:]) == (ran(account, "ALTER WAREHOUSE"),) * 2
    assert {'{"app":"sluice"}'} == {data["SESSION_PARAMETERS"]["QUERY_TAG"] for data in account.logins}
    asked = ["SELECT sequence FROM _sluice.ledger", "SHOW STAGES LIKE 'landing' IN SCHEMA _sluice"]
    (_, ledger), (_, stages) = opened(account, name).run(iter(asked))
    assert [(7,)] == ledger
    assert [f"s3://landing-{environment}/"] == [cell for row in stages for cell in row if "s3:" in str(cell)]
    assert "hunter22" not in json.dumps([first, account.seen])


def test_the_two_parts_may_be_run_by_different_people(command: Command, account: Account) -> None:
    answered(command("apply", "--part", "account", "--json"))
    mine = list(account.seen)
    account.seen.clear()
    answer = answered(command("apply", "--part", "database", "--json"))

    assert not [sql for sql in mine if "_sluice" in sql]
    assert [] == ran(account, "CREATE ROLE", "CREATE USER", "CREATE WAREHOUSE", "CREATE STORAGE", "DESC")
    assert {} == answer["trust"]


def test_a_statement_that_is_refused_ends_it_and_is_named(command: Command, account: Account) -> None:
    account.users[ADMIN] = []

    answer = command("apply")

    assert 3 == answer.exit_code, answer.output
    assert "took none of the private keys" in answer.output


def test_a_role_that_may_do_anything_is_no_loader(place: Path) -> None:
    answer = CliRunner().invoke(sluice, ["warehouse", "ddl", "--aws-role", AWS_ROLE])

    assert 2 == answer.exit_code
    assert "the loader would be ACCOUNTADMIN" in answer.output


def test_says_what_is_missing(place: Path) -> None:
    answer = CliRunner().invoke(sluice, ["warehouse", "ddl", "--role", "LOADER"])

    assert 2 == answer.exit_code
    assert "lacks --aws-role" in answer.output


def test_other_warehouses_need_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_URL", "duckdb:///x.duckdb")

    answers = [command("ddl"), command("apply", "--json")]

    assert [0, 0] == [answer.exit_code for answer in answers]
    assert "-- this warehouse needs no setup\n" == answers[0].output


def opened(account: Account, database: str) -> Any:
    """A warehouse that asks the database what is there."""
    from shared.common.fakes import DictSecrets
    from shared.warehouse.snowflake_url import parse
    from shared.warehouse.snowflake_warehouse import Snowflake

    secrets = DictSecrets({"SNOWFLAKE_PRIVATE_KEY": PRIVATE_KEY})
    return Snowflake(parse(url(account, database)), secrets=secrets, landing="s3://bucket")
