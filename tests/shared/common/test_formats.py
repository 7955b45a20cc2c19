"""Records survive JSON lines and CSV with every digit and every character."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.common.errors import Misconfigured, Violation
from shared.common.formats import Csv, Format, JsonLines, Nested, read_csv, read_json_lines

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            '"',
            '""',
            "\x00",
            "\u2028",
            "\u2029",
            "\r\n",
            "a,b",
            "\n",
            " ",
            "=1+1",
            "\\",
            "\ufeff",
            "😀",
            "null",
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=12).map(lambda d: f"{d:f}"),
    st.sampled_from(
        ["1.0", "-0", "-0.0", "1e5", "1E-7", "9223372036854775807", "0.10", "1e999", "3.140000000000000124"]
    ),
)
SCALARS = NUMBERS | TEXTS.map(json.dumps) | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False))
VALUES = st.recursive(
    SCALARS | st.sampled_from(["true", "false", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
        | st.dictionaries(TEXTS, inner, max_size=3).map(lambda fields: _object(fields, "{}"))
    ),
    max_leaves=5,
)
SPACES = st.sampled_from(["{}", "{{\n  {}\n}}", "{{\r\n{}\r\n}}", "{{ {} }}", "{{\t{}}}"])


def _object(fields: dict[str, str], around: str = "{{{}}}") -> str:
    inner = ",".join(f"{json.dumps(name, ensure_ascii=False)}: {value}" for name, value in fields.items())
    return "{" + inner + "}" if around == "{}" else around.format(inner)


def exact(text: str | bytes) -> Any:
    """Plain data in which a number is its text, so that comparing compares digits."""
    return json.loads(text, parse_int=lambda t: ("number", t), parse_float=lambda t: ("number", t))


RECORDS = st.lists(
    st.builds(_object, st.dictionaries(TEXTS, VALUES, max_size=4), SPACES).map(str.encode), max_size=4
)


@given(RECORDS)
def test_json_lines_hold_every_record_exactly_on_a_line_of_its_own(records: list[bytes]) -> None:
    lines = list(read_json_lines(JsonLines().encode(records)))

    assert [exact(line) for line in lines] == [exact(record) for record in records]
    assert all(b"\r" not in line for line in lines)


def test_a_record_on_one_line_is_copied_byte_for_byte() -> None:
    record = '{ "a" : 1.50,"b":"\u2028\\u0000\\/", "c":12345678901234567890123 }'.encode()

    assert JsonLines().encode([record, msgspec.Raw(b"{}")]) == record + b"\n{}\n"


def test_only_records_that_span_lines_are_compacted() -> None:
    assert JsonLines().encode([b'{ "a": 1 }', b'{\r "a": 1.0 }']) == b'{ "a": 1 }\n{"a":1.0}\n'


def test_no_records_are_no_bytes() -> None:
    formats: list[Format] = [JsonLines(), Csv(("a", "b"))]

    assert [form.encode([]) for form in formats] == [b"", b""]


def _expected(value: Any) -> Any:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case ("number", text):
            return text
        case _:
            return value


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), VALUES, max_size=4), max_size=4))
def test_csv_is_read_back_exactly_with_null_and_empty_text_apart(rows: list[dict[str, str]]) -> None:
    table = Csv(("a", "b", "c"))
    data = table.header() + table.encode([_object(row).encode() for row in rows])
    found = list(read_csv(data))

    assert len(found) == len(rows)
    for row, fields in zip(rows, found, strict=True):
        for name in ("a", "b", "c"):
            value, cell = exact(row.get(name, "null")), fields[name]
            if isinstance(value, list | dict):
                assert cell is not None
                assert exact(cell) == value
            else:
                assert cell == _expected(value)


@given(st.lists(st.fixed_dictionaries({"a": SCALARS, "b": SCALARS}), max_size=4))
def test_pythons_csv_reads_the_same_fields(rows: list[dict[str, str]]) -> None:
    table = Csv(("a", "b"))
    data = table.header() + table.encode([_object(row).encode() for row in rows])

    expected = [[_expected(exact(row["a"])), _expected(exact(row["b"]))] for row in rows]
    assert list(csv.reader(io.StringIO(data.decode(), newline="")))[1:] == expected


def test_csv_injection_is_not_fixed_in_data() -> None:
    assert Csv(("a", "b")).encode([b'{"a":"=cmd()","b":-1}']) == b'"=cmd()",-1\r\n'


def test_the_header_quotes_only_names_that_need_it() -> None:
    assert Csv(("id", "a,b", 'q"', "")).header() == b'id,"a,b","q""",""\r\n'


