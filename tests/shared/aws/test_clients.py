"""Clients are made once, late, and where the environment says."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.aws.clients import client
from tests.shared.aws.servers import CREDENTIALS


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def test_the_same_settings_give_the_same_client() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: client("s3", attempts=7), range(8)))

    assert len({id(one) for one in made}) == 1
    assert client("s3", attempts=6) is not made[0]


def test_timeouts_retries_and_pool_are_set() -> None:
    config = client(
        "s3", connect_timeout=1.5, read_timeout=9, max_pool_connections=33, attempts=2
    ).meta.config

    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.5, 9, 33)
    assert config.retries == {"total_max_attempts": 2, "mode": "standard"}


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_another_server_is_asked_when_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert client("s3").meta.endpoint_url == "https://s3.amazonaws.com"

    monkeypatch.setenv(name, "http://storage.example:9000")
    assert client("s3").meta.endpoint_url == "http://storage.example:9000"
    assert client("s3").meta.config.s3["addressing_style"] == "path"


def test_the_region_of_lambda_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")

    assert client("s3").meta.region_name == "eu-west-1"
    assert client("s3", region="ap-south-1").meta.region_name == "ap-south-1"


def test_importing_the_store_does_not_import_boto3() -> None:
    code = "import sys, shared.aws.s3; print({'boto3', 'botocore'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "set()"
