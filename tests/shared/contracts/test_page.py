"""Pages are checked at once: what may land, what may not and why, and the keys and cursors of what may."""

from __future__ import annotations

import msgspec
import pytest

from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker, newest
from shared.contracts.validate import Duplicates

ORDERS = Contract.from_columns(
    {
        "id": "integer",
        "total": {"type": "decimal", "nullable": True},
        "updated_at": {"type": "timestamp", "nullable": True},
        "tags": {"type": "array", "nullable": True},
    },
    name="orders",
)


def test_a_page_keeps_what_is_right_and_says_why_the_rest_is_not() -> None:
    records = [b'{"id": 1}', b'{"id": "2"}', b'{"id": 3, "extra": 1.0}', b"{", b'{"id": 5}']
    verdict = PageChecker(ORDERS, key_fields=["id"]).check(records)

    assert verdict.accepted == [records[0], records[2], records[4]]
    assert verdict.keys == [1, 3, 5]
    assert [(index, found[0].keyword) for index, found in verdict.rejected] == [(1, "type"), (3, "json")]


def test_a_page_without_faults_is_passed_on_as_it_is() -> None:
    records = (b'{"id": 1}', msgspec.Raw(b'{"id": 2}'))

    assert PageChecker(ORDERS).check(records).accepted is records


def test_an_empty_page_has_an_empty_verdict() -> None:
    verdict = PageChecker(ORDERS, key_fields=["id"], cursor_field="updated_at").check([])

    assert (list(verdict.accepted), verdict.rejected, verdict.keys, verdict.cursors) == ([], (), [], [])
    assert verdict.newest is None


@pytest.mark.parametrize(
    "contract", [None, ORDERS, Contract.from_schema({"allOf": [{}]})], ids=["none", "fast", "full"]
)
def test_keys_and_cursors_are_the_same_by_every_way(contract: Contract | None) -> None:
    big = 2**63 + 1
    checker = PageChecker(contract, key_fields=["id", "account.id"], cursor_field="updated_at")
    records = [
        b'{"id": %d, "account": {"id": "a"}, "updated_at": "2024-01-01T00:00:00.50Z"}' % big,
        b'{"id": 1.0, "account": {"id": "b"}}',
        b'{"id": 3, "account": {"id": "c"}, "updated_at": null, "bad": "\xff"}',
        b'{"id": 4, "account": null}',
        b'{"id": 5, "account": {"id": null}}',
        b'{"id": 6}',
        b'{"id": 7, "account": [1]}',
    ]
    verdict = checker.check(records)

    assert verdict.keys == [(big, "a"), (1, "b")]
    assert verdict.cursors == ["2024-01-01T00:00:00.50Z", None]
    assert [(index, found[0].keyword) for index, found in verdict.rejected] == [
        (2, "json"),
        *((index, "primary_key") for index in (3, 4, 5, 6)),
    ]
    assert verdict.rejected[1][1][0].pointer == "/account/id"


def test_a_record_without_its_key_is_rejected_even_when_the_contract_allows_it() -> None:
    contract = Contract.from_columns({"id": {"type": "string", "nullable": True}})
    verdict = PageChecker(contract, key_fields=["id"]).check([b'{"id": "a"}', b'{"id": null}', b"{}"])

    assert verdict.keys == ["a"]
    assert [index for index, _ in verdict.rejected] == [1, 2]


def test_a_field_of_numbers_keeps_64_bit_integers_exact_as_a_cursor() -> None:
    contract = Contract.from_schema({"properties": {"seq": {"type": "number", "minimum": 5}}})
    checker = PageChecker(contract, cursor_field="seq")

    assert checker.check([b'{"seq": 9007199254740993}', b'{"seq": 7}']).newest == 9007199254740993
    assert [index for index, _ in checker.check([b'{"seq": 4}']).rejected] == [0]


def test_undeclared_fields_are_allowed_in_later_pages_too() -> None:
    checker = PageChecker(ORDERS, key_fields=["id"])
    for page in range(3):
        verdict = checker.check([b'{"id": %d, "new": {"a": [1.5, null]}}' % page, b'{"id": 9}'])

        assert verdict.keys == [page, 9]
    assert [index for index, _ in checker.check([b'{"id": 1, "new": "\xff"}']).rejected] == [0]


def test_of_a_doubled_key_the_last_value_counts_unless_it_is_refused() -> None:
    record = b'{"id": "x", "a": [{"b": 1, "b": 2}], "id": 1}'
    strict = PageChecker(ORDERS, key_fields=["id"], duplicates=Duplicates.REFUSE)

    assert PageChecker(ORDERS, key_fields=["id"]).check([record]).keys == [1]
    assert strict.check([record, b'{"id": 2}']).keys == [2]
    assert [fault.message for fault in strict.validator.check(record)] == [
        'the key "b" occurs twice',
        'the key "id" occurs twice',
    ]


@pytest.mark.parametrize(
    ("cursors", "expected"),
    [
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z"], "2024-01-01T00:00:00.5Z"),
        (["2024-01-01T01:00:00+02:00", "2024-01-01T00:00:00+00:00"], "2024-01-01T00:00:00+00:00"),
        (["2024-01-01", "2023-12-31T00:00:00Z"], "2024-01-01"),
        (["b", "a"], "b"),
        ([3, 20, None], 20),
        ([None], None),
    ],
)
def test_the_newest_cursor_is_the_latest_instant_or_the_greatest_value(
    cursors: list[object], expected: object
) -> None:
    assert newest(cursors) == expected
