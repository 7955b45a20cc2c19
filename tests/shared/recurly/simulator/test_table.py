"""Paging through the records of one list."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.recurly.simulator.table import Selection, Table, read_cursor, wire, write_cursor

seconds = st.integers(0, 9).map(lambda number: f"2025-01-01T00:00:0{number}Z")


def table_of(times: list[str]) -> Table:
    table = Table("things")
    for index, at in enumerate(times):
        table.add({"id": str(index), "created_at": at, "updated_at": at}, owner=str(index % 2))
    return table


def walk(table: Table, selection: Selection) -> list[str]:
    found: list[str] = []
    while True:
        rows, cursor = table.page(selection)
        found += [row.doc["id"] for row in rows]
        if cursor is None:
            return found
        selection = replace(selection, after=read_cursor(cursor))


@given(st.lists(seconds, max_size=40), st.integers(1, 7), st.booleans())
def test_paging_visits_every_record_once_in_order(times: list[str], limit: int, ascending: bool) -> None:
    """Also where many records have the same time."""
    found = walk(table_of(times), Selection(limit=limit, ascending=ascending))
    expected = sorted(range(len(times)), key=lambda index: (times[index], index), reverse=not ascending)

    assert [str(index) for index in expected] == found


@given(st.lists(seconds, max_size=40), seconds, seconds)
def test_both_ends_of_a_window_belong_to_it(times: list[str], begin: str, end: str) -> None:
    selection = Selection(begin=begin, end=end, ascending=True, limit=3)
    expected = {str(index) for index, at in enumerate(times) if begin <= at <= end}

    assert expected == set(walk(table_of(times), selection))
    assert len(expected) == table_of(times).count(selection)


@given(st.lists(seconds, min_size=1, max_size=20), st.sampled_from(["0", "1"]))
def test_a_child_list_holds_the_records_of_its_owner(times: list[str], owner: str) -> None:
    expected = {str(index) for index in range(len(times)) if str(index % 2) == owner}

    assert expected == set(walk(table_of(times), Selection(owner=owner, limit=2)))


def test_a_record_that_changes_while_somebody_pages_is_seen_again_at_its_new_place() -> None:
    table = table_of([f"2025-01-01T00:00:0{number}Z" for number in range(4)])
    first, cursor = table.page(Selection(sort="updated_at", ascending=True, limit=2))
    table.touch("0", "2025-01-01T00:00:09Z", name="new")
    assert cursor is not None

    rest = walk(table, Selection(sort="updated_at", ascending=True, limit=2, after=read_cursor(cursor)))

    assert (["0", "1"], ["2", "3", "0"]) == ([row.doc["id"] for row in first], rest)


def test_a_change_never_moves_updated_at_back() -> None:
    table = table_of(["2025-01-01T00:00:05Z"])
    table.touch("0", "2025-01-01T00:00:01Z")

    assert table.rows["0"].doc["updated_at"] == "2025-01-01T00:00:05Z"


def test_a_removed_record_is_gone_and_its_number_is_not_used_again() -> None:
    table = table_of(["2025-01-01T00:00:05Z"] * 2)
    table.remove("1")
    table.add({"id": "new", "created_at": "2025-01-01T00:00:05Z"})

    assert ["0", "new"] == walk(table, Selection(ascending=True))
    assert table.rows["new"].number == 3
    assert table.owned_by("1") == []


def test_a_record_is_found_by_id_and_by_code() -> None:
    table = Table("plans")
    table.add({"id": "a", "code": "gold", "created_at": "2025-01-01T00:00:05Z"})

    assert table.find("a") is table.find("code-gold") is not None
    assert table.find("gold") is None


@given(
    st.datetimes().map(lambda moment: f"{moment:%Y}".zfill(4) + f"{moment:-%m-%dT%H:%M:%SZ}"),
    st.integers(0, 10**9),
)
def test_a_cursor_reads_back(at: str, number: int) -> None:
    assert read_cursor(write_cursor((at, number))) == (at, number)


@pytest.mark.parametrize(
    "text", ["", "1", "1:", ":20250101000000", "1:2025", "x:20250101000000", "²:20250101000000"]
)
def test_a_cursor_that_no_answer_contained_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        read_cursor(text)


def test_nulls_are_sent_or_left_out_at_every_depth() -> None:
    doc = {"a": None, "b": {"c": None, "d": [{"e": None}]}}

    assert wire(doc, nulls=True) == b'{"a":null,"b":{"c":null,"d":[{"e":null}]}}'
    assert wire(doc, nulls=False) == b'{"b":{"d":[{}]}}'