def test_objects_are_flattened_to_a_column_per_field() -> None:
    table = Csv(("id", "address.city", "address.geo.lat", "tags"), nested=Nested.FLATTEN)
    records = [
        b'{"id":1,"address":{"city":"K\\u00f6ln","geo":{"lat":50.940,"lon":7}},"tags":["a"]}',
        b'{"id":2,"address":null}',
        b'{"id":3,"address":{"geo":{}}}',
    ]

    assert table.header() == b"id,address.city,address.geo.lat,tags\r\n"
    assert table.encode(records) == '1,"Köln",50.940,"[""a""]"\r\n2,,,\r\n3,,,\r\n'.encode()


def test_fields_that_no_column_names_go_to_the_rest_column() -> None:
    flat = Csv(("id", "a.b"), nested=Nested.FLATTEN, rest="_rest")
    plain = Csv(("id",), rest="_rest")

    assert flat.header() == b"id,a.b,_rest\r\n"
    assert flat.encode([b'{"id":1,"a":{"b":2,"c":3.0},"x":null}']) == b'1,2,"{""a.c"":3.0,""x"":null}"\r\n'
    assert plain.encode([b'{"id":1,"a":{"b":2}}', b'{"id":2}']) == b'1,"{""a"":{""b"":2}}"\r\n2,\r\n'


def test_a_text_where_columns_lie_inside_an_object_is_a_violation() -> None:
    with pytest.raises(Violation, match='"a" is not an object'):
        Csv(("id", "a.b"), nested=Nested.FLATTEN).encode([b'{"id":1,"a":"text"}'])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("a", "b", "a"), "columns occur twice: a"),
        (("a",), "two columns or more"),
        (("a", "a.b"), 'column "a.b" lies inside column "a"'),
        (("a.b", "a"), 'other columns lie inside column "a"'),
    ],
)
def test_columns_that_cannot_be_are_refused(columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        Csv(columns, nested=Nested.FLATTEN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\r\n1\r\n", "row 2 has 1 fields, the header 2"),
        (b'a,b\r\n1,x"y\r\n', "row 2 is not CSV"),
        (b'a,b\r\n1,"x"y\r\n', "row 2 is not CSV"),
        (b'a,b\r\n1,"x', "row 2 is not CSV"),
    ],
)
def test_what_is_not_csv_is_a_violation(data: bytes, message: str) -> None:
    with pytest.raises(Violation, match=message):
        list(read_csv(data))


def test_the_reader_takes_lines_of_every_system_and_a_last_one_without_end() -> None:
    assert list(read_csv(b"a,b\n1,2\r3,\r\n5,6")) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": None},
        {"a": "5", "b": "6"},
    ]
    assert list(read_csv(b"a,b\n1,")) == [{"a": "1", "b": None}]
    assert list(read_csv(b"")) == []
    assert list(read_json_lines(b'{"a":1}\n\n \n{"a":2}')) == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize("rest", [None, "rest"])
@pytest.mark.parametrize("nested", list(Nested))
@given(value=VALUES)
def test_a_json_column_of_csv_holds_json_text_whatever_the_value(
    nested: Nested, rest: str | None, value: str
) -> None:
    table = Csv(("id", "any"), nested, rest, frozenset({"any"}))
    record = f'{{"id":"a","any":{value}}}'.encode()

    (row,) = read_csv(table.header() + table.encode([record]))

    assert "a" == row["id"]
    if value == "null":
        assert row["any"] is None
    else:
        text = row["any"]
        assert text is not None
        assert msgspec.json.format(value, indent=-1) == msgspec.json.format(text, indent=-1)
