"""Every type of a contract, out of JSON lines and out of CSV, exactly as it landed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from shared.common.errors import Violation
from shared.contracts.columns import Column, ColumnType
from tests.shared.warehouse.stream import Stream, columns

_LONG = "12345678901234567890.123456789"
MOMENT = datetime(2024, 1, 1, 1, 2, 3, 500000, tzinfo=UTC)

# type, what JSON lines say, what CSV says, what the table holds
EXACT = [
    ("string", '"a\\u2028\\u0000é 😀"', "a\u2028\0é 😀", "a\u2028\0é 😀"),
    ("string", '""', '""', ""),
    ("string", '"NULL"', "NULL", "NULL"),
    ("string", '"a,\\"b\\"\\r\\nc"', '"a,""b""\r\nc"', 'a,"b"\r\nc'),
    ("integer", "9223372036854775807", "9223372036854775807", 2**63 - 1),
    ("integer", "-170141183460469231731687303715884105727", "-170141183460469231731687303715884105727", -(2**127) + 1),
    ("number", "0.1", "0.1", 0.1),
    ("number", "1e-7", "1e-7", 1e-7),
    ("decimal", _LONG, _LONG, Decimal(_LONG)),
    ("decimal", '"0.10"', "0.10", Decimal("0.1")),
    ("decimal", "1e3", "1000", Decimal(1000)),
    ("boolean", "true", "true", True),
    ("boolean", "false", "false", False),
    ("date", '"2024-02-29"', "2024-02-29", date(2024, 2, 29)),
    ("timestamp", '"2024-01-01T01:02:03.5Z"', "2024-01-01T01:02:03.5Z", MOMENT),
    ("timestamp", '"2024-01-01T03:02:03.5+02:00"', "2024-01-01T03:02:03.5+02:00", MOMENT),
    ("time", '"10:11:12+02:00"', "10:11:12+02:00", "10:11:12+02:00"),
    ("json", '{"a": [1, null, "é", 12345678901234567890123]}', '"{""a"": [1]}"', None),
    ("uuid", '"6f9619ff-8b86-d011-b42d-00cf4fc964ff"', "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
     UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")),
    ("binary", '"aGkA/w=="', "aGkA/w==", b"hi\0\xff"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "csv", "want"), [row for row in EXACT if row[0] != "json"])
def test_a_value_out_of_json_lines_and_out_of_csv(
    stream: Stream, kind: str, text: str, csv: str, want: Any
) -> None:
    stream.commit([f'{{"n":1,"x":{text}}}', '{"n":2,"x":null}', '{"n":3}'])
    stream.commit(["n,x", f"4,{csv}", "5,"], format="csv.gz")
    stream.load(stream.spec(columns=columns(n="integer", x=kind)))

    assert [(1, want), (2, None), (3, None), (4, want), (5, None)] == stream.rows("n, x")


def test_nested_values_are_json(stream: Stream) -> None:
    stream.commit(['{"x":{"a":[1,null,"é",12345678901234567890123]}}', '{"x":[]}', '{"x":"s"}', '{"x":null}'])
    stream.commit(["x", '"{""a"":[1]}"', '"[]"', '"""s"""', ""], format="csv.gz")
    stream.load(stream.spec(columns=columns(x="json")))

    once = ['{"a":[1,null,"é",12345678901234567890123]}', "[]", '"s"', None]
    assert [*once, '{"a":[1]}', "[]", '"s"', None] == [
        x for (x,) in stream.rows("x", order="_sluice_commit, rowid")
    ]


def test_a_decimal_that_would_be_rounded_is_set_aside(stream: Stream) -> None:
    stream.commit(['{"x":1.5}', '{"x":1.123456789123}'])
    report = stream.load(stream.spec(columns=(Column("x", ColumnType.DECIMAL),)))

    assert (1, 1) == (report.rows, report.aside)
    assert [(Decimal("1.5"),)] == stream.rows("x")


def test_a_decimal_has_the_digits_of_its_contract(stream: Stream) -> None:
    stream.commit(['{"x":1.123456789123}', '{"x":"7"}'])
    stream.load(stream.spec(columns=(Column("x", ColumnType.DECIMAL, precision=20, scale=12),)))

    assert [(Decimal("1.123456789123"),), (Decimal(7),)] == stream.rows("x")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2024-01-01t01:02:03z", datetime(2024, 1, 1, 1, 2, 3, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_spellings_of_rfc_3339_that_duckdb_does_not_know(stream: Stream, text: str, want: datetime) -> None:
    stream.commit([{"x": "2024-01-01T00:00:00Z"}, {"x": text}])
    stream.load(stream.spec(columns=columns(x="timestamp")))

    assert want in [x for (x,) in stream.rows("x")]


def test_the_last_of_two_equal_fields_counts(stream: Stream) -> None:
    stream.commit(['{"x":1,"x":2}'])
    stream.load(stream.spec(columns=columns(x="integer")))

    assert [(2,)] == stream.rows("x")


@pytest.mark.parametrize(
    ("kind", "format", "lines", "message"),
    [
        ("integer", "jsonl.gz", ['{"x":1}', '{"x":"abc"}', '{"x":{}}'], "2 values of column \"x\" are no integer"),
        ("timestamp", "jsonl.gz", ['{"x":"yesterday"}'], "column \"x\" are no timestamp, like 'yesterday'"),
        ("boolean", "csv.gz", ["x", "true", "maybe"], "1 values of column \"x\" are no boolean, like 'maybe'"),
        ("binary", "jsonl.gz", ['{"x":"!"}'], "1 values of column \"x\" are no binary"),
        ("integer", "jsonl.gz", ['{"x":1}', '{"x":'], "line 2 of a part cannot be read"),
        ("integer", "csv.gz", ["x,y", "1,2", "3"], "parts cannot be read"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(
    stream: Stream, kind: str, format: str, lines: list[str], message: str
) -> None:
    commit = stream.commit(lines, format=format)

    with pytest.raises(Violation, match=message) as caught:
        stream.load(stream.spec(columns=columns(x=kind)))

    assert commit.draft.parts[0].key == caught.value.where["part"]


def test_odd_names(stream: Stream) -> None:
    names = [
        "select",
        "a b",
        "qu\"o'te",
        "é",
        "",
        "Id",
        "id",
        "rowid",
        "_sluice_run",
        "filename",
        "名前",
        "a.b",
        "$x",
    ]
    record = {name: number for number, name in enumerate(names)}
    stream.commit([record, {**record, "id": 99}])
    kinds = columns(**dict.fromkeys(names, "integer"))
    stream.load(stream.spec("merge", columns=kinds, primary_key=("id", "rowid")))
    stream.commit([{**record, "a.b": 77}])
    stream.load(stream.spec("merge", columns=kinds, primary_key=("id", "rowid")))

    rows = stream.rows("* EXCLUDE (_sluice_run, _sluice_loaded_at, _sluice_commit)", order='"id_a5614527"')
    assert [(*range(11), 77, 12), (*range(6), 99, *range(7, 13))] == rows


def test_a_record_of_10_mb_and_one_of_40(stream: Stream) -> None:
    stream.commit([{"x": "a" * 10_000_000}], [{"x": "b" * 40_000_000}])
    stream.load(stream.spec(columns=columns(x="string")))

    assert [(10_000_000,), (40_000_000,)] == stream.rows("length(x)")


def test_csv_parts_of_several_headers(stream: Stream) -> None:
    stream.commit(["a,b", "1,x"], ["b,a", "y,2"], ["c,a,b", "?,3,z"], ["a", "4"], format="csv.gz")
    stream.load(stream.spec(columns=columns(a="integer", b="string")))

    assert [(1, "x"), (2, "y"), (3, "z"), (4, None)] == stream.rows("a, b")


def test_uncompressed_parts(stream: Stream) -> None:
    stream.commit([{"a": 1}], format="jsonl")
    stream.commit(["a", "2"], format="csv")
    stream.load(stream.spec(columns=columns(a="integer")))

    assert [(1,), (2,)] == stream.rows("a")


class TestWithoutAContract:
    def test_columns_are_inferred_and_later_ones_added_and_widened(self, stream: Stream) -> None:
        stream.commit(
            [{"id": 1, "day": "2024-01-01", "at": "2024-01-01T00:00:00Z", "n": 1, "o": {"a": 1}, "z": None}]
        )
        stream.load(stream.spec())
        stream.commit(
            [{"id": "x-2", "day": "2024-01-02T00:00:00Z", "at": "soon", "n": 1.5, "o": [1], "new": True}]
        )
        stream.load(stream.spec())

        kinds = dict(
            stream.ask("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'accounts'")
        )
        assert {
            "id": "VARCHAR",
            "day": "TIMESTAMP WITH TIME ZONE",
            "at": "VARCHAR",
            "n": "DOUBLE",
            "o": "JSON",
            "z": "VARCHAR",
            "new": "BOOLEAN",
        } == {name: kind for name, kind in kinds.items() if not name.startswith("_")}
        assert [
            ("1", "2024-01-01T00:00:00Z", 1.0, '{"a":1}', None),
            ("x-2", "soon", 1.5, "[1]", True),
        ] == stream.rows('id, "at", n, o, new')

    def test_csv_is_text(self, stream: Stream) -> None:
        stream.commit(["id,n", "007,1"], format="csv.gz")
        stream.load(stream.spec())

        assert [("007", "1")] == stream.rows("id, n")


def test_a_contract_that_grows_adds_and_widens_columns(stream: Stream) -> None:
    stream.commit([{"id": 1, "n": 1}])
    stream.load(stream.spec(columns=columns(id="integer", n="integer")))
    stream.commit([{"id": 2**64, "n": 1.25, "more": "x"}])
    stream.load(stream.spec(columns=columns(id="integer", n="decimal", more="string")))
    stream.commit([{"id": 3, "n": 7}])
    stream.load(stream.spec(columns=columns(id="integer", n="integer")))

    assert [(1, Decimal(1), None), (3, Decimal(7), None), (2**64, Decimal("1.25"), "x")] == stream.rows(
        "id, n, more"
    )
