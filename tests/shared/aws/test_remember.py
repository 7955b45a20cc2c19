"""What was done is done once (Powertools' idempotency on moto's DynamoDB)."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.aws.remember import Remembered
from shared.common.errors import Transient


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName="deliveries",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def test_it_runs_once_for_each_identity(dynamodb: Any) -> None:
    done: list[str] = []
    remembered = Remembered("deliveries", client=dynamodb)

    ran = [remembered.once(name, lambda name=name: done.append(name)) for name in ("a", "b", "a", "a")]  # type: ignore[misc]

    assert [True, True, False, False] == ran
    assert ["a", "b"] == done


def test_what_raises_has_not_run(dynamodb: Any) -> None:
    remembered = Remembered("deliveries", client=dynamodb)

    def fail() -> None:
        raise Transient("the queue is away")

    with pytest.raises(Transient, match="the queue is away"):
        remembered.once("a", fail)

    assert remembered.once("a", lambda: None)


def test_a_table_that_is_not_there_is_tried_again(dynamodb: Any) -> None:
    with pytest.raises(Transient, match="table others"):
        Remembered("others", client=dynamodb).once("a", lambda: None)
