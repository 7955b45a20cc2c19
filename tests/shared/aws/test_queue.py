"""Messages in a FIFO queue of SQS (moto)."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.aws.queue import FifoQueue
from shared.common.errors import Refused, Transient


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("sqs", region_name="eu-west-1")


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="news.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"])


def received(sqs: Any, url: str) -> list[tuple[str, str]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
    return [(one["Body"], one["Attributes"]["MessageGroupId"]) for one in answer.get("Messages", [])]


def test_a_message_is_there_once_for_each_identity(sqs: Any, url: str) -> None:
    queue = FifoQueue(url, client=sqs)

    for identity in ("d1", "d1", "d2"):
        queue.put(f"news of {identity}", identity=identity, group="github:acme/flows:main")

    assert [("news of d1", "github:acme/flows:main"), ("news of d2", "github:acme/flows:main")] == received(
        sqs, url
    )


def test_any_name_of_a_branch_is_a_group(sqs: Any, url: str) -> None:
    queue = FifoQueue(url, client=sqs)

    queue.put("a", identity="1", group="github:acme/flows:größe " + "x" * 200)

    assert 64 == len(received(sqs, url)[0][1])


def test_a_queue_that_is_not_there_is_tried_again(sqs: Any, url: str) -> None:
    with pytest.raises(Transient, match="SQS"):
        FifoQueue(url + "x", client=sqs).put("a", identity="1", group="g")


def test_a_permission_that_is_missing_is_named(url: str) -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError

    class Denied:
        def send_message(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SendMessage")

    class Away:
        def send_message(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://sqs")

    with pytest.raises(Refused, match="refuses"):
        FifoQueue(url, client=Denied()).put("a", identity="1", group="g")
    with pytest.raises(Transient, match="cannot be had"):
        FifoQueue(url, client=Away()).put("a", identity="1", group="g")
