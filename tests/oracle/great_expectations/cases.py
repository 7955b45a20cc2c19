"""Expectations with arguments near the values of a table, so that about half of them hold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from great_expectations.expectations.row_conditions import Column

from tests.oracle.great_expectations.rows import COLUMNS, WORDS

Case = tuple[str, dict[str, Any]]
NUMBERS = ("id", "n", "m", "k", "amount", "ratio", "empty")
TEXTS = ("name", "Code", "select")
REGEXES = ("^C[0-9]+$", "a", "^$", "^.{1,5}$", "[éï]", r"\d", "^(alpha|beta)$", "%", "名")
PATTERNS = ("C%", "%a%", "_____", "", "%\\%", "a\\_b", "%é%", "Alpha")
MOSTLY = (1, 1, 0.99, 0.9, 0.7, 0.5, 0.1, 0)
PAIRED = ("both_values_are_missing", "either_value_is_missing", "neither")
MANY = ("all_values_are_missing", "any_value_is_missing", "never")


def cases(seed: int) -> Iterator[Case]:
    """Every expectation that both know, a few times each."""
    chance = random.Random(seed)
    for _ in range(2):
        for name, arguments in _maps(chance):
            yield (
                f"expect_column_value{name}",
                {**arguments, **_domain(chance), "mostly": chance.choice(MOSTLY)},
            )
        for name, arguments in _rows(chance):
            yield name, {**arguments, **_domain(chance), "mostly": chance.choice(MOSTLY)}
        for name, arguments in _aggregates(chance):
            yield name, {**arguments, **_domain(chance)}
    yield from _tables(chance)


def _domain(chance: random.Random) -> dict[str, Any]:
    """Now and then only some of the rows."""
    if chance.random() < 0.6:
        return {}
    conditions = [
        Column("m") > chance.randint(-3, 2),
        Column("m") <= 0,
        Column("name") == chance.choice(WORDS),
        Column("name") != "it's",
        Column("Code").is_in(["C000", "C001", "C002"]),
        Column("k").is_not_in([1, 2]),
        Column("day").is_null(),
        Column("amount").is_not_null(),
        Column("flag") == True,  # noqa: E712 - their way to write it
    ]
    one, other, third = chance.sample(conditions, 3)
    return {"row_condition": chance.choice([one, one & other, one | other, (one & other) | third])}


def _bounds(chance: random.Random, low: float = -10, high: float = 60) -> dict[str, Any]:
    one, other = sorted([chance.randint(int(low), int(high)), chance.randint(int(low), int(high))])
    bounds: dict[str, Any] = chance.choice(
        [
            {"min_value": one},
            {"max_value": other},
            {"min_value": one, "max_value": other},
            {"min_value": one, "max_value": 10**9},
        ]
    )
    return bounds | {"strict_min": chance.random() < 0.3, "strict_max": chance.random() < 0.3}


def _maps(chance: random.Random) -> Iterator[Case]:
    anything, number, text = chance.choice(list(COLUMNS)), chance.choice(NUMBERS), chance.choice(TEXTS)
    values = chance.choice([[0, 1, 2], [-1], list(range(-20, 21)), [0.5, 1]])
    words = chance.sample(WORDS, chance.randint(0, 6)) + chance.sample([f"C{i:03d}" for i in range(8)], 3)
    yield "s_to_not_be_null", {"column": anything}
    yield "s_to_be_null", {"column": anything}
    yield "s_to_be_unique", {"column": anything}
    yield "s_to_be_in_set", {"column": number, "value_set": values}
    yield "s_to_not_be_in_set", {"column": number, "value_set": values}
    yield "s_to_be_in_set", {"column": text, "value_set": words}
    yield "s_to_not_be_in_set", {"column": text, "value_set": words}
    yield "s_to_be_between", {"column": number, **_bounds(chance)}
    yield "s_to_match_regex", {"column": text, "regex": chance.choice(REGEXES)}
    yield "s_to_not_match_regex", {"column": text, "regex": chance.choice(REGEXES)}
    yield "s_to_match_like_pattern", {"column": text, "like_pattern": chance.choice(PATTERNS)}
    yield "s_to_not_match_like_pattern", {"column": text, "like_pattern": chance.choice(PATTERNS)}
    yield "_lengths_to_be_between", {"column": text, **_bounds(chance, 0, 7)}
    yield "_lengths_to_equal", {"column": text, "value": chance.randint(0, 5)}


def _rows(chance: random.Random) -> Iterator[Case]:
    a, b, c = chance.sample(["n", "m", "k", "ratio", "empty"], 3)
    several = chance.sample(["n", "m", "k", "name", "flag"], chance.randint(2, 4))
    pair, many = {"ignore_row_if": chance.choice(PAIRED)}, {"ignore_row_if": chance.choice(MANY)}
    greater = {"column_A": a, "column_B": b, "or_equal": chance.random() < 0.5}
    yield "expect_column_pair_values_a_to_be_greater_than_b", {**greater, **pair}
    yield "expect_column_pair_values_to_be_equal", {"column_A": "m", "column_B": "k", **pair}
    yield "expect_column_pair_values_to_be_equal", {"column_A": "name", "column_B": "Code", **pair}
    yield "expect_compound_columns_to_be_unique", {"column_list": several, **many}
    yield "expect_select_column_values_to_be_unique_within_record", {"column_list": [a, b, c], **many}
    yield (
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["m", "k"], "sum_total": chance.randint(-3, 8), **many},
    )


def _aggregates(chance: random.Random) -> Iterator[Case]:
    number, anything = chance.choice(NUMBERS), chance.choice(list(COLUMNS))
    for what in ("min", "max", "mean", "median", "sum", "stdev"):
        yield f"expect_column_{what}_to_be_between", {"column": number, **_bounds(chance)}
    yield "expect_column_min_to_be_between", {"column": "at", "min_value": "2026-01-01T00:30:00+00:00"}
    yield "expect_column_max_to_be_between", {"column": "day", "max_value": "2026-02-01"}
    yield "expect_column_unique_value_count_to_be_between", {"column": anything, **_bounds(chance, 0, 60)}
    proportion = {"min_value": chance.choice([0, 0.01, 0.5, 1]), "strict_min": chance.random() < 0.5}
    yield "expect_column_proportion_of_unique_values_to_be_between", {"column": anything, **proportion}
    for kind in ("to_be_in_set", "to_equal_set", "to_contain_set"):
        sets = [[-3, -2, -1, 0, 1, 2, 3], [0, 1], [7], [-3, -2, -1, 0, 1, 2, 3, 4]]
        yield f"expect_column_distinct_values_{kind}", {"column": "m", "value_set": chance.choice(sets)}
        yield (
            f"expect_column_distinct_values_{kind}",
            {"column": "select", "value_set": chance.choice([["a", "b"], ["a"]])},
        )


def _tables(chance: random.Random) -> Iterator[Case]:
    names = list(COLUMNS)
    for rows in (0, 1, 137, 400):
        yield "expect_table_row_count_to_equal", {"value": rows}
        yield "expect_table_row_count_to_be_between", {"min_value": rows, "max_value": 400}
    for column, index in (
        ("n", 1),
        ("n", 2),
        ("nope", 1),
        ("n", None),
        ("nope", None),
        ("n", 99),
        ("N", 1),
        ("CODE", None),
    ):
        yield "expect_column_to_exist", {"column": column, "column_index": index}
    wrong = chance.choice(names)
    for columns in (
        names,
        [*names, "more"],
        [n for n in names if n != wrong],
        [n.upper() for n in names],
        ['"n"', '"N"'],
    ):
        for exact in (True, False):
            yield "expect_table_columns_to_match_set", {"column_set": columns, "exact_match": exact}
        yield "expect_table_columns_to_match_ordered_list", {"column_list": columns}
    kinds = {
        "n": ("INTEGER", "BIGINT"),
        "id": ("BIGINT", "INTEGER"),
        "name": ("TEXT", "VARCHAR"),
        "flag": ("BOOLEAN",),
    }
    for column, types in kinds.items():
        for type_ in types:
            yield "expect_column_values_to_be_of_type", {"column": column, "type_": type_}
    for query in ("SELECT * FROM {batch} WHERE n > 5", "SELECT n FROM {batch} WHERE n IS NULL AND n = 1"):
        yield "unexpected_rows_expectation", {"unexpected_rows_query": query}
