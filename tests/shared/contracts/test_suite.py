"""A suite of Great Expectations becomes a file of checks; nothing of it disappears silently."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.common.documents import read_json_document, read_yaml
from shared.common.errors import Misconfigured
from shared.contracts.check_files import read_check_file, to_document
from shared.contracts.suite import Imported, import_suite


def imported(*expectations: dict[str, Any], **suite: Any) -> Imported:
    text = json.dumps({"name": "orders", "expectations": list(expectations), **suite})
    return import_suite(read_json_document(text, file="suite.json"))


def test_a_suite_of_1_x() -> None:
    found = imported(
        {
            "type": "expect_column_values_to_not_be_null",
            "kwargs": {"column": "id", "mostly": 0.9, "result_format": "BASIC"},
            "id": "x",
            "severity": "critical",
        },
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {
                "column": "state",
                "value_set": ["open", "paid", None],
                "row_condition": {"type": "nullity", "column": {"name": "id"}, "is_null": False},
            },
            "severity": "warning",
            "notes": ["as agreed", "with Ada"],
        },
        meta={"great_expectations_version": "1.24.1"},
    )

    assert [
        {"expect_column_values_to_not_be_null": {"column": "id", "mostly": 0.9}},
        {
            "expect_column_values_to_be_in_set": {
                "column": "state",
                "value_set": ["open", "paid"],
                "row_condition": 'not "id" is null',
                "severity": "warn",
                "notes": "as agreed\nwith Ada",
            }
        },
    ] == [to_document(check) for check in found.checks]
    assert ((), ("number 2: null was taken out of value_set, where it has no effect",)) == (
        found.left,
        found.changed,
    )


def test_a_suite_of_0_x() -> None:
    arguments = {
        "column": "id",
        "min_value": 0,
        "max_value": None,
        "row_condition": 'col("a").notNull()',
        "condition_parser": "great_expectations__experimental__",
    }
    found = imported(
        {
            "expectation_type": "expect_column_max_to_be_between",
            "kwargs": arguments,
            "meta": {"notes": {"format": "markdown", "content": "odd"}},
        }
    )
    wanted = {"column": "id", "min_value": 0, "row_condition": 'not "a" is null', "notes": "odd"}

    assert [{"expect_column_max_to_be_between": wanted}] == [to_document(check) for check in found.checks]


def test_what_is_not_supported_is_named_with_its_reason() -> None:
    found = imported(
        {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "a"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "a", "min_value": {"$PARAMETER": "low"}},
        },
        {"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "odd": 1}},
        {
            "type": "expect_column_values_to_be_null",
            "kwargs": {"column": "a", "row_condition": "a.str.len() > 1"},
        },
        {"type": "expect_column_values_to_be_null", "kwargs": {"column": "a"}, "severity": "fatal"},
        {"kwargs": {}},
    )

    reasons = [one.reason for one in found.left]
    assert [1, 2, 3, 4, 5, 6] == [one.number for one in found.left]
    assert () == found.checks
    for reason, words in zip(
        reasons,
        ["not supported", "suite parameter 'low'", 'unknown key "odd"', "cannot be read", "'fatal'", ""],
        strict=True,
    ):
        assert words in reason


def test_the_file_is_read_back() -> None:
    found = imported(
        {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": "a: b", "regex": "^[#'\"{]\\d+ é$"},
        },
        {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}},
        {"type": "expect_nothing\n- expect_x", "kwargs": {}},
        name="evil\n- x",
    )
    text = found.to_yaml()

    assert found.checks == read_check_file(read_yaml(text, file="a.yml"))
    assert "# Left out, number 3: expect_nothing" in text


@pytest.mark.parametrize("text", ["[]", "{}", '{"expectations": 5}', '{"expectations": [5]}'])
def test_what_is_no_suite_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"suite\.json"):
        import_suite(read_json_document(text, file="suite.json"))
