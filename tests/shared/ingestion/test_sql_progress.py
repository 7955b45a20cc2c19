"""The progress of a table is a value: whatever it went through, each range is done once, and it survives a commit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.contracts.columns import ColumnType
from shared.ingestion.plan import Ask
from shared.ingestion.sql_progress import TableProgress, cursor_after, resumed, shown, spanned
from shared.ingestion.sql_spec import Table
from shared.ingestion.sql_table import Range, TableColumn
from shared.landing.commit import Commit, Draft

AT = TableColumn("at", ColumnType.TIMESTAMP, "timestamptz", "at")
NUMBER = TableColumn("id", ColumnType.INTEGER, "int8", "id")


def progress(cuts: int, **more: object) -> TableProgress:
    return TableProgress("r", 1, ("id",), True, cuts=tuple((str(i),) for i in range(cuts)), **more)  # type: ignore[arg-type]


def commit(draft: TableProgress | None, *, cursor: object = None) -> Commit:
    resume = None if draft is None else draft.to_json()
    return Commit("s", "t", 1, "", Draft("r", 1, cursor=cursor, resume=json.loads(json.dumps(resume))))


@given(st.integers(0, 6), st.data())
def test_ranges_are_each_done_once_in_any_order(cuts: int, data: st.DataObject) -> None:
    """Also when every step goes through a commit and back."""
    now, done = progress(cuts), set[int]()
    for _ in range(200):
        if now.complete:
            break
        choices = [*now.open, *range(now.next, now.total)]
        index = data.draw(st.sampled_from(sorted(set(choices))))
        bound = data.draw(st.none() | st.tuples(st.text(max_size=3)))
        over = data.draw(st.booleans())
        now = now.finished(index) if over else now.at(index, bound)
        if over:
            assert index not in done
            done.add(index)
        elif bound is not None:
            assert bound == now.span(index).lower
        again = resumed(commit(now), ("id",), ask=Ask(), restart=False)
        assert again is not None
        assert (now.next, dict(now.open), now.cuts) == (again.next, dict(again.open), again.cuts)
        now = again

    assert now.complete is (done == set(range(cuts + 1)))


def test_ranges_meet_without_a_gap() -> None:
    whole = progress(2)

    spans = [whole.span(i) for i in range(whole.total)]
    assert [Range(None, ("0",)), Range(("0",), ("1",)), Range(("1",), None)] == spans


def test_a_run_is_taken_up_only_when_its_keys_still_mean_something() -> None:
    """Not with another key, not when somebody asks for something else, not when the file says to restart."""
    last = commit(progress(1).at(0, ("5",)))

    taken = resumed(last, ("id",), ask=Ask(), restart=False)
    assert taken is not None
    assert (2, Range(("5",), ("0",))) == (taken.attempt, taken.span(0))
    assert resumed(last, ("other",), ask=Ask(), restart=False) is None
    assert resumed(last, ("id",), ask=Ask(full_refresh=True), restart=False) is None
    assert resumed(last, ("id",), ask=Ask(), restart=True) is None
    assert resumed(commit(None), ("id",), ask=Ask(), restart=False) is None


@pytest.mark.parametrize(
    "change",
    [
        [],
        "x",
        {"run": None},
        {"attempt": True},
        {"order": "id"},
        {"snapshot": 1},
        {"moves": None},
        {"since": 5},
        {"until": ["2024"]},
        {"cuts": None},
        {"cuts": [["1", "2"]]},
        {"cuts": [[1]]},
        {"next": "1"},
        {"next": 7},
        {"open": [0]},
        {"open": [[0, "5"]]},
        {"open": [[0, []]]},
        {"open": [["0", None]]},
        {"open": [[6, None]]},
    ],
)
def test_a_damaged_resume_names_its_commit_and_the_ways_out(change: Any) -> None:
    whole = progress(1).at(0, ("5",)).to_json()
    resume = {**whole, **change} if isinstance(change, dict) else change
    last = Commit("shop", "orders", 7, "", Draft("r", 1, resume=resume))

    with pytest.raises(Violation, match=r"in `resume`.*source shop, stream orders, commit 7\]") as caught:
        resumed(last, ("id",), ask=Ask(), restart=False)

    assert all(way in (caught.value.hint or "") for way in ("state rewind", "state reset", "--full-refresh"))
    assert resumed(last, ("id",), ask=Ask(full_refresh=True), restart=False) is None


def test_any_field_that_is_gone_is_damage() -> None:
    whole = progress(1).at(0, ("5",)).to_json()

    for name in whole.keys() - {"kind"}:
        last = Commit(
            "shop", "orders", 7, "", Draft("r", 1, resume={n: v for n, v in whole.items() if n != name})
        )
        with pytest.raises(Violation, match="KeyError in `resume`"):
            resumed(last, ("id",), ask=Ask(), restart=False)


def test_a_cursor_moves_at_the_end_and_never_back() -> None:
    table = Table(table="t", cursor_field="at")
    span = spanned(table, AT, "2024-01-02T00:00:00Z", newest="2024-01-01T00:00:00Z", ask=Ask())
    done = progress(0, since=span.since, until=span.until).finished(0)

    assert "2024-01-02T00:00:00Z" == cursor_after(done, AT, "2024-01-02T00:00:00Z")
    assert 10 == cursor_after(progress(0, until="9").finished(0), NUMBER, 10)
    assert 11 == cursor_after(progress(0, until="11").finished(0), NUMBER, 10)
    assert 10 == cursor_after(progress(1, until="11").finished(0), NUMBER, 10)
    assert spanned(table, AT, None, newest=None, ask=Ask()).empty


def test_bounds_are_shown_as_times_where_they_are() -> None:
    assert ["2024-01-01T00:00:00Z", "abc", None] == [
        shown(t) for t in ("2024-01-01 00:00:00+00", "abc", None)
    ]
