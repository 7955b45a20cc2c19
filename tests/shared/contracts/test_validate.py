"""A record is held against its contract with all its faults, and the fast way for pages says the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker
from shared.contracts.validate import Fault, Validator, doubled

ORDERS = Contract.from_columns(
    {
        "id": "integer",
        "total": {"type": "decimal", "nullable": True},
        "updated_at": {"type": "timestamp", "nullable": True},
        "tags": {"type": "array", "nullable": True},
    },
    name="orders",
)
OPEN = Contract.from_schema({"type": "object"})


def faults(contract: Contract, record: bytes) -> list[tuple[str, str]]:
    """Pointer and keyword of each fault; the page checker must say the same."""
    found = Validator.for_contract(contract).check(record)
    verdict = PageChecker(contract).check([record])

    assert verdict.rejected == (((0, tuple(found)),) if found else ())
    return [(fault.pointer, fault.keyword) for fault in found]


def test_all_faults_of_a_record_are_found_with_their_place() -> None:
    record = b'{"total": true, "updated_at": "today", "tags": {}}'

    assert sorted(faults(ORDERS, record)) == [
        ("", "required"),
        ("/tags", "type"),
        ("/total", "type"),
        ("/updated_at", "format"),
    ]


def test_pointers_escape_slash_and_tilde() -> None:
    contract = Contract.from_schema({"properties": {"a/b~": {"items": {"type": "integer"}}}})

    assert faults(contract, b'{"a/b~": [1, "x"]}') == [("/a~1b~0/1", "type")]


def test_messages_do_not_show_values() -> None:
    contract = Contract.from_schema(
        {
            "properties": {
                "a": {"type": "integer"},
                "b": {"enum": ["x"]},
                "c": {"maxLength": 2},
                "d": {"pattern": "^x"},
            }
        }
    )
    record = dict.fromkeys("abcd", "s3cret")
    found = Validator.for_contract(contract).check(json.dumps(record).encode())

    assert len(found) == 4
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 01}',
        b'{"a": 1.}',
        b'{"a": "\x01"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"\xff": 1}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": 1,}',
        b'{"a": 1} {}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"x": 1e999, "a": NaN}',
        b'{"x": 1e999, "a": "\xff"}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
@pytest.mark.parametrize("contract", [OPEN, ORDERS], ids=["open", "orders"])
def test_what_is_not_json_is_a_fault(text: bytes, contract: Contract) -> None:
    assert faults(contract, text) == [("", "json")]


@pytest.mark.parametrize("text", [b"[]", b"null", b"1", b'"a"', b"true"])
def test_a_record_is_an_object(text: bytes) -> None:
    assert faults(OPEN, text) == [("", "type")]
    assert faults(Contract.from_schema({"allOf": [{}]}), text) == [("", "type")]


@pytest.mark.parametrize("number", [b"1e999", b"-1E+400", b"1" * 5000])
def test_a_number_beyond_a_double_is_a_fault_only_where_the_contract_speaks(number: bytes) -> None:
    contract = Contract.from_schema(
        {"properties": {"a": {"type": "number"}, "b": {"type": "string"}, "c": {}}}
    )

    assert faults(contract, b'{"x": %b}' % number) == []
    assert faults(contract, b'{"c": %b}' % number) == []
    assert faults(contract, b'{"a": %b}' % number) == [("/a", "type")]
    assert faults(contract, b'{"b": %b}' % number) == [("/b", "type")]


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "-9223372036854775809", "1.0", "1e2", "-0"]
)
def test_integers_of_any_size_and_form_are_integers(number: str) -> None:
    assert faults(ORDERS, b'{"id": %b}' % number.encode()) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2024-01-01T00:00:00Z", True),
        ("2024-01-01t00:00:00z", True),
        ("2024-02-29T23:59:59.123456789+05:30", True),
        ("2016-12-31T23:59:60Z", True),
        ("0000-01-01T00:00:00Z", True),
        ("9999-12-31T23:59:59.9999999-23:59", True),
        ("2024-01-01T00:00:00-00:00", True),
        ("2024-01-01 00:00:00Z", False),
        ("2024-01-01T24:00:00Z", False),
        ("2024-01-01T00:00:60Z", False),
        ("2024-01-01T00:00:00", False),
        ("2024-01-01T00:00:00+0000", False),
        ("2024-01-01T00:00:00+00", False),
        ("2024-01-01T00:00:00+24:00", False),
        ("2024-01-01T00:00:00.Z", False),
        ("2024-01-01T00:00Z", False),
        ("2023-02-29T00:00:00Z", False),
        ("2024-01-01T00:00:00Z\n", False),
        ("2024-01-01", False),
        ("", False),
    ],
)
def test_date_times_are_those_of_rfc_3339(text: str, right: bool) -> None:
    record = json.dumps({"id": 1, "updated_at": text}).encode()

    assert faults(ORDERS, record) == ([] if right else [("/updated_at", "format")])


@given(
    st.from_regex(
        r"\A[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,10})?"
        r"(Z|z|[+-][0-2][0-9]:?[0-5][0-9])?\Z"
    )
)
def test_the_fast_way_and_the_full_one_agree_on_date_times(text: str) -> None:
    faults(ORDERS, json.dumps({"id": 1, "updated_at": text}).encode())


def test_a_closed_contract_refuses_undeclared_fields() -> None:
    contract = Contract.from_schema({"properties": {"id": {}}, "additionalProperties": False})

    assert faults(contract, b'{"id": 1}') == []
    assert faults(contract, b'{"id": 1, "x": 2}') == [("", "additionalProperties")]
    assert (
        PageChecker(contract, key_fields=["code"]).check([b'{"id": 1}']).rejected[0][1][0].keyword
        == "primary_key"
    )


def test_doubled_keys_are_found_behind_escapes() -> None:
    assert doubled(b'{"a": 1, "\\u0061": 2}') == ["a"]
    assert doubled(b'{"a": {"b": 1}, "b": 2}') == []
    assert doubled(b"{") == []


def test_a_fault_is_a_value() -> None:
    assert Fault("/a", "type", "x") == Fault("/a", "type", "x")
