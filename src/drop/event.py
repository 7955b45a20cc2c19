"""Which objects an event is about: a notification of S3, an event of EventBridge, or messages of SQS that hold them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from shared.common.errors import Misconfigured

_KEY = re.compile(r"drop/(?P<table>[A-Za-z][A-Za-z0-9_-]{0,63})/(?P<name>[^/]+)")
_HINT = "send an event of S3, or an object with bucket (acme-data) and key (drop/orders/today.jsonl)"
"""Not as JSON: what stands behind `"key":` is masked wherever it is told."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """An object that was dropped, and the message of SQS that said so."""

    bucket: str
    key: str
    message: str = ""

    @property
    def table(self) -> str | None:
        """The table that its place says: `drop/<table>/<file>`. None: it is no file of ours.

        >>> Dropped("acme", "drop/orders/today.jsonl.gz").table
        'orders'
        """
        match = _KEY.fullmatch(self.key)
        return None if match is None else match["table"]

    @property
    def lies_in_drop(self) -> bool:
        """Whether it is a file where files are dropped; a folder of S3's console is none.

        >>> (
        ...     Dropped("acme", "drop/orders/2026/x.jsonl").lies_in_drop,
        ...     Dropped("acme", "drop/orders/").lies_in_drop,
        ... )
        (True, False)
        """
        return self.key.startswith("drop/") and not self.key.endswith("/")


def dropped(event: Any) -> Iterator[Dropped]:
    """The objects that an event is about. Raises `Misconfigured` when it is none of those that are known."""
    match event:
        case {"Event": "s3:TestEvent"}:
            return
        case {"Records": list(records)}:
            for record in records:
                yield from _record(record)
        case {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
        }:
            yield Dropped(bucket, key)
        case {"bucket": str(bucket), "key": str(key)}:
            yield Dropped(bucket, key)
        case {"detail-type": _}:
            return
        case _:
            raise Misconfigured("the event is none that this app knows", hint=_HINT)


def queued(event: Any) -> list[Mapping[str, Any]]:
    """The messages of SQS in an event; none when it comes from elsewhere."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return []
    return [one for one in records if isinstance(one, Mapping) and one.get("eventSource") == "aws:sqs"]


def told_by(message: Mapping[str, Any]) -> list[Dropped]:
    """The objects that a message of SQS is about. Raises `Misconfigured` when it cannot be read."""
    try:
        body = json.loads(message.get("body") or "")
    except ValueError:
        raise Misconfigured("the message holds no JSON", hint=_HINT) from None
    return [Dropped(one.bucket, one.key, str(message.get("messageId", ""))) for one in dropped(body)]


def _record(record: Any) -> Iterator[Dropped]:
    """Keys are URL-encoded: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    match record:
        case {"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": str(key)}}}:
            kind = str(record.get("eventName", "ObjectCreated"))
            if kind.removeprefix("s3:").startswith("ObjectCreated"):
                yield Dropped(bucket, unquote_plus(key))
        case _:
            raise Misconfigured("a record of the event is none of S3", hint=_HINT)
