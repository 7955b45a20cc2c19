"""Fields of raw records are changed without touching anything else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured
from shared.common.rewrite import DROP, Change, Rewriter, rewrite


def test_other_values_keep_their_text() -> None:
    record = b'{"a":1.50,"b":12345678901234567890123,"c":"\\u00e9\\/","d":{"e":1E5},"f":"x"}'

    assert rewrite(record, {"f": lambda value: value * 2}) == record.replace(b'"x"', b'"xx"')


def test_values_come_without_losing_a_digit() -> None:
    seen: list[Any] = []
    rewrite(
        b'{"a":3.140000000000000124,"b":12345678901234567890123,"c":null}', dict.fromkeys("abc", seen.append)
    )

    assert seen == [Decimal("3.140000000000000124"), 12345678901234567890123, None]


def test_a_decimal_is_written_as_a_number() -> None:
    assert rewrite(b'{"a":0.10}', {"a": lambda value: value * 3}) == b'{"a":0.30}'


def test_paths_go_into_objects_and_through_lists() -> None:
    record = b'{"a":{"b":{"c":1,"d":2.0}},"items":[{"n":1},{"n":2,"m":3},7,null,[{"n":4}]]}'
    changes: dict[str, Change] = {"a.b.c": DROP, "items.n": lambda value: value + 10, "none.at.all": DROP}

    assert json.loads(rewrite(record, changes)) == {
        "a": {"b": {"d": 2.0}},
        "items": [{"n": 11}, {"n": 12, "m": 3}, 7, None, [{"n": 14}]],
    }


def test_a_function_may_drop_the_field() -> None:
    assert rewrite(b'{"a":1,"b":2}', {"a": lambda _: DROP}) == b'{"b":2}'


def test_a_key_behind_escapes_is_found() -> None:
    assert rewrite(b'{"\\u0061":1,"b":2}', {"a": DROP}) == b'{"b":2}'


def test_of_a_doubled_key_nothing_is_left_behind() -> None:
    assert rewrite(b'{"a":"secret","b":1,"a":"x"}', {"a": DROP}) == b'{"b":1}'


def test_a_path_inside_another_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r'"a\.b" lies inside a field that is changed as a whole'):
        Rewriter.of({"a": DROP, "a.b": DROP})


@pytest.mark.parametrize("record", [b"[]", b'"a"', b"{", b"1"])
def test_what_is_not_an_object_cannot_be_changed(record: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        rewrite(record, {"a": DROP})


def test_an_integer_of_thousands_of_digits_comes_as_its_text() -> None:
    assert rewrite(b'{"a":%b}' % (b"1" * 5000), {"a": len}) == b'{"a":5000}'


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "é"]), values), st.sampled_from(["a", "b", "é"]))
def test_dropping_a_field_drops_that_field_and_nothing_else(record: dict[str, Any], name: str) -> None:
    left = json.loads(rewrite(json.dumps(record).encode(), {name: DROP}))

    assert left == {key: value for key, value in record.items() if key != name}
