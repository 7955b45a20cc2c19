"""What an event asks of the load app: which streams have something to load, and which message said so.

Known are a notification of S3, an event of EventBridge about an object, an order `{"source": "recurly", "stream":
"accounts"}` (without `stream`: whatever of the source has landed), and messages of SQS that hold any of these. What is
about no commit of this landing zone is ignored, with a word on why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from shared.common.errors import Misconfigured, SluiceError, unknown
from shared.landing.layout import Layout, commit_at

KNOWN = ("source", "stream")
Stream = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Zone:
    """The landing zone that this app loads from, so that events about others are told apart. No bucket: a folder."""

    bucket: str = ""
    prefix: str = ""

    @classmethod
    def of(cls, url: str) -> Zone:
        """The zone at a LANDING_URL.

        >>> Zone.of("s3://acme-data/sluice/")
        Zone(bucket='acme-data', prefix='sluice/')
        """
        if not url.startswith("s3://"):
            return cls()
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        return cls(bucket, f"{prefix}/" if prefix else "")

    def commit(self, bucket: str, key: str) -> Stream | str:
        """The stream whose commit an object is; else why it is none of ours."""
        if self.bucket and bucket != self.bucket:
            return f"another bucket: {bucket}"
        if not key.startswith(self.prefix):
            return f"not below {self.prefix}"
        found = commit_at(key.removeprefix(self.prefix))
        return "no commit" if found is None else found[:2]


@dataclass(frozen=True, slots=True)
class Whole:
    """Everything of a source."""

    source: str


@dataclass(slots=True)
class Asked:
    """The streams to load, each once, with the messages that named it. `attempts`: how often a message came by now.

    `sources` are those of which everything is asked for, with the messages that named them. `broken` messages cannot be
    read; `ignored` says what was passed over. `queued` says that SQS wants to hear which messages failed.
    """

    queued: bool = False
    streams: dict[Stream, list[str]] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    broken: dict[str, SluiceError] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, event: Any, zone: Zone) -> Asked:
        """Read an event. Raises `Misconfigured` when it is none of those that are known."""
        asked = cls()
        records = event.get("Records") if isinstance(event, Mapping) else None
        if isinstance(records, list) and any(_source_of(record) == "aws:sqs" for record in records):
            asked.queued = True
            for record in records:
                asked._message(record, zone)
            return asked
        asked._add(event, zone, "")
        return asked

    def spell_out(self, landed: Callable[[str], Iterable[str]]) -> None:
        """Put the streams that have `landed` in the place of their sources."""
        for source, messages in self.sources.items():
            for stream in landed(source):
                self.streams.setdefault((source, stream), []).extend(messages)
        self.sources = {}

    def attempt(self, stream: Stream) -> int:
        """How often the messages about a stream have come: the fewest of them."""
        return min((self.attempts.get(one, 1) for one in self.streams.get(stream, ())), default=1)

    def _message(self, record: Mapping[str, Any], zone: Zone) -> None:
        name = str(record.get("messageId", ""))
        count = str(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        self.attempts[name] = int(count) if count.isdecimal() else 1
        try:
            try:
                body = json.loads(record.get("body") or "")
            except ValueError:
                raise Misconfigured("the message holds no JSON", hint=_HINT) from None
            self._add(body, zone, name)
        except SluiceError as error:
            self.broken[name] = error.at(message=name)

    def _add(self, event: Any, zone: Zone, message: str) -> None:
        for found in _streams(event, zone):
            if isinstance(found, str):
                self.ignored.append(found)
            elif isinstance(found, Whole):
                self.sources.setdefault(found.source, []).append(message)
            else:
                self.streams.setdefault(found, []).append(message)


_HINT = 'send {"source": "recurly", "stream": "accounts"}, or an event of S3 about a commit'


def _streams(event: Any, zone: Zone) -> Iterator[Stream | Whole | str]:
    """The streams or sources that an event is about, and for what is passed over why."""
    match event:
        case {"Event": "s3:TestEvent"}:
            yield "a test event of S3"
        case {"Records": list(records)}:
            for record in records:
                yield _notified(record, zone)
        case {"detail-type": kind, "detail": {"bucket": {"name": bucket}, "object": {"key": key}}}:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html: here keys are as they are.
            yield _told(zone.commit(bucket, key), key) if kind == "Object Created" else f"{kind}: {key}"
        case {"source": str(source), "stream": str(stream)}:
            for name in event:
                if name not in KNOWN:
                    raise unknown("field in the event", str(name), KNOWN)
            Layout(source, stream)
            yield source, stream
        case {"source": str(source)} if len(event) == 1:
            Layout(source, "any")
            yield Whole(source)
        case _:
            raise Misconfigured("the event is none that this app knows", hint=_HINT)


def _notified(record: Any, zone: Zone) -> Stream | str:
    """Keys are URL-encoded: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    match record:
        case {"eventSource": "aws:s3", "s3": {"bucket": {"name": bucket}, "object": {"key": str(key)}}}:
            key, kind = unquote_plus(key), str(record.get("eventName", ""))
            if kind and not kind.removeprefix("s3:").startswith("ObjectCreated"):
                return f"{kind}: {key}"
            return _told(zone.commit(bucket, key), key)
    raise Misconfigured("a record of the event is none of S3", hint=_HINT)


def _told(found: Stream | str, key: str) -> Stream | str:
    return f"{found}: {key}" if isinstance(found, str) else found


def _source_of(record: Any) -> Any:
    return record.get("eventSource") if isinstance(record, Mapping) else None
