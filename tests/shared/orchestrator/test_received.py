"""JSON from outside: what is refused, and which numbers keep their digits."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Violation
from shared.orchestrator.received import DEEPEST, exact, received

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(PLAIN)
def test_what_json_can_say_is_read(plain: Any) -> None:
    assert plain == received(json.dumps(plain))
    assert plain == received(json.dumps(plain, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is not JSON"),
        (b"\xff", "is not JSON"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("[1e999]", "1e999 is more than a number holds"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', 'the key "b" is there twice'),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested more than 100 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested more than 100 levels"),
    ],
)
def test_what_could_not_be_handed_on_is_refused(text: str | bytes, fault: str) -> None:
    with pytest.raises(Violation, match=fault):
        received(text)


def test_what_only_looks_so_is_taken() -> None:
    assert ["\U0001f600", "[" * 200] == received('["\\ud83d\\ude00", "%s"]' % ("[" * 200))
    assert DEEPEST * "[" + DEEPEST * "]" == json.dumps(received(DEEPEST * "[" + DEEPEST * "]"))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_no_digit_of_a_number_is_lost(number: Decimal) -> None:
    found = exact(str(number))

    assert number == Decimal(found if isinstance(found, str) else repr(found))
