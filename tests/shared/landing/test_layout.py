"""Names tell runs, attempts, windows and parts apart, and sort as they were made."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.landing.layout import FORMATS, Layout, PartName, format_of

DAY = date(2026, 11, 20)


def test_the_keys_of_a_stream() -> None:
    layout = Layout("recurly", "line_items")

    assert layout.data == "landing/recurly/line_items/data/"
    assert layout.rejected == "landing/recurly/line_items/rejected/"
    assert layout.commit(3) == "landing/recurly/line_items/log/00000000000000000003.json"
    assert layout.sequence(layout.commit(3)) == 3
    assert layout.sequence(layout.log + "notes.txt") is None
    assert layout.sequence("landing/recurly/accounts/log/00000000000000000003.json") is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "1st", "_x", "é", "a.b", "a" * 65, "a\n"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be the name of a source"):
        Layout(name, "accounts")
    with pytest.raises(Misconfigured, match="cannot be the name of a stream"):
        Layout("recurly", name)


@pytest.mark.parametrize("run", ["", "../x", "a/b", ".hidden", "a b", "x" * 101])
def test_a_run_id_that_could_leave_its_folder_is_refused(run: str) -> None:
    with pytest.raises(Misconfigured, match="cannot be the id of a run"):
        PartName(run, 1, 0, 0, DAY)


def test_counting_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="count from 0 or 1"):
        PartName("r", 1, -1, 0, DAY)


PLACES = st.tuples(st.integers(1, 999), st.integers(0, 99_999), st.integers(0, 99_999))


@given(st.sets(PLACES, min_size=2, max_size=20))
def test_text_order_is_the_order_of_attempt_window_and_part(places: set[tuple[int, int, int]]) -> None:
    named = {place: PartName("r", *place, DAY).key("data/") for place in places}

    assert sorted(named.values()) == [named[place] for place in sorted(places)]


@given(PLACES, PLACES, st.integers(1, 99), st.integers(1, 99))
def test_two_parts_never_share_a_name(
    one: tuple[int, int, int], two: tuple[int, int, int], take: int, other: int
) -> None:
    first = PartName("r", *one, DAY).key("data/", take=take)
    second = PartName("r", *two, DAY).key("data/", take=other)

    assert (first == second) == ((one, take) == (two, other))


@pytest.mark.parametrize("name", FORMATS)
def test_the_key_says_the_format(name: str) -> None:
    assert format_of(PartName("r.1-x", 1, 0, 0, DAY).key("data/", format=name, take=3)) == name


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r'did you mean "csv.gz"\?'):
        format_of("data/part.csv.gzip")
