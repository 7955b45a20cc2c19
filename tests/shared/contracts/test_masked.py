"""A table learns the columns of masked records from the masked contract."""

from __future__ import annotations

import json

import pytest

from shared.common.errors import Misconfigured
from shared.common.masks import DropField, Hash, Partial, masking
from shared.contracts.contract import Contract
from shared.contracts.masked import masked
from shared.contracts.validate import Validator

PEOPLE = Contract.from_schema(
    {
        "properties": {
            "id": {"type": "integer", "description": "number"},
            "born": {"type": ["string", "null"], "format": "date"},
            "mails": {"type": "array", "items": {"type": "string", "format": "email"}},
            "card": {
                "type": "object",
                "properties": {"number": {"type": "integer"}, "x": {"type": "integer"}},
            },
            "homes": {"type": "array", "items": {"$ref": "#/$defs/home"}},
            "free": {},
        },
        "required": ["id", "born"],
        "$defs": {
            "home": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}
        },
    },
    name="people",
    version="2",
)
MASKS: dict[str, Hash | DropField | Partial] = {
    "id": Hash(),
    "born": DropField(),
    "mails": Partial(),
    "card.number": Hash(),
    "homes.street": DropField(),
    "free": Hash(),
}


def test_masked_columns_are_text_and_dropped_ones_are_gone() -> None:
    columns = {column.name: column for column in masked(PEOPLE, MASKS).columns()}

    assert list(columns) == ["id", "mails", "card", "homes", "free"]
    assert (columns["id"].type, columns["id"].nullable, columns["id"].description) == (
        "string",
        False,
        "number",
    )


def test_a_masked_record_fits_the_masked_contract() -> None:
    record = {
        "id": 1,
        "born": "2000-01-01",
        "mails": ["a@b.de"],
        "card": {"number": 4, "x": 2},
        "homes": [{"street": "s"}],
        "free": [1, None],
    }
    text = json.dumps(record).encode()
    after = masking(MASKS, key=b"k")(text)

    assert Validator.for_contract(PEOPLE).check(text) == []
    assert Validator.for_contract(masked(PEOPLE, MASKS)).check(after) == []


def test_the_version_stays_and_the_digest_does_not() -> None:
    assert masked(PEOPLE, MASKS).version == "2"
    assert masked(PEOPLE, MASKS).digest != PEOPLE.digest
    assert masked(PEOPLE, {}) is PEOPLE


@pytest.mark.parametrize("path", ["emial", "card.nubmer"])
def test_a_mask_for_a_field_that_is_not_declared_is_refused(path: str) -> None:
    with pytest.raises(Misconfigured, match="unknown field to mask"):
        masked(PEOPLE, {path: Hash()})


def test_what_lies_in_a_field_of_any_shape_may_be_masked() -> None:
    assert masked(PEOPLE, {"free.a.b": DropField()}).columns() == PEOPLE.columns()
