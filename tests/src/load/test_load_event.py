"""What an event asks of the load app: which streams, once each, and which message said so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.landing.layout import Layout
from src.load.event import Asked, Zone

EVENTS = Path(__file__).parents[3] / "events"
ZONE = Zone("acme-data")
KEY = Layout("recurly", "accounts").commit(12)


def notified(
    key: str = KEY, *, bucket: str = "acme-data", event: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    told = {"bucket": {"name": bucket}, "object": {"key": quote(key, safe="")}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": event, "s3": told}]}


def bridged(key: str = KEY, *, bucket: str = "acme-data", kind: str = "Object Created") -> dict[str, Any]:
    return {
        "detail-type": kind,
        "source": "aws.s3",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }


def queued(*bodies: Any, count: int = 1) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{place}",
                "eventSource": "aws:sqs",
                "attributes": {"ApproximateReceiveCount": str(count)},
                "body": body if isinstance(body, str) else json.dumps(body),
            }
            for place, body in enumerate(bodies)
        ]
    }


@pytest.mark.parametrize("event", [notified(), bridged(), {"source": "recurly", "stream": "accounts"}])
def test_each_kind_of_event_names_its_stream(event: dict[str, Any]) -> None:
    asked = Asked.of(event, ZONE)

    assert {("recurly", "accounts"): [""]} == asked.streams
    assert not asked.queued


def test_an_order_without_a_stream_is_about_whatever_has_landed() -> None:
    asked = Asked.of(queued({"source": "recurly"}, {"source": "recurly", "stream": "plans"}), ZONE)
    asked.spell_out({"recurly": ["accounts", "plans"]}.__getitem__)

    assert {("recurly", "accounts"): ["m0"], ("recurly", "plans"): ["m1", "m0"]} == asked.streams


def test_many_messages_about_one_stream_are_one_load() -> None:
    other = Layout("recurly", "plans").commit(1)
    asked = Asked.of(queued(notified(), bridged(other), bridged(), notified()), ZONE)

    assert {("recurly", "accounts"): ["m0", "m2", "m3"], ("recurly", "plans"): ["m1"]} == asked.streams
    assert asked.queued


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (
            notified("landing/recurly/accounts/data/dt=2026-11-20/r/a001-w00000-part-00000.jsonl.gz"),
            "no commit",
        ),
        (notified(bucket="others"), "another bucket: others"),
        (notified(event="ObjectRemoved:Delete"), "ObjectRemoved:Delete"),
        (bridged(kind="Object Deleted"), "Object Deleted"),
        (bridged("landing/recurly/accounts/log/12.json"), "no commit"),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "acme-data"}, "a test event of S3"),
    ],
)
def test_what_is_about_something_else_is_ignored_and_said(event: dict[str, Any], why: str) -> None:
    for asked in (Asked.of(event, ZONE), Asked.of(queued(event), ZONE)):
        assert {} == asked.streams
        assert asked.ignored[0].startswith(why)
        assert {} == asked.broken


def test_the_prefix_of_the_landing_zone_is_taken_off() -> None:
    zone = Zone.of("s3://acme-data/a b+c/")
    asked = Asked.of(notified(f"a b+c/{KEY}"), zone)

    assert [("recurly", "accounts")] == list(asked.streams)
    assert [("recurly", "accounts")] == list(Asked.of(bridged(f"a b+c/{KEY}"), zone).streams)
    assert ["not below a b+c/: landing/recurly/accounts/log/00000000000000000012.json"] == Asked.of(
        notified(), zone
    ).ignored


@pytest.mark.parametrize(
    "body", ["{", "", "[]", json.dumps({"stream": "plans"}), json.dumps({"Records": [{}]})]
)
def test_a_message_that_cannot_be_read_is_broken_and_the_others_count(body: str) -> None:
    asked = Asked.of(queued(body, notified()), ZONE)

    assert ["m0"] == list(asked.broken)
    assert [("recurly", "accounts")] == list(asked.streams)


def test_an_event_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Misconfigured, match="none that this app knows"):
        Asked.of({"strem": "accounts"}, ZONE)
    with pytest.raises(Misconfigured, match='unknown field in the event "straems"'):
        Asked.of({"source": "recurly", "stream": "accounts", "straems": 1}, ZONE)
    with pytest.raises(Misconfigured, match="cannot be the name of a stream"):
        Asked.of({"source": "recurly", "stream": "../x"}, ZONE)


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x))
)
def test_no_message_breaks_the_others(body: Any) -> None:
    asked = Asked.of(queued(body, notified()), ZONE)

    assert {("recurly", "accounts"): ["m1"]} == asked.streams


@pytest.mark.parametrize("file", sorted(EVENTS.glob("load_*.json")), ids=lambda file: file.stem)
def test_the_sample_events_name_streams(file: Path) -> None:
    asked = Asked.of(json.loads(file.read_text()), ZONE)
    asked.spell_out({"recurly": ["accounts"]}.__getitem__)

    assert ("recurly", "accounts") in asked.streams
