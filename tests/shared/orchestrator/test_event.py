"""Events as JSON, and operations as people and databases call them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Violation
from shared.orchestrator.event import Event, Operation
from shared.orchestrator.faults import UnknownOperation

EVENT = Event("the ether", Operation.DELETE, "an-id", "tests")
TEXT = '{"location": "the ether", "operation": "delete", "id": "an-id", "trigger": "tests"}'


def test_an_event_is_written_with_its_keys_in_order() -> None:
    assert TEXT == EVENT.to_json()


def test_a_payload_comes_last_and_only_where_there_is_one() -> None:
    event = Event("a", Operation.CREATE, "1", "t", {"x": 1})

    assert ["location", "operation", "id", "trigger", "payload"] == list(json.loads(event.to_json()))


@given(st.text(), st.sampled_from(list(Operation)[1:]), st.text(), st.text())
def test_what_is_written_is_read(location: str, operation: Operation, number: str, trigger: str) -> None:
    event = Event(location, operation, number, trigger)

    assert event == Event.from_json(event.to_json())
    assert event == Event.from_json(event.to_json(ascii_only=True).encode())


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("create", Operation.CREATE), ("INSERT", Operation.CREATE), ("Read", Operation.READ),
        ("update", Operation.UPDATE), ("DELETE", Operation.DELETE), ("remove", Operation.DELETE),
    ],
)  # fmt: skip
def test_operations_have_several_names_in_any_case(text: str, operation: Operation) -> None:
    assert operation is Operation.parse(text)


@pytest.mark.parametrize("text", ["x", "", "unknown", "upsert", " create"])
def test_any_other_operation_is_an_error(text: str) -> None:
    with pytest.raises(UnknownOperation, match=f'^Unknown operation "{text}"') as raised:
        Operation.parse(text)

    assert f'Unknown operation "{text}"' == raised.value.message
    assert isinstance(raised.value, Misconfigured)


def test_operations_have_the_numbers_of_the_format() -> None:
    assert [0, 1, 2, 3, 4] == [
        int(Operation[name]) for name in ("UNKNOWN", "CREATE", "READ", "UPDATE", "DELETE")
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "the event cannot be read: it is not JSON"),
        ('{"location": "a", "operation": "read", "id": "\\ud800"}', "half of a surrogate pair"),
        ("[]", "no JSON object"),
        ('{"location": "a", "operation": "read"}', "no text for id"),
        ('{"location": 1, "operation": "read", "id": "x"}', "no text for location"),
        ('{"location": "a", "operation": "read", "id": "x", "more": 1}', "unknown keys: more"),
        ('{"location": "a", "operation": "read", "id": "x", "payload": 1}', "payload a JSON object"),
    ],
)
def test_what_is_no_complete_event_is_refused(text: str, fault: str) -> None:
    with pytest.raises(Violation, match=fault):
        Event.from_json(text)
