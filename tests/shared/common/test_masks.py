"""Masked columns never carry the value they had."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.common.errors import Misconfigured
from shared.common.masks import DropField, Hash, Mask, Partial, masking
from shared.common.rewrite import DROP

KEY = b"k3y"


class Columns(BaseModel):
    masks: dict[str, Mask]


def test_a_mask_is_written_as_its_name_or_with_options() -> None:
    columns = Columns.model_validate(
        {"masks": {"a": "hash", "b": "drop", "c": {"type": "partial", "keep_last": 2}}}
    )

    assert columns.masks == {"a": Hash(), "b": DropField(), "c": Partial(keep_last=2)}


@pytest.mark.parametrize(
    "wrong", ["rot13", {"type": "partial", "keep": 3}, {"type": "partial", "character": "ab"}]
)
def test_an_unknown_mask_or_option_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Columns.model_validate({"masks": {"a": wrong}})


def test_a_hash_is_the_keyed_hmac_of_the_text() -> None:
    assert Hash().apply("Zoë", key=KEY) == hmac.new(KEY, "Zoë".encode(), hashlib.sha256).hexdigest()


def test_equal_values_hash_alike_and_other_keys_do_not() -> None:
    assert Hash().apply("5", key=KEY) == Hash().apply(5, key=KEY)
    assert Hash().apply("5", key=KEY) != Hash().apply("5", key=b"other")
    assert Hash().apply({"a": 1, "b": 2}, key=KEY) == Hash().apply({"b": 2, "a": 1}, key=KEY)


@pytest.mark.parametrize("mask", [Hash(), Partial()])
def test_null_stays_null_and_lists_are_masked_item_by_item(mask: Hash | Partial) -> None:
    assert mask.apply(None, key=KEY) is None
    assert mask.apply(["secret", None], key=KEY) == [mask.apply("secret", key=KEY), None]


def test_hashing_without_a_key_is_refused_before_any_record() -> None:
    with pytest.raises(Misconfigured, match="there is no key"):
        masking({"a": Hash()})
    with pytest.raises(Misconfigured, match="there is no key"):
        Hash().apply("a", key=b"")


def test_drop_leaves_the_field_out() -> None:
    assert DropField().apply("a", key=KEY) is DROP


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        (Partial(), "4111111111111111", "************1111"),
        (Partial(), "1111", "****"),
        (Partial(), "", ""),
        (Partial(keep_first=1, keep_last=0, character="x"), "secret", "sxxxxx"),
        (Partial(keep_first=2, keep_last=3), "abcde", "*****"),
        (Partial(keep_last=2), 12345, "***45"),
        (Partial(keep_last=2), True, "**ue"),
    ],
)
def test_partial_keeps_the_ends_and_never_the_whole(mask: Partial, value: object, expected: str) -> None:
    assert mask.apply(value, key=b"") == expected


@given(st.text(max_size=12), st.integers(0, 6), st.integers(0, 6))
def test_partial_shows_at_most_what_it_keeps_and_keeps_the_length(text: str, first: int, last: int) -> None:
    covered = Partial(keep_first=first, keep_last=last, character="\x01").apply(text, key=b"")

    assert len(covered) == len(text)
    assert sum(1 for sign in covered if sign != "\x01") <= (first + last if len(text) > first + last else 0)


def test_masks_are_applied_to_raw_records_by_path() -> None:
    mask = masking({"card.number": Partial(), "email": Hash(), "notes": DropField()}, key=KEY)
    record = b'{"id":1.0,"email":"a@b.de","card":{"number":4111111111111111,"x":1},"notes":"n"}'
    found: dict[str, Any] = json.loads(mask(record))

    assert found == {
        "id": 1.0,
        "email": Hash().apply("a@b.de", key=KEY),
        "card": {"number": "************1111", "x": 1},
    }
    assert mask(record).startswith(b'{"id":1.0,')
