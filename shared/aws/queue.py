"""A FIFO queue of SQS: a message is there once, and those of a group are worked on one after another.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues.html
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from shared.aws.clients import client as aws_client
from shared.common.errors import Refused, Transient

_NAME = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\[\\\]^_`{|}~-]{1,128}")


class FifoQueue:
    """The queue at `url`. `client` is for tests."""

    def __init__(self, url: str, *, client: Any = None) -> None:
        self._url = url
        self._client = client

    def put(self, message: str, *, identity: str, group: str) -> None:
        """Add a message, once per `identity` within five minutes. Raises `Transient` or `Refused`."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            # Few seconds: the host that waits for our answer sends the delivery again.
            sqs = self._client or aws_client("sqs", connect_timeout=2, read_timeout=3, attempts=2)
            sqs.send_message(
                QueueUrl=self._url,
                MessageBody=message,
                MessageGroupId=_named(group),
                MessageDeduplicationId=hashlib.sha256(identity.encode()).hexdigest(),
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("AccessDenied", "AccessDeniedException"):
                raise Refused(
                    "SQS refuses the message", hint="the role needs sqs:SendMessage", queue=self._url
                ) from None
            raise Transient(f"SQS did not take the message: {error}", queue=self._url) from None
        except BotoCoreError as error:
            raise Transient(f"SQS cannot be had: {error}", queue=self._url) from None


def _named(group: str) -> str:
    """A name of a group that SQS takes: as it is, else its digest."""
    return group if _NAME.fullmatch(group) else hashlib.sha256(group.encode()).hexdigest()
