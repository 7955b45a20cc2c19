"""The S3 server that the tests of this room share, and a bucket of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.shared.aws.servers import FaultProxy, fault_proxy, moto_server, s3_client

pytest.register_assert_rewrite("tests.shared.landing.store_suite")


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def s3(moto: str) -> Iterator[Any]:
    client = s3_client(moto)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"b-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def proxy(moto: str) -> Iterator[FaultProxy]:
    with fault_proxy(moto) as made:
        yield made
