"""A Snowflake account on this machine, an S3 server beside it, and streams whose landing zone is a bucket."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.aws.s3 import S3Store
from shared.common.clock import SystemClock
from shared.common.fakes import DictSecrets
from shared.warehouse.snowflake_url import parse
from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.aws.servers import moto_server, s3_client
from tests.shared.warehouse.snowflake.account import Account, running
from tests.shared.warehouse.snowflake.keys import PRIVATE_KEY
from tests.shared.warehouse.stream import Stream

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            # DuckDB warns fakesnow, which runs in this process, that a result could be had cheaper.
            item.add_marker(pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result"))


def impatient(**arguments: Any) -> Any:
    """The connector's own `connect`, which asks again for seconds and not for minutes."""
    import snowflake.connector

    return snowflake.connector.connect(**{**arguments, "network_timeout": 10, "login_timeout": 10})


@pytest.fixture(scope="session")
def s3() -> Iterator[Any]:
    with moto_server() as url:
        client = s3_client(url)
        yield client
        client.close()


@pytest.fixture(scope="session")
def shared_account(s3: Any) -> Iterator[Account]:
    def read(url: str) -> bytes:
        parts = urlsplit(url)
        try:
            return s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        except s3.exceptions.NoSuchKey:
            raise KeyError(url) from None

    with running(read) as account:
        yield account


@pytest.fixture
def account(shared_account: Account) -> Iterator[Account]:
    yield shared_account
    shared_account.reset()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"landing-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def database() -> str:
    return f"SLUICE_{next(_numbers)}"


@pytest.fixture
def open_snowflake(account: Account, database: str, bucket: str) -> Iterator[Callable[..., Snowflake]]:
    """Warehouses on a database of this test, with the stage on its bucket; with `held` they sign in once."""
    stack = ExitStack()

    def make(
        *,
        landing: str = "",
        stage: str = "",
        secrets: DictSecrets | None = None,
        held: bool = False,
        **options: str,
    ) -> Snowflake:
        made = Snowflake(
            parse(account.url(database, **options)),
            secrets=secrets or DictSecrets({"SNOWFLAKE_PRIVATE_KEY": PRIVATE_KEY}),
            landing=landing or f"s3://{bucket}/zone",
            connect=impatient,
        )
        if held:  # signing in is a fifth of the time of these tests
            stack.enter_context(made.held())
        url = stage or f"s3://{bucket}/"
        list(
            made.run(
                iter(
                    [
                        "CREATE SCHEMA IF NOT EXISTS _sluice",
                        f"CREATE OR REPLACE STAGE _sluice.landing URL='{url}'",
                    ]
                )
            )
        )
        account.seen.clear()
        return made

    with stack:
        yield make


@pytest.fixture
def snowflake(open_snowflake: Callable[..., Snowflake]) -> Snowflake:
    return open_snowflake(held=True)


@pytest.fixture
def stream(s3: Any, bucket: str, snowflake: Snowflake) -> Stream:
    return Stream(S3Store(bucket, "zone", clock=SystemClock(), client=s3), snowflake)
