"""Checks as people write them: what is read, and where a mistake is."""

from __future__ import annotations

import pytest

from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.contracts.check_files import read_check_file, to_document
from shared.contracts.expectation import Expectation, Severity
from shared.contracts.expectations import kinds

FILE = "checks/orders.yml"


def read(text: str, columns: list[str] | None = None) -> tuple[Expectation, ...]:
    return read_check_file(read_yaml(text, file=FILE), columns=columns)


def test_checks_are_read() -> None:
    first, second, third = read(
        "checks:\n"
        "  - expect_column_values_to_not_be_null: { column: id }\n"
        "  - expect_column_values_to_be_between: { column: total, min_value: 0, mostly: 99%, severity: warn }\n"
        "  - expect_table_row_count_to_equal_commit\n"
    )

    assert ("id", 1.0, Severity.FAIL) == (
        first.model_dump()["column"],
        first.model_dump()["mostly"],
        first.severity,
    )
    assert (0, 0.99, Severity.WARN) == (
        second.model_dump()["min_value"],
        second.model_dump()["mostly"],
        second.severity,
    )
    assert "expect_table_row_count_to_equal_commit" == third.name()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            "expect_column_values_to_not_be_nul: {column: id}",
            '2:5 unknown .*did you mean "expect_column_values_to_not_be_null"',
        ),
        (
            "expect_column_values_to_not_be_null: {colum: id}",
            '2:43 unknown key "colum"; did you mean "column"',
        ),
        (
            "expect_column_values_to_not_be_null: {column: id, mostly: 1.2}",
            "2:63 mostly: must be less than or equal to 1",
        ),
        (
            "expect_column_values_to_not_be_null: {column: idd}",
            '2:42 .*unknown column "idd".*did you mean "id"',
        ),
        ("expect_column_values_to_be_null: {column: id, row_condition: idd = 1}", 'unknown column "idd"'),
        (
            "expect_column_values_to_be_null: {column: id, row_condition: 'id ='}",
            "row_condition: .* at character 5",
        ),
        ("expect_column_values_to_be_between: {column: id}", "give `min_value`, `max_value` or both"),
        ("expect_column_values_to_be_between: {column: id, min_value: 3, max_value: 1}", "is greater than"),
        ("expect_column_values_to_be_between: {column: id, min_value: 3, max_value: z}", "different kinds"),
        ("expect_column_values_to_be_between: {column: id, min_value: true}", "min_value"),
        (
            "expect_column_values_to_be_in_set: {column: id, value_set: [1, null]}",
            "null has no place in a set",
        ),
        ("expect_column_values_to_be_in_set: {column: id, value_set: []}", "value_set"),
        ("expect_compound_columns_to_be_unique: {column_list: [id]}", "column_list"),
        ("expect_column_values_to_be_in_table: {column: id, to: accounts, field: id}", "to: "),
        ("expect_table_row_count_to_be_usual: {loads: 4, min_loads: 5}", "`min_loads` 5 is more than"),
        ("unexpected_rows_expectation: {unexpected_rows_query: 'drop table x'}", "begins with SELECT"),
        (
            "unexpected_rows_expectation: {unexpected_rows_query: 'select 1; drop table x'}",
            "without a semicolon",
        ),
        ("5", "is no check"),
    ],
)
def test_a_mistake_is_told_with_its_place(check: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        read(f"checks:\n  - {check}\n", ["id"])


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        read("checks:\n  - expect_a\n  - expect_column_values_to_be_null: {}\n  - 5\n")

    assert ["2", "3", "4"] == [line.split(":")[1] for line in str(caught.value).splitlines()]


def test_checks_about_columns_may_name_unknown_ones() -> None:
    """That a column is there is what they are about."""
    read(
        "checks:\n  - expect_column_to_exist: {column: nope}\n"
        "  - expect_table_columns_to_match_set: {column_set: [nope]}\n",
        ["id"],
    )


def test_a_check_is_written_as_it_was_read() -> None:
    text = {
        "expect_column_values_to_be_between": {
            "column": "n",
            "min_value": 1,
            "strict_min": True,
            "severity": "warn",
        }
    }
    ((name, arguments),) = text.items()

    assert text == to_document(kinds()[name].model_validate(arguments))


def test_the_names_are_those_of_great_expectations() -> None:
    """Issue 3 lists what must be there."""
    wanted = """
        table_row_count_to_equal table_row_count_to_be_between column_to_exist table_columns_to_match_set
        table_columns_to_match_ordered_list column_values_to_not_be_null column_values_to_be_null
        column_values_to_be_unique column_values_to_be_in_set column_values_to_not_be_in_set
        column_values_to_be_between column_values_to_match_regex column_values_to_not_match_regex
        column_values_to_match_like_pattern column_values_to_be_of_type column_values_to_be_increasing
        column_value_lengths_to_be_between column_value_lengths_to_equal compound_columns_to_be_unique
        select_column_values_to_be_unique_within_record column_pair_values_a_to_be_greater_than_b
        column_pair_values_to_be_equal column_min_to_be_between column_max_to_be_between
        column_mean_to_be_between column_median_to_be_between column_sum_to_be_between
        column_stdev_to_be_between column_unique_value_count_to_be_between
        column_proportion_of_unique_values_to_be_between column_distinct_values_to_be_in_set
        column_distinct_values_to_equal_set column_distinct_values_to_contain_set multicolumn_sum_to_equal
    """

    assert set() == {f"expect_{name}" for name in wanted.split()} - set(kinds())
