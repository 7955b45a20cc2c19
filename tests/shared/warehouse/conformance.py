"""What every warehouse owes: the same rows from the same log. A subclass gives the fixture `house`.

class TestPostgres(WarehouseSuite):
    @pytest.fixture
    def house(self, postgres_url): return House(...)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.common.errors import Misconfigured, Violation
from shared.contracts.columns import Column, ColumnType
from shared.landing.commit import Commit, Draft
from shared.warehouse.ddl import HISTORY
from shared.warehouse.fetch import fetch
from shared.warehouse.ports import Flaws, Step
from shared.warehouse.replay import plan, rewind
from src.wiring import column_names
from tests.shared.warehouse.house import House, nested, plain
from tests.shared.warehouse.stream import Stream, columns

MOMENT = datetime(2024, 1, 1, 1, 2, 3, 500000, tzinfo=UTC)
LONG = "12345678901234567890.123456789"
KEYED: dict[str, Any] = {"primary_key": ("id",), "cursor_field": "updated_at"}
MERGED = {"id": "string", "v": "integer", "updated_at": "timestamp"}
GONE = MERGED | {"deleted_at": "timestamp"}

# column, type, what JSON lines say, what CSV says, what the table holds
VALUES = [
    ("text", "string", '"a\\u2028é 😀 %s ? $1"', "a\u2028é 😀 %s ? $1", "a\u2028é 😀 %s ? $1"),
    ("empty", "string", '""', '""', ""),
    ("word_null", "string", '"null"', "null", "null"),
    ("word_n", "string", '"\\\\N"', "\\N", "\\N"),
    ("quotes", "string", '"a,\\"b\\"\\r\\n\'c\'`"', '"a,""b""\r\n\'c\'`"', "a,\"b\"\r\n'c'`"),
    ("backslashes", "string",
     '"a\\\\nb\\\\\\\\\\"\\t\\f\\b\\u001f\\/"', '"a\\nb\\\\""\t\f\b\x1f/"', 'a\\nb\\\\"\t\f\b\x1f/'),
    ("copy_end", "string", '"\\\\.\\n\\\\.\\n"', '"\\.\n\\.\n"', "\\.\n\\.\n"),
    ("copy_marks", "string", '"\\u001d\\u001e\\n\\\\"', '"\x1d\x1e\n\\"', "\x1d\x1e\n\\"),
    ("copy_null", "string", '"\\u001d"', "\x1d", "\x1d"),
    ("blanks", "string", '"  a  "', "  a  ", "  a  "),
    ("number_text", "string", "1.5", "1.5", "1.5"),
    ("int64", "integer", "9223372036854775807", "9223372036854775807", 2**63 - 1),
    ("below", "integer", "-9223372036854775808", "-9223372036854775808", -(2**63)),
    ("huge", "integer", "-" + "9" * 38, "-" + "9" * 38, 1 - 10**38),
    ("tenth", "number", "0.1", "0.1", 0.1),
    ("tiny", "number", "1e-7", "1e-7", 1e-7),
    ("large", "number", "1e300", "1e300", 1e300),
    ("whole", "number", "5", "5", 5),
    ("money", "decimal", LONG, LONG, Decimal(LONG)),
    ("money_text", "decimal", '"0.10"', "0.10", Decimal("0.1")),
    ("money_e", "decimal", "1e3", "1000", 1000),
    ("money_minus", "decimal", "-0.000000001", "-0.000000001", Decimal("-0.000000001")),
    ("yes", "boolean", "true", "true", 1),
    ("no", "boolean", "false", "false", 0),
    ("leap_day", "date", '"2024-02-29"', "2024-02-29", "2024-02-29"),
    ("moment", "timestamp", '"2024-01-01T01:02:03.5Z"', "2024-01-01T01:02:03.5Z", MOMENT),
    ("zoned", "timestamp", '"2024-01-01T03:02:03.5+02:00"', "2024-01-01T03:02:03.5+02:00", MOMENT),
    ("leap_second", "timestamp", '"2016-12-31T23:59:60Z"', "2016-12-31T23:59:59.999999Z",
     datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ("lower", "timestamp", '"2024-01-01t01:02:03.5z"', "2024-01-01T01:02:03.5Z", MOMENT),
    ("clock", "time", '"10:11:12+02:00"', "10:11:12+02:00", "10:11:12+02:00"),
    ("uuid", "uuid", '"6F9619FF-8b86-d011-b42d-00cf4fc964ff"', "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
     "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
    ("bytes", "binary", '"aGkA/w=="', "aGkA/w==", b"hi\0\xff"),
]  # fmt: skip

ODD_NAMES = [
    "select", "table", "order", "a b", "qu\"o'te", "back`tick", "back\\slash", "é", "e", "", "Id", "id", "rowid",
    "ctid", "_sluice_run", "_sluice_row", "filename", "名前", "a.b", "$x", "%s", "?", "x" * 80, "x" * 79 + "y",
    "🙂", "🙃", "end ",
]  # fmt: skip


def row(id: str, v: int, minute: int | None, **more: Any) -> dict[str, Any]:
    at = None if minute is None else f"2026-01-01T00:{minute:02d}:00Z"
    return {"id": id, "v": v, "updated_at": at, **more}


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1, 0, minute, tzinfo=UTC)


def staged(stream: Stream, commit: Commit, kinds: tuple[Column, ...], folder: Path) -> None:
    """Stage the parts of a commit, as a load does before it sets anything aside."""
    with stream.warehouse.session(stream.spec()) as session:
        session.stage("L", kinds, fetch(stream.store, [commit], folder=folder), folder=folder)


class WarehouseSuite:
    """Inherit, and give the fixture `house`."""

    reads_long_numbers = True
    """Whether a number in JSON keeps more than 38 digits."""

    @pytest.fixture
    def stream(self, house: House, tmp_path: Path) -> Stream:
        return house.stream(tmp_path / "landing")

    # Types

    def test_values_out_of_json_lines_and_out_of_csv(self, house: House, stream: Stream) -> None:
        kinds = columns(n="integer", **{name: kind for name, kind, *_ in VALUES})
        names = [name for name, *_ in VALUES]
        stream.commit(['{"n":1,' + ",".join(f'"{name}":{text}' for name, _, text, *_ in VALUES) + "}"])
        stream.commit(['{"n":2}', '{"n":3,' + ",".join(f'"{name}":null' for name in names) + "}"])
        stream.commit(
            [
                ",".join(["n", *names]),
                ",".join(["4", *(csv for *_, csv, _ in VALUES)]),
                "5" + "," * len(names),
            ],
            format="csv.gz",
        )
        stream.load(stream.spec(columns=kinds))

        found = {n: dict(zip(names, values, strict=True)) for n, *values in house.rows(stream, "n", *names)}
        want = {name: value for name, *_, value in VALUES}
        nothing = dict.fromkeys(names)
        assert want == found[1]
        assert want == found[4]
        assert [nothing] * 3 == [found[n] for n in (2, 3, 5)]

    def test_nested_values(self, house: House, stream: Stream) -> None:
        values = ['{"a":[1,null,"é\\n\\"\\\\",12345678901234567890]}', "[]", '"s"', "1.50", '{"b":true}']
        stream.commit([f'{{"n":{n},"x":{value}}}' for n, value in enumerate(values)])
        stream.commit(['{"n":8,"x":null}', '{"n":9}'])
        stream.commit(["n,x", '7,"{""a"": [1]}"', "6,"], format="csv.gz")
        stream.load(stream.spec(columns=columns(n="integer", x="json")))

        found = {
            n: x
            if x is None
            else nested(x)
            if isinstance(x, str) and x != "s"
            else nested(f'"{x}"' if x == "s" else x)
            for n, x in house.rows(stream, "n", "x")
        }
        want: dict[Any, Any] = {n: nested(value) for n, value in enumerate(values)}
        assert want | {6: None, 7: nested('{"a": [1]}'), 8: None, 9: None} == found

    def test_nul_in_a_text(self, house: House, stream: Stream) -> None:
        stream.commit(['{"x":"a\\u0000b\\\\u0000"}'])
        stream.load(stream.spec(columns=columns(x="string")))

        assert [(f"a{house.nul}b\\u0000",)] == house.rows(stream, "x")

    def test_control_characters_alone(self, house: House, stream: Stream) -> None:
        texts = [
            "\f",
            "\b",
            "\t",
            "\r",
            "\n",
            "\x1d",
            "\x1e",
            "\x1f",
            "\x7f",
            "\\",
            '"',
            "'",
            "\\\f",
            "\\\\n",
            "\\\x1e",
        ]
        stream.commit([{"x": text} for text in texts], [{"x": f"a{text}b{text}"} for text in texts])
        stream.load(stream.spec(columns=columns(x="string")))

        want = [*texts, *(f"a{text}b{text}" for text in texts)]
        assert sorted(((text,) for text in want), key=repr) == house.rows(stream, "x")

    def test_odd_names(self, house: House, stream: Stream) -> None:
        record = {name: number for number, name in enumerate(ODD_NAMES)}
        spec = stream.spec(
            "merge", columns=columns(**dict.fromkeys(ODD_NAMES, "integer")), primary_key=("id", "rowid")
        )
        stream.commit([record, {**record, "id": 99}])
        stream.load(spec)
        stream.commit([{**record, "a.b": 77}])
        report = stream.load(spec)

        with stream.warehouse.session(spec) as session:
            rows = session.query(f"SELECT * FROM {house.table(stream)}")
        values = sorted(tuple(map(plain, found))[: len(ODD_NAMES)] for found in rows)
        changed = [77 if name == "a.b" else number for name, number in record.items()]
        other = [99 if name == "id" else number for name, number in record.items()]
        assert sorted([tuple(changed), tuple(other)]) == values
        assert (0, 1) == (report.inserted, report.updated)

    @pytest.mark.parametrize("disposition", ["append", "scd2"])
    def test_the_columns_of_fields_are_known_without_a_load(
        self, house: House, stream: Stream, disposition: str
    ) -> None:
        """A profile and the checks of a table that is there ask for them."""
        names = [*ODD_NAMES, *HISTORY, "Valid_From"]
        record = {name: number for number, name in enumerate(names)}
        kinds = tuple(Column(name, ColumnType.INTEGER) for name in names)
        spec = stream.spec(disposition, columns=kinds, primary_key=("id",))
        stream.commit([record])
        stream.load(spec)
        columns = column_names(house.url)(names, spec)

        found = house.rows(stream, *columns.values())
        assert [tuple(record.values())] == found
        assert list(columns) == names

    def test_a_name_belongs_to_the_column_that_it_got_first(self, house: House, stream: Stream) -> None:
        """Fields of which several differ only in case or accents, however few of them a load has."""
        seen = [
            ["é"],
            ["note"],
            ["Note", "note", "É"],
            ["e", "NOTE"],
            ["NOTE", "Note", "é", "e"],
            ["note", "É"],
        ]
        for number, fields in enumerate(seen):
            stream.commit([{"n": number} | {field: f"{field}{number}" for field in fields}])
            stream.load(stream.spec())
        known = {field for some in seen for field in some}
        with stream.warehouse.session(stream.spec()) as session:
            rows = session.query(f"SELECT * FROM {house.table(stream)}")
        found = [
            [value[:-1] for value in row if isinstance(value, str) and value[:-1] in known] for row in rows
        ]
        columns = [
            {value[:-1] for value in column if isinstance(value, str)} & known
            for column in zip(*rows, strict=True)
        ]

        assert sorted(map(sorted, seen)) == sorted(map(sorted, found))
        assert sorted([field] for field in known) == sorted(map(sorted, filter(None, columns)))

    @pytest.mark.parametrize("first", ["note", "Note"])
    def test_a_declared_field_comes_before_one_that_was_found(
        self, house: House, stream: Stream, first: str
    ) -> None:
        spec = stream.spec("merge", columns=columns(id="integer", **{first: "string"}), primary_key=("id",))
        for number in (1, 2):
            evolved = {"NOTE": ("string",), "Note": ("string",), "note": ("string",)}
            evolved = {name: kinds for name, kinds in evolved.items() if name != first}
            record = {"id": number, "Note": "Note", "note": "note", "NOTE": "NOTE"}
            stream.commit([record], evolved=evolved)
            stream.load(spec)
            assert [(each, first) for each in range(1, number + 1)] == house.rows(stream, "id", first)
        replay = plan(spec, 2, 0)
        rewind(replay, stream.log, stream.store, house.warehouse, load_id=lambda: "back", clock=stream.clock)
        stream.load(spec)

        assert [(1, first), (2, first)] == house.rows(stream, "id", first)

    def test_integers_beyond_64_bits_come_late(self, house: House, stream: Stream) -> None:
        spec = stream.spec("merge", columns=columns(id="integer", n="integer"), primary_key=("id",))
        stream.commit([{"id": 1, "n": 1}, {"id": 2, "n": 2}])
        stream.load(spec)
        stream.commit([{"id": 2**64, "n": 2}, {"id": 2, "n": -(2**70)}])
        stream.load(spec)
        stream.commit([{"id": 3, "n": 3}])
        stream.load(spec)

        assert [(1, 1), (18446744073709551616, 2), (2, -(2**70)), (3, 3)] == house.rows(stream, "id", "n")

    def test_a_decimal_has_the_digits_of_its_contract(self, house: House, stream: Stream) -> None:
        stream.commit(['{"x":1.123456789123}', '{"x":"7"}', '{"x":12345678.1}', '{"x":1.100000000000000}'])
        stream.load(stream.spec(columns=(Column("x", ColumnType.DECIMAL, precision=20, scale=12),)))

        want = [Decimal("1.123456789123"), 7, Decimal("12345678.1"), Decimal("1.1")]
        assert sorted(((value,) for value in want), key=repr) == house.rows(stream, "x")

    @pytest.mark.parametrize(
        ("kind", "format", "lines", "message"),
        [
            (
                "decimal",
                "jsonl.gz",
                ['{"x":1.5}', '{"x":1.123456789123}'],
                "decimal, like .1\\.123456789123.",
            ),
            ("decimal", "jsonl.gz", ['{"x":1' + "0" * 30 + "}"], "decimal, like"),
            ("integer", "jsonl.gz", ['{"x":1}', '{"x":"abc"}'], "integer, like 'abc'"),
            ("integer", "jsonl.gz", ['{"x":1' + "0" * 40 + "}"], "integer, like"),
            ("timestamp", "jsonl.gz", ['{"x":"yesterday"}'], "timestamp, like 'yesterday'"),
            ("timestamp", "jsonl.gz", ['{"x":"2024-02-30T00:00:00Z"}'], "timestamp, like"),
            ("date", "jsonl.gz", ['{"x":"2024-02-30"}'], "date, like '2024-02-30'"),
            ("date", "jsonl.gz", ['{"x":"now"}'], "date, like 'now'"),
            ("boolean", "csv.gz", ["x", "true", "maybe"], "boolean, like 'maybe'"),
            ("json", "csv.gz", ["x", "{a"], "json, like"),
            ("binary", "jsonl.gz", ['{"x":"!"}'], "binary, like '!'"),
            ("uuid", "jsonl.gz", ['{"x":"1234"}'], "uuid, like '1234'"),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, stream: Stream, tmp_path: Path, kind: str, format: str, lines: list[str], message: str
    ) -> None:
        commit = stream.commit(lines, format=format)

        with pytest.raises(Violation, match=f'column "x" (is|are) no {message}') as caught:
            staged(stream, commit, columns(x=kind), tmp_path)

        assert commit.draft.parts[0].key == caught.value.where["part"]

    def test_an_integer_with_a_fraction_is_refused(
        self, house: House, stream: Stream, tmp_path: Path
    ) -> None:
        if house.rounds:
            pytest.skip("its reader rounds; the contract's validation refuses such records before they land")
        commit = stream.commit(['{"x":1.0}', '{"x":1.5}'])

        with pytest.raises(Violation, match=r"column \"x\" (is|are) no integer, like '1\.5'"):
            staged(stream, commit, columns(x="integer"), tmp_path)

    def test_decimals_of_more_digits_than_the_warehouse_has_are_text(
        self, house: House, stream: Stream
    ) -> None:
        long = "123456789012345678901234567890123456789.12345678901"
        kinds = (
            Column("id", ColumnType.INTEGER),
            Column("x", ColumnType.DECIMAL, precision=50, scale=11),
            Column("y", ColumnType.DECIMAL, precision=1000, scale=500),
        )
        spec = stream.spec("merge", columns=kinds, primary_key=("id",))
        for number in (1, 2):
            number_or_text = long if self.reads_long_numbers else f'"{long}"'
            stream.commit([f'{{"id":{number},"x":{number_or_text},"y":"{long}"}}'])
            stream.load(spec)
        found = [[Decimal(str(value)) for value in row] for row in house.rows(stream, "x", "y")]
        assert [[Decimal(long), Decimal(long)]] * 2 == found

    def test_a_record_of_10_mb(self, house: House, stream: Stream) -> None:
        stream.commit([{"x": "a" * 10_000_000}], [{"x": "b"}])
        stream.load(stream.spec(columns=columns(x="string")))

        assert [10_000_000, 1] == [len(x) for (x,) in house.rows(stream, "x")]

    def test_csv_parts_of_several_headers(self, house: House, stream: Stream) -> None:
        stream.commit(["a,b", "1,x"], ["b,a", "y,2"], ["c,a,b", "?,3,z"], ["a", "4"], format="csv.gz")
        stream.commit([{"a": 5, "b": "j"}], format="jsonl")
        stream.load(stream.spec(columns=columns(a="integer", b="string")))

        assert [(1, "x"), (2, "y"), (3, "z"), (4, None), (5, "j")] == house.rows(stream, "a", "b")

    # Drift

    def test_columns_are_inferred_and_later_ones_added_and_widened(
        self, house: House, stream: Stream
    ) -> None:
        first = {"id": 1, "day": "2024-01-01", "at": "2024-01-01T00:00:00Z", "n": 1, "o": {"a": 1}, "z": None}
        stream.commit([first | {"flag": True, "at_2": "2024-01-01T00:00:00.25Z"}])
        stream.load(stream.spec())
        second = {"id": "x-2", "day": "2024-01-02T00:00:00Z", "at": "soon", "n": 1.5, "o": [1], "new": True}
        stream.commit([second | {"flag": "maybe", "at_2": "later"}])
        stream.load(stream.spec())
        stream.commit([{"id": 3, "day": "2024-01-03", "n": 7}])
        stream.load(stream.spec())

        names = ("id", "at", "n", "new", "flag", "at_2")
        assert [
            ("1", "2024-01-01T00:00:00Z", 1.0, None, "true", "2024-01-01T00:00:00.250000Z"),
            ("3", None, 7.0, None, None, None),
            ("x-2", "soon", 1.5, 1, "maybe", "later"),
        ] == house.rows(stream, *names)
        days = [datetime(2024, 1, n, tzinfo=UTC) for n in (1, 2, 3)]
        assert sorted(((day,) for day in days), key=repr) == house.rows(stream, "day")

    def test_a_contract_that_grows_adds_and_widens_columns(self, house: House, stream: Stream) -> None:
        stream.commit([{"id": 1, "n": 1}])
        stream.load(stream.spec(columns=columns(id="integer", n="integer")))
        stream.commit([{"id": 2**64, "n": 1.25, "more": "x"}])
        stream.load(stream.spec(columns=columns(id="integer", n="decimal", more="string")))
        stream.commit([{"id": 3, "n": 7}])
        stream.load(stream.spec(columns=columns(id="integer", n="integer")))

        want = [(1, 1, None), (2**64, Decimal("1.25"), "x"), (3, 7, None)]
        assert sorted(want, key=repr) == house.rows(stream, "id", "n", "more")

    def test_a_key_that_becomes_text(self, house: House, stream: Stream) -> None:
        stream.commit([{"id": 1, "v": 1}, {"id": 2, "v": 1}])
        stream.load(stream.spec("merge", primary_key=("id",)))
        stream.commit([{"id": "1", "v": 2}, {"id": "x", "v": 2}])
        stream.load(stream.spec("merge", primary_key=("id",)))

        assert [("1", 2), ("2", 1), ("x", 2)] == house.rows(stream, "id", "v")

    @pytest.mark.parametrize("declared", [True, False])
    @pytest.mark.parametrize("at_once", [True, False])
    @pytest.mark.parametrize("first", [2**53 + 1, 1.5])
    def test_integers_that_a_double_would_round_and_fractions_are_text(
        self, house: House, stream: Stream, declared: bool, at_once: bool, first: float
    ) -> None:
        spec = stream.spec(columns=columns(n="integer") if declared else None)
        for value in [first, 1.5 if first != 1.5 else 2**53 + 1, 7]:
            drifted = declared and (first == 1.5 or value != first)
            stream.commit([{"n": value}], evolved={"n": ("number",)} if drifted else {})
            if not at_once:
                stream.load(spec)
        stream.load(spec)

        assert [("1.5",), ("7",), (str(2**53 + 1),)] == house.rows(stream, "n")

    # Dispositions

    def test_appends_every_commit_once(self, house: House, stream: Stream) -> None:
        spec = stream.spec(columns=columns(id="string", v="integer"))
        stream.commit([{"id": "a", "v": 1}], [{"id": "b", "v": 2}])
        stream.commit([{"id": "a", "v": 1}], run="r2")

        first, second = stream.load(spec), stream.load(spec)

        assert ("loaded", 3, 3, 0, 2, 2) == (
            first.status, first.rows, first.inserted, first.updated, first.commits, first.to_sequence,
        )  # fmt: skip
        assert ("nothing", 0, 2) == (second.status, second.rows, second.from_sequence)
        rows = house.rows(stream, "id", "v", "_sluice_run", "_sluice_commit", "_sluice_loaded_at")
        now = stream.clock.now()
        assert [("a", 1, "r1", 1, now), ("a", 1, "r2", 2, now), ("b", 2, "r1", 1, now)] == rows
        with stream.warehouse.session(spec) as session:
            assert 2 == session.position()
            assert [(0, 2, 3)] == [(r.before, r.after, r.inserted) for r in session.history()]
            assert {1: 2, 2: 1} == session.tally()
        assert {"accounts": 2} == stream.warehouse.positions(stream.source)

    def test_merges_and_the_newest_cursor_wins(self, house: House, stream: Stream) -> None:
        spec = stream.spec("merge", columns=columns(**MERGED), **KEYED)
        stream.commit([row("a", 3, 30), row("a", 1, 10), row("a", 2, 20)], [row("b", 1, 5), row("c", 1, 5)])
        stream.load(spec)
        stream.commit(
            [row("a", 0, 10), row("b", 2, 5), row("c", 2, None), row("d", 1, None), row("d", 2, None)]
        )
        report = stream.load(spec)

        assert (5, 1, 1) == (report.rows, report.inserted, report.updated)
        assert [("a", 3, 1), ("b", 2, 2), ("c", 1, 1), ("d", 2, 2)] == house.rows(
            stream, "id", "v", "_sluice_commit"
        )

    def test_merges_by_a_composite_key_that_reaches_into_a_nested_value(
        self, house: House, stream: Stream
    ) -> None:
        spec = stream.spec(
            "merge",
            columns=columns(account="string", plan="json", v="integer"),
            primary_key=("account", 'plan.it\'s "id"'),
        )
        key = 'it\'s "id"'
        stream.commit(
            [{"account": "a", "plan": {key: 1}, "v": 1}, {"account": "a", "plan": {key: "2"}, "v": 1}]
        )
        stream.load(spec)
        stream.commit(
            [{"account": "a", "plan": {key: 2}, "v": 2}, {"account": "b", "plan": {key: 2}, "v": 1}]
        )
        stream.load(spec)

        assert [("a", 1), ("a", 2), ("b", 1)] == house.rows(stream, "account", "v")

    def test_keys_are_equal_only_when_they_are_the_same(self, house: House, stream: Stream) -> None:
        keys = ["a", "A", "a ", "á", "ä", "a\u0308", "ﬁ", "fi", "ß", "ss", "", " "]
        spec = stream.spec("merge", columns=columns(id="string", v="integer"), primary_key=("id",))
        stream.commit([{"id": key, "v": 1} for key in keys])
        stream.load(spec)
        stream.commit([{"id": key, "v": 2} for key in keys])
        report = stream.load(spec)

        assert (0, len(keys)) == (report.inserted, report.updated)
        assert sorted(((key, 2) for key in keys), key=repr) == house.rows(stream, "id", "v")

    def test_rows_without_a_key_are_refused_and_shown(self, house: House, stream: Stream) -> None:
        stream.commit([row("a", 1, 1), {"v": 2}])

        with pytest.raises(Violation, match="1 of 2 rows have no primary key") as caught:
            stream.load(stream.spec("merge", columns=columns(**MERGED), **KEYED))

        kept = caught.value.hint.rpartition(" in ")[2]
        assert {("a",), (None,)} == set(house.ask(stream, f"SELECT id FROM {kept}"))

    @pytest.mark.parametrize("flag", [{"deleted_at": "2026-01-01T00:00:00Z"}, {"deleted_at": "2026-01-02"}])
    def test_a_merged_row_that_is_deleted_goes(
        self, house: House, stream: Stream, flag: dict[str, str]
    ) -> None:
        spec = stream.spec("merge", columns=columns(**GONE), deleted_field="deleted_at", **KEYED)
        stream.commit([row("a", 1, 1), row("b", 1, 1), row("c", 1, 1), row("never", 1, 1, **flag)])
        stream.load(spec)
        stream.commit(
            [row("a", 2, 2, **flag), row("b", 2, 0, **flag), row("d", 1, 1), row("d", 2, 2, **flag)]
        )
        stream.load(spec)
        before = house.rows(stream, "id", "v")
        stream.commit([row("a", 3, 3)])
        stream.load(spec)

        assert [("b", 1), ("c", 1)] == before
        assert [("a", 3), ("b", 1), ("c", 1)] == house.rows(stream, "id", "v")

    @pytest.mark.parametrize("cursor", ["timestamp", "integer", "string", "date"])
    def test_a_late_row_does_not_bring_back_what_was_deleted(
        self, house: House, stream: Stream, cursor: str
    ) -> None:
        kinds = columns(a="integer", b="string", v="integer", c=cursor, gone="boolean")
        spec = stream.spec(
            "merge", columns=kinds, primary_key=("a", "b"), cursor_field="c", deleted_field="gone"
        )

        def record(b: str, v: int, day: int, *, gone: bool = False) -> dict[str, Any]:
            text = f"2026-01-{day:02d}" + ("T00:00:00Z" if cursor == "timestamp" else "")
            return {"a": 1, "b": b, "v": v, "c": day if cursor == "integer" else text, "gone": gone}

        for records in (
            [record("x", 1, 1), record("y", 1, 1)],
            [record("x", 2, 9, gone=True), record("never", 1, 9, gone=True)],
            [record("x", 3, 5), record("never", 3, 5), record("y", 2, 5)],
        ):
            stream.commit(records)
            stream.load(spec)
        late = house.rows(stream, "b", "v")
        stream.commit([record("x", 4, 10), record("never", 4, 9)])
        stream.load(spec)

        assert [("y", 2)] == late
        assert [("never", 4), ("x", 4), ("y", 2)] == house.rows(stream, "b", "v")

    @pytest.mark.parametrize(
        ("kind", "yes", "no"), [("boolean", True, False), ("integer", 1, 0), ("string", "x", "")]
    )
    def test_flags_of_deletion(self, house: House, stream: Stream, kind: str, yes: Any, no: Any) -> None:
        kinds = columns(id="string", gone=kind)
        stream.commit(
            [{"id": "a", "gone": no}, {"id": "b", "gone": None}, {"id": "c", "gone": yes}, {"id": "d"}]
        )
        stream.load(stream.spec("merge", columns=kinds, primary_key=("id",), deleted_field="gone"))

        assert [("a",), ("b",), ("d",)] == house.rows(stream, "id")

    @pytest.mark.parametrize("disposition", ["merge", "scd2"])
    def test_a_flag_of_deletion_that_may_be_of_any_type(
        self, house: House, stream: Stream, disposition: str
    ) -> None:
        no = [False, 0, 0.0, "false", "0", "", None]
        yes = [True, 1, "2026-01-01", "true", {"by": "me"}]
        spec = stream.spec(
            disposition, columns=columns(id="integer", gone="json"), primary_key=("id",), deleted_field="gone"
        )
        stream.commit([{"id": number, "gone": None} for number in range(len(no) + len(yes))])
        stream.load(spec)
        stream.commit([{"id": number, "gone": value} for number, value in enumerate([*no, *yes])])
        stream.load(spec)

        rows = house.rows(stream, "id", *(["is_current"] if disposition == "scd2" else []))
        assert [*range(len(no))] == [row[0] for row in rows if len(row) == 1 or row[1]]

    def test_replaces_by_whole_snapshots(self, house: House, stream: Stream) -> None:
        spec = stream.spec("replace", columns=columns(id="string", v="integer"), primary_key=("id",))
        stream.commit([{"id": str(n), "v": 1} for n in range(50)], snapshot=True)
        stream.load(spec)
        stream.commit(
            [{"id": str(n), "v": 2} for n in range(20)], run="r2", snapshot=True, resume={"page": 2}
        )
        waiting = stream.load(spec)
        stream.commit([{"id": str(n), "v": 2} for n in range(15, 25)], run="r2", snapshot=True)
        seen: list[Any] = []

        def look(step: Step) -> None:
            if step not in (Step.BEGUN, Step.MOVED, Step.APPLIED, Step.RECORDED) or house.cut:
                found = f"SELECT count(*), min(v), max(v) FROM {house.table(stream)}"
                seen.extend(house.ask(stream, found))

        done = stream.load(spec, on_step=look)
        stream.commit(run="r3", snapshot=True)
        stream.load(spec)

        assert ("waiting", "loaded") == (waiting.status, done.status)
        assert {(50, 1, 1), (25, 2, 2)} == set(seen)
        assert [] == house.rows(stream, "id")

    # Versions

    def test_versions_by_cursor_in_whatever_order_they_come(self, house: House, stream: Stream) -> None:
        spec = stream.spec("scd2", columns=columns(**MERGED), **KEYED)
        stream.commit([row("a", 1, 10), row("a", 3, 30), row("b", 1, None)])
        stream.commit([row("a", 2, 20), row("a", 3, 30), row("c", 1, 5)])
        stream.load(spec)
        stream.commit([row("a", 0, 5), row("a", 33, 30), row("b", 2, 7)])
        stream.load(spec)

        begin = datetime(1000, 1, 1, tzinfo=UTC)
        assert [
            ("a", 0, at(5), at(10), 0, 3),
            ("a", 1, at(10), at(20), 0, 1),
            ("a", 2, at(20), at(30), 0, 2),
            ("a", 33, at(30), None, 1, 3),
            ("b", 1, begin, at(7), 0, 1),
            ("b", 2, at(7), None, 1, 3),
            ("c", 1, at(5), None, 1, 2),
        ] == house.rows(stream, "id", "v", "valid_from", "valid_to", "is_current", "_sluice_commit")

    @pytest.mark.parametrize(
        ("key", "format"), [("string", "jsonl.gz"), ("integer", "csv.gz"), ("json", "csv.gz")]
    )
    def test_a_row_of_a_snapshot_that_no_column_can_hold_ends_no_version(
        self, house: House, stream: Stream, key: str, format: str
    ) -> None:
        name = "id.part" if key == "json" else "id"
        spec = stream.spec(
            "scd2",
            columns=(Column("id", ColumnType(key)), Column("v", ColumnType.DECIMAL, precision=9, scale=2)),
            primary_key=(name,),
        )
        texts = {
            "string": ('"k{}"', "k{}"),
            "integer": ("{}", "{}"),
            "json": ('{{"part":{}}}', '"{{""part"":{}}}"'),
        }[key]

        def land(run: str, **rows: str) -> None:
            csv = format.startswith("csv")
            lines = ["id,v"] if csv else []
            for id, v in rows.items():
                text = texts[csv].format(id[1:])
                lines.append(f"{text},{v}" if csv else f'{{"id":{text},"v":{v}}}')
            stream.commit(lines, run=run, snapshot=True, format=format)
            stream.load(spec)

        land("r1", _1="1", _2="1", _3="1", _4="1")
        land("r2", _1="2", _2="0.001", _4="9999999999")
        second = house.rows(stream, "v", "is_current")
        land("r3", _2="0.001")

        assert [(1, 0), (1, 0), (1, 1), (1, 1), (2, 1)] == second  # 3 has ended, 2 and 4 have not
        assert [(1, 0), (1, 0), (1, 0), (1, 1), (2, 0)] == house.rows(stream, "v", "is_current")

    def test_versions_of_snapshots_end_with_their_key(self, house: House, stream: Stream) -> None:
        spec = stream.spec("scd2", columns=columns(id="string", v="integer"), primary_key=("id",))
        times = []
        for number, (run, records, whole) in enumerate(
            [
                ("r1", [("a", 1), ("b", 1)], True),
                ("r2", [("a", 1)], False),
                ("r2", [("b", 2), ("c", 1)], True),
                ("r3", [("a", 1), ("c", 1)], True),
                ("r4", [], True),
                ("r5", [("a", 1)], True),
            ]
        ):
            stream.clock.sleep(60)
            times.append(stream.clock.now())
            draft: dict[str, Any] = {} if whole else {"resume": {"page": number}}
            batches = [[{"id": id, "v": v} for id, v in records]] if records else []
            stream.commit(*batches, run=run, snapshot=True, **draft)
        stream.load(spec)

        first, _, second, third, fourth, fifth = times
        want = [
            ("a", 1, first, fourth, 0, 1),
            ("b", 1, first, second, 0, 1),
            ("b", 2, second, third, 0, 3),
            ("c", 1, second, fourth, 0, 3),
            ("a", 1, fifth, None, 1, 6),
        ]
        names = ("id", "v", "valid_from", "valid_to", "is_current", "_sluice_commit")
        assert sorted(want, key=repr) == house.rows(stream, *names)

    def test_versions_without_a_time_begin_with_their_commit(self, house: House, stream: Stream) -> None:
        kinds = columns(id="string", v="integer", seq="integer", gone="boolean")
        spec = stream.spec(
            "scd2", columns=kinds, primary_key=("id",), cursor_field="seq", deleted_field="gone"
        )
        times = []
        for records in (
            [{"id": "a", "v": 1, "seq": 1}, {"id": "b", "v": 1, "seq": 1}],
            [{"id": "a", "v": 2, "seq": 3}, {"id": "a", "v": 9, "seq": 2}, {"id": "b", "v": 1, "seq": 1}],
            [
                {"id": "a", "v": 8, "seq": 2},
                {"id": "b", "v": 1, "seq": 2, "gone": True},
                {"id": "x", "gone": True},
            ],
            [{"id": "b", "v": 3, "seq": 4}],
        ):
            stream.clock.sleep(60)
            times.append(stream.clock.now())
            stream.commit(records)
        stream.load(spec)

        one, two, three, four = times
        assert [
            ("a", 1, one, two, 0),
            ("a", 2, two, None, 1),
            ("b", 1, one, three, 0),
            ("b", 1, three, three, 0),
            ("b", 3, four, None, 1),
        ] == house.rows(stream, "id", "v", "valid_from", "valid_to", "is_current")

    @pytest.mark.parametrize("disposition", ["merge", "scd2"])
    def test_a_table_as_loads_left_it_has_no_flaws(
        self, house: House, stream: Stream, disposition: str
    ) -> None:
        kinds = columns(of="json", n="integer", at="timestamp")
        spec = stream.spec(disposition, columns=kinds, primary_key=("of.id", "n"))
        for v in (1, 2):
            stream.commit([{"of": {"id": id, "v": v}, "n": 1, "at": MOMENT.isoformat()} for id in "ab"])
            stream.load(spec)
        with stream.warehouse.session(spec) as session:
            fits = session.flaws()
        with stream.warehouse.session(replace(spec, table="never")) as session:
            none = session.flaws()

        assert (Flaws(), None) == (fits, none)

    def test_a_table_without_versions_is_not_given_any(self, stream: Stream) -> None:
        stream.commit([row("a", 1, 1)])
        stream.load(stream.spec("merge", columns=columns(**MERGED), **KEYED))
        stream.commit([row("a", 1, 1)])

        with pytest.raises(Misconfigured, match="keeps no versions"):
            stream.load(stream.spec("scd2", columns=columns(**MERGED), **KEYED))

    def test_a_table_of_repeated_keys_is_not_merged_into(self, house: House, stream: Stream) -> None:
        """Until it was replaced; one without repeated keys is."""
        for number, ids in enumerate(("ab", "ac")):
            stream.commit([row(id, number, number) for id in ids])
            stream.load(stream.spec(columns=columns(**MERGED)))
        merged = stream.spec("merge", columns=columns(**MERGED), **KEYED)
        stream.commit([row("a", 3, 3)])
        for _ in range(2):
            with pytest.raises(Misconfigured, match="1 keys have several rows in the final table"):
                stream.load(merged)
        fresh = replace(merged, table="fresh")
        replay = plan(fresh, 2, 0)
        rewind(replay, stream.log, stream.store, house.warehouse, load_id=lambda: "back", clock=stream.clock)
        stream.load(fresh)
        assert [("a", 0), ("a", 1), ("b", 0), ("c", 1)] == house.rows(stream, "id", "v")

    def test_values_that_are_nested_too_deep_do_not_stop_the_others(
        self, house: House, stream: Stream
    ) -> None:
        """MariaDB has 31 levels, MySQL 100, the others more."""
        deep = ["[" * depth + '"[\\"{["' + "]" * depth for depth in (31, 32, 100)]
        stream.commit([f'{{"id":{number},"x":{text}}}' for number, text in enumerate(deep)])
        stream.commit(
            [
                "id,x",
                *(f'{number},"{text.replace(chr(34), chr(34) * 2)}"' for number, text in enumerate(deep, 3)),
            ],
            format="csv.gz",
        )
        stream.commit([{"id": 6, "x": [1]}])
        report = stream.load(stream.spec(columns=columns(id="integer", x="json")))
        rows = [id for (id,) in house.rows(stream, "id")]

        assert {0, 3, 6} <= {*rows}
        assert len(rows) == 7 - report.aside
        assert (4 if house.quote("a") == "`a`" else 0) == report.aside

    # The protocol

    def altered(self, stream: Stream, change: Callable[[bytes], bytes] | None) -> None:
        part = stream.log.read(1).draft.parts[0]
        path = Path(stream.store.url(part.key))
        body = path.read_bytes()
        path.unlink()
        if change is not None:
            path.write_bytes(change(body))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (None, "a part of commit 1 is missing"),
            (lambda body: body + b"x", "bytes, and the commit says"),
            (lambda body: body[:-1] + bytes([body[-1] ^ 1]), "has the sha256"),
        ],
    )
    def test_a_part_that_is_not_what_was_committed(
        self, house: House, stream: Stream, change: Callable[[bytes], bytes] | None, message: str
    ) -> None:
        stream.commit([{"id": "a", "v": 1}])
        self.altered(stream, change)

        with pytest.raises(Violation, match=message):
            stream.load(stream.spec(columns=columns(id="string", v="integer")))

        assert [] == house.rows(stream, "id")

    def test_a_count_that_differs_keeps_the_stage_until_the_next_load(
        self, house: House, stream: Stream
    ) -> None:
        spec = stream.spec(columns=columns(id="string", v="integer"))
        part, good = (
            stream.part([{"id": "a", "v": 1}, {"id": "b", "v": 2}]),
            stream.part([{"id": "c", "v": 1}]),
        )
        stream.append(Draft(run="r1", attempt=1, parts=(good, replace(part, rows=3))))

        with pytest.raises(Violation, match="has 3 rows, and 2 were staged") as caught:
            stream.load(spec)
        kept = caught.value.hint.rpartition(" in ")[2]
        rows = house.ask(stream, f"SELECT id FROM {kept} ORDER BY id")
        with pytest.raises(Violation, match="has 3 rows, and 2 were staged"):
            stream.load(spec)

        assert [("a",), ("b",), ("c",)] == rows
        assert 1 == len(house.left_stages(stream))
        assert {"accounts": 0} == stream.warehouse.positions(stream.source)

    def test_a_commit_that_is_missing(self, house: House, stream: Stream) -> None:
        for number in range(3):
            stream.commit([{"id": "a", "v": number}])
        stream.store.delete(stream.landing.layout.commit(2))

        with pytest.raises(Violation, match="commit 2 is missing"):
            stream.load(stream.spec(columns=columns(id="string", v="integer")))

        assert [] == house.rows(stream, "id")

    @pytest.mark.parametrize("step", [Step.VERIFIED, Step.STAGED, Step.EVOLVED])
    @pytest.mark.parametrize("disposition", ["append", "merge", "scd2"])
    def test_two_loaders_at_once_one_wins_and_the_other_ends_quietly(
        self, house: House, stream: Stream, step: Step, disposition: str
    ) -> None:
        spec = stream.spec(disposition, columns=columns(**MERGED), **KEYED)
        stream.commit([row("a", 0, 1)])
        stream.load(spec)
        stream.commit([row("a", 1, 2)])
        winners: list[Any] = []

        def overtake(now: Step) -> None:
            if now is step and not winners:
                winners.append(None)
                winners.append(stream.load(spec))

        loser = stream.load(spec, on_step=overtake)

        assert ("loaded", "superseded", 0) == (winners[1].status, loser.status, loser.rows)
        assert {"append": 2, "merge": 1, "scd2": 2}[disposition] == len(house.rows(stream, "v"))

    @pytest.mark.parametrize(
        ("disposition", "start"), [("append", 0), ("append", 3), ("merge", 2), ("scd2", 0)]
    )
    def test_a_replay_ends_in_the_same_table(
        self, house: House, stream: Stream, disposition: str, start: int
    ) -> None:
        spec = stream.spec(disposition, columns=columns(**GONE), deleted_field="deleted_at", **KEYED)
        for number in range(4):
            stream.commit([row("a", number, number), row("b", number, 9 - number), row(f"k{number}", 0, 0)])
        names = ("id", "v", "_sluice_commit", *(HISTORY if disposition == "scd2" else ()))
        stream.load(spec)
        before = house.rows(stream, *names)
        replay = plan(spec, 4, start)
        moved = rewind(
            replay, stream.log, stream.store, house.warehouse, load_id=lambda: "back", clock=stream.clock
        )
        between = len(house.rows(stream, "id"))
        stream.load(spec)

        assert moved
        assert {"append": 3 * max(0, start - 1), "merge": len(before), "scd2": 0}[disposition] == between
        assert before == house.rows(stream, *names)

    def test_the_clock_goes_back(self, house: House, stream: Stream) -> None:
        spec = stream.spec("scd2", columns=columns(id="string", v="integer"), primary_key=("id",))
        stream.clock.sleep(3600)
        stream.commit([{"id": "a", "v": 1}], snapshot=True)
        stream.clock._seconds = 0.0
        stream.commit([{"id": "a", "v": 2}], run="r2", snapshot=True)
        stream.load(spec)

        assert [("a", 1, 0), ("a", 2, 1)] == house.rows(stream, "id", "v", "is_current")

    def test_rows_of_many_kinds_land_the_same_in_any_number_of_loads(
        self, house: House, tmp_path: Path
    ) -> None:
        """Chance makes records, loads of one commit and loads of all must agree."""
        chance = random.Random(7)
        found = []
        for name, size in (("one", 1), ("all", 1 << 30)):
            stream = house.stream(tmp_path / "landing" / name, name=name)
            spec = stream.spec("merge", columns=columns(**MERGED, x="decimal", o="json"), **KEYED)
            chance.seed(7)
            for _ in range(6):
                stream.commit([_record(chance) for _ in range(chance.randrange(1, 60))])
            stream.load(spec, batch_bytes=size)
            found.append(house.rows(stream, "id", "v", "updated_at", "x", "_sluice_commit"))

        assert found[0] == found[1]


def _record(chance: random.Random) -> dict[str, Any]:
    minute = chance.choice([None, *range(30)])
    more = {
        "x": str(chance.randrange(10**12)) + ".5",
        "o": {"a": chance.choice(["é", '"', "\\", "\n", None])},
    }
    return row(f"k{chance.randrange(40)}", chance.randrange(100), minute, **more)
