"""The benchmark's records are the same for the same seed, fit their contracts, and can be asked for by time."""

from __future__ import annotations

import json

import pytest

from benchmarks.data import STREAMS, contract_of, make_stream, time_of
from shared.contracts.contract import Contract
from shared.contracts.page import PageChecker


@pytest.mark.parametrize("name", STREAMS)
def test_every_record_fits_its_contract_by_the_fast_way(name: str) -> None:
    stream = make_stream(name, 300, unique=100)
    contract = Contract.from_schema(contract_of(name), name=name)
    checker = PageChecker(contract, key_fields=["id"], cursor_field="updated_at")
    verdict = checker.check([stream.record(index) for index in range(300)])

    assert verdict.rejected == ()
    assert len(set(verdict.keys)) == 300
    assert list(verdict.cursors) == sorted(verdict.cursors)
    assert checker.compiled
    assert 35 <= len(contract.columns()) <= 50


@pytest.mark.parametrize("name", STREAMS)
def test_a_record_weighs_about_two_and_a_half_kilobytes(name: str) -> None:
    stream = make_stream(name, 200)
    weight = len(stream.page(0, 200)) / 200

    assert 2000 < weight < 3000
    assert b" :" not in stream.record(0)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = make_stream("accounts", 20, unique=5), make_stream("accounts", 20, unique=5)

    assert first.page(0, 20) == second.page(0, 20)
    assert make_stream("accounts", 20, unique=5, seed=3).page(0, 20) != first.page(0, 20)


def test_a_page_over_the_end_of_the_block_holds_the_right_records() -> None:
    stream = make_stream("invoices", 50, unique=7)
    page = json.loads(b"[" + stream.page(4, 40) + b"]")

    assert page == [json.loads(stream.record(index)) for index in range(4, 40)]
    assert [record["id"] for record in page] == [f"{index:013d}" for index in range(4, 40)]


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (None, None, range(20)),
        ("2023-01-01T00:00:02Z", None, range(6, 20)),
        (None, "2023-01-01T00:00:02Z", range(9)),
        ("2023-01-01T00:00:01Z", "2023-01-01T00:00:01Z", range(3, 6)),
        ("2023-01-01T00:00:00.5Z", "2023-01-01T00:00:01.5Z", range(3, 6)),
        ("2022-01-01T00:00:00Z", "2030-01-01T00:00:00Z", range(20)),
        ("2030-01-01T00:00:00Z", None, range(20, 20)),
    ],
)
def test_bounds_are_inclusive(begin: str | None, end: str | None, expected: range) -> None:
    stream = make_stream("accounts", 20)
    found = stream.between(begin, end)

    assert found == expected
    assert all((begin or "") <= time_of(index) for index in found if not begin or "." not in begin)
