"""The shorthand for contracts, and what a table sees of a contract."""

from __future__ import annotations

from typing import Any

import pytest

from shared.common.errors import Misconfigured
from shared.contracts.columns import (
    Column,
    ColumnSpec,
    ColumnType,
    columns_of,
    flat_columns_of,
    schema_from_columns,
)


@pytest.mark.parametrize("short", [kind.value for kind in ColumnType])
def test_every_type_of_the_shorthand_becomes_the_column_of_that_type(short: str) -> None:
    (column,) = columns_of(schema_from_columns({"a": short}))

    assert column.type == short


def test_columns_keep_the_order_in_which_they_are_written() -> None:
    names = ["zebra", "id", "middle", "a"]

    assert [
        column.name for column in columns_of(schema_from_columns(dict.fromkeys(names, "string")))
    ] == names


def test_a_nullable_column_may_be_null_or_missing() -> None:
    schema = schema_from_columns({"id": "string", "total": {"type": "decimal", "nullable": True}})

    assert schema["required"] == ["id"]
    assert "null" in schema["properties"]["total"]["type"]
    assert [column.nullable for column in columns_of(schema)] == [False, True]


def test_description_and_digits_reach_the_column() -> None:
    spec = {"type": "decimal", "description": "net", "precision": 18, "scale": 4}

    assert columns_of(schema_from_columns({"total": spec})) == (
        Column("total", ColumnType.DECIMAL, False, "net", precision=18, scale=4),
    )


def test_a_spec_reads_a_type_alone() -> None:
    assert ColumnSpec.model_validate("uuid") == ColumnSpec.model_validate({"type": "uuid"})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": "strin"}, r'columns\.id.*"string"|columns\.id.*did you mean'),
        ({"id": {"type": "decimal", "precision": 0}}, r"columns\.id.*precision 0 is no number of digits"),
        ({"id": {"type": "decimal", "precision": 1001, "scale": 2}}, "precision 1001 is no number"),
        ({"id": {"type": "decimal", "precision": 4, "scale": -1}}, "scale -1 is no number of digits"),
        (
            {"id": {"type": "decimal", "precision": 4, "scale": 5}},
            "precision 4 is less than the scale, which is 5",
        ),
        ({"id": {"type": "decimal", "precision": 4}}, "which is 9 where none is written"),
        ({"id": {"type": "decimal", "scale": 39}}, "precision 38, which is that of all, is less than"),
        ({"id": {"type": "string", "nulable": True}}, 'unknown key "nulable"; did you mean "nullable"'),
        ({"id": {"nullable": True}}, '"type" is missing'),
        ({}, "columns: is empty"),
    ],
)
def test_a_wrong_shorthand_is_refused_with_what_would_be_right(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        schema_from_columns(columns)


@pytest.mark.parametrize(
    ("schema", "expected", "nullable"),
    [
        ({"type": "string"}, ColumnType.STRING, False),
        ({"type": ["string", "null"], "format": "date-time"}, ColumnType.TIMESTAMP, True),
        ({"type": "string", "format": "date"}, ColumnType.DATE, False),
        ({"type": "string", "format": "time"}, ColumnType.TIME, False),
        ({"type": "string", "format": "uuid"}, ColumnType.UUID, False),
        ({"type": "string", "format": "email"}, ColumnType.STRING, False),
        ({"type": "string", "contentEncoding": "base64"}, ColumnType.BINARY, False),
        ({"type": ["integer", "number"]}, ColumnType.NUMBER, False),
        ({"type": ["string", "integer"]}, ColumnType.JSON, False),
        ({"type": "object"}, ColumnType.JSON, False),
        ({"type": "array", "items": {"type": "string"}}, ColumnType.JSON, False),
        ({"enum": ["a", "b", None]}, ColumnType.STRING, True),
        ({"type": ["string", "null"], "enum": ["a", "b"]}, ColumnType.STRING, False),
        ({"const": 5}, ColumnType.INTEGER, False),
        ({"enum": [True, 1.5]}, ColumnType.JSON, False),
        ({"enum": [[], {}]}, ColumnType.JSON, False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ColumnType.INTEGER, True),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, ColumnType.JSON, True),
        ({"$ref": "#/$defs/money"}, ColumnType.DECIMAL, False),
        ({"$ref": "#/$defs/none"}, ColumnType.JSON, True),
        ({}, ColumnType.JSON, True),
        (True, ColumnType.JSON, True),
    ],
)
def test_the_type_of_a_column_follows_from_its_schema(
    schema: Any, expected: ColumnType, nullable: bool
) -> None:
    money = {"type": ["number", "string"], "format": "decimal"}
    root = {"type": "object", "properties": {"a": schema}, "required": ["a"], "$defs": {"money": money}}
    (column,) = columns_of(root)

    assert (column.type, column.nullable) == (expected, nullable)


def test_a_field_that_may_be_missing_is_nullable() -> None:
    (column,) = columns_of({"type": "object", "properties": {"a": {"type": "string"}}})

    assert column.nullable


def test_objects_with_declared_fields_are_taken_apart_for_flat_tables() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "n": {"type": "integer"}}}
    city = {"type": "string"}
    schema = {
        "properties": {
            "id": {"type": "string"},
            "home": {"type": ["object", "null"], "properties": {"city": city, "geo": {"type": "object"}}},
            "work": {"anyOf": [{"type": "object", "properties": {"city": city}}, {"type": "null"}]},
            "tags": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
            "mixed": {"type": ["object", "string"], "properties": {"a": {}}},
            "free": True,
            "tree": {"$ref": "#/$defs/tree"},
        },
        "$defs": {"tree": tree},
    }
    names = tuple(column.name for column in flat_columns_of(schema))

    assert names[:7] == ("id", "home.city", "home.geo", "work.city", "tags", "mixed", "free")
    assert names[7] == "tree.left.left.left.left.left"
    assert "tree.n" in names


def test_what_is_inside_an_object_that_may_be_missing_may_be_missing() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema = {"properties": {"always": inner, "at_times": inner}, "required": ["always"]}
    columns = {column.name: (column.type, column.nullable) for column in flat_columns_of(schema)}

    assert {"always.n": (ColumnType.INTEGER, False), "at_times.n": (ColumnType.INTEGER, True)} == columns
