"""Every type of a database arrives as it is: to the last digit, in UTC, with names however odd."""

from __future__ import annotations

import base64
import json
from decimal import Decimal

import pytest

from shared.contracts.validate import Validator
from shared.ingestion.sql_known import last_contract
from tests.shared.ingestion.conftest import Execute
from tests.shared.ingestion.sql_house import House

CONTROLS = "".join(map(chr, range(1, 32)))
LONG = "12345678901234567890.123456789012345678900"
BYTES = base64.b64encode(b'\x00\xff\n"' + b"x" * 100).decode()
WILD = 'quote " backslash \\ line\nnext\ttab € 😀 %s !'

POSTGRES = {
    "int2": ("smallint", "-32768", -32768),
    "int8": ("bigint", "9223372036854775807", 9223372036854775807),
    "numeric": ("numeric", LONG, Decimal(LONG)),
    "money2": ("numeric(10,2)", "1.50", Decimal("1.50")),
    "float4": ("real", "0.1", Decimal("0.1")),
    "float8": ("double precision", "1.7976931348623157e308", Decimal("1.7976931348623157e308")),
    "flag": ("boolean", "true", True),
    "day": ("date", "'2024-02-29'", "2024-02-29"),
    "zoned": ("timestamptz", "'2024-03-01 01:23:45.000001+01'", "2024-03-01T00:23:45.000001+00:00"),
    "naive": ("timestamp", "'2024-03-01 01:23:45.5'", "2024-03-01T01:23:45.5+00:00"),
    "clock": ("time", "'23:59:59.999999'", "23:59:59.999999"),
    "clock_zoned": ("timetz", "'23:59:59+02'", "23:59:59+02"),
    "length": ("interval", "'1 year 2 days 3.5 seconds'", "P1Y2DT3.5S"),
    "token": ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "bytes": ("bytea", "'\\x00ff0a22'::bytea || convert_to(repeat('x', 100), 'UTF8')", BYTES),
    "text": ("text", "E'quote \" backslash \\\\ line\\nnext\\ttab \\u20ac \\U0001F600 %s !'", WILD),
    "controls": ("text", "E'" + "".join(f"\\x{ord(c):02x}" for c in CONTROLS) + "'", CONTROLS),
    "empty": ("text", "''", ""),
    "null_text": ("varchar(10)", "NULL", None),
    "padded": ("char(5)", "'ab'", "ab   "),
    "json": ("json", "E'{\"a\":\\n 1.0,\\t\"a\": [1e2, null]}'", {"a": [Decimal("1e2"), None]}),
    "jsonb": ("jsonb", "'{\"b\": 1.10, \"s\": \"x\\ny\"}'", {"b": Decimal("1.10"), "s": "x\ny"}),
    "json_null": ("jsonb", "'null'", None),
    "numbers": ("numeric[]", "'{1.10,NULL,3}'", [Decimal("1.10"), None, 3]),
    "words": ("text[]", "ARRAY['a,b', E'c\\nd', '\"']", ["a,b", "c\nd", '"']),
    "matrix": ("int[][]", "'{{1,2},{3,4}}'", [[1, 2], [3, 4]]),
    "mood": ("mood", "'so \"so\"'", 'so "so"'),
    "email": ("email", "'a@example.com'", "a@example.com"),
    "amount": ("amount", "12.30", Decimal("12.30")),
    "pair": ("pair", "(1, E'x\\ny')", {"a": 1, "b": "x\ny"}),
    "range": ("int4range", "'[1,5)'", "[1,5)"),
    "address": ("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
    "bits": ("bit(3)", "B'101'", "101"),
    "cash": ("money", "'1234.56'", Decimal("1234.56")),
}  # fmt: skip


@pytest.mark.parametrize("filled", ["", "NOT NULL"])
def test_every_type_of_postgresql_arrives_exactly(pg: Execute, postgres_url: str, filled: str) -> None:
    """What stands in the database stands in the landing zone; the contract of the catalogue allows it."""
    pg(
        "CREATE TYPE mood AS ENUM ('so \"so\"')",
        "CREATE DOMAIN email AS varchar(50) CHECK (VALUE LIKE '%@%')",
        "CREATE DOMAIN amount AS numeric(12,2) NOT NULL",
        "CREATE TYPE pair AS (a int, b text)",
    )
    columns = ", ".join(
        f'"{name}" {kind} {filled if value != "NULL" else ""}' for name, (kind, value, _) in POSTGRES.items()
    )
    pg(
        f"CREATE TABLE t ({columns})",
        f"INSERT INTO t VALUES ({', '.join(v for _, v, _ in POSTGRES.values())})",
    )
    house = House(postgres_url, {"t": {"table": "t"}})

    house.well()

    (row,) = house.rows()
    assert {name: value for name, (_, _, value) in POSTGRES.items()} == row
    assert list(POSTGRES) == list(row)
    contract = last_contract(house.store, "shop", "t", clock=house.clock)
    assert contract is not None
    # A time with a zone and a text of 24 hours are none to the contract, so both are text there.
    assert [] == Validator.for_contract(contract).check(house.texts()[0].encode())
    kinds = {column.name: (column.type.value, column.nullable) for column in contract.columns()}
    assert ("decimal", True) == kinds["numeric"]
    assert ("timestamp", True) == kinds["naive"]
    assert ("integer", not filled) == kinds["int8"]
    assert ("decimal", True) == kinds["amount"]
    assert {"binary", "uuid", "json", "date"} <= {kind for kind, _ in kinds.values()}
    (amount,) = [column for column in contract.columns() if column.name == "amount"]
    assert (12, 2) == (amount.precision, amount.scale)


def test_numbers_keep_their_text(pg: Execute, postgres_url: str) -> None:
    """1.50 is not 1.5: the digits are the database's."""
    pg("CREATE TABLE t (a numeric, b numeric(5,3))", "INSERT INTO t VALUES (1.50, 2), (-0.000, NULL)")
    house = House(postgres_url, {"t": {"table": "public.t"}})

    house.well()

    assert ['{"a":1.50,"b":2.000}', '{"a":0.000,"b":null}'] == sorted(house.texts(), reverse=True)


ODD = ['a"b', "select", "Ünï", "with space", "per%cent", "tick`s", "quote's", "back\\slash", "{0}", "!", "😀"]


def test_names_may_be_odd_in_postgresql(pg: Execute, postgres_url: str) -> None:
    """Schema, table and columns are quoted; a key may have such a name, too."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in ODD]
    pg(
        'CREATE SCHEMA "odd.schema"',
        f'CREATE TABLE "odd.schema"."Ta""ble" ({", ".join(f"{q} int NOT NULL" for q in quoted)})',
        f'ALTER TABLE "odd.schema"."Ta""ble" ADD PRIMARY KEY ({quoted[0]}, {quoted[4]})',
        f'INSERT INTO "odd.schema"."Ta""ble" SELECT {", ".join(["i"] * len(ODD))} FROM generate_series(1, 7) i',
    )
    house = House(postgres_url, {"t": {"table": '"odd.schema"."Ta""ble"', "chunk_size": 2}})

    house.well()

    assert [dict.fromkeys(ODD, i) for i in range(1, 8)] == sorted(house.rows(), key=lambda row: row["!"])


def test_names_may_be_odd_in_mysql(my: Execute, my_url: str) -> None:
    """The same with backticks; MySQL has no names beyond the basic plane."""
    names = ODD[:-1]
    quoted = ["`" + name.replace("`", "``") + "`" for name in names]
    my(
        f"CREATE TABLE `Ta``ble` ({', '.join(f'{q} int NOT NULL' for q in quoted)})",
        f"ALTER TABLE `Ta``ble` ADD PRIMARY KEY ({quoted[0]}, {quoted[4]})",
        f"INSERT INTO `Ta``ble` SELECT {', '.join(['seq'] * len(names))} FROM seq_1_to_7",
    )
    house = House(my_url, {"t": {"table": "Ta`ble", "chunk_size": 2}})

    house.well()

    assert [dict.fromkeys(names, i) for i in range(1, 8)] == sorted(house.rows(), key=lambda row: row["!"])


def test_a_table_may_have_more_columns_than_a_function_takes(pg: Execute, postgres_url: str) -> None:
    """PostgreSQL's functions end at a hundred arguments, its tables at 1,600 columns."""
    pg(
        f"CREATE TABLE t ({', '.join(f'c{i} int' for i in range(500))})",
        "INSERT INTO t (c0, c499) VALUES (1, 2)",
    )
    house = House(postgres_url, {"t": {"table": "t"}})

    house.well()

    (row,) = house.rows()
    assert [f"c{i}" for i in range(500)] == list(row)
    assert (1, None, 2) == (row["c0"], row["c80"], row["c499"])


BROKEN = """INSERT INTO t VALUES
(1, 'NaN', 1, 1, '2024-01-01', now(), now()),
(2, 1, 'Infinity', 1, 'infinity', now(), now()),
(3, 1, 1, '-Infinity', '2024-01-01', '-infinity', '0044-03-15 BC'),
(4, 1.5, 1.5, 1.5, '2024-01-01', '2024-01-01', '2024-01-01'),
(5, NULL, NULL, NULL, NULL, NULL, '12024-01-01')"""
_BROKEN_TABLE = (
    "CREATE TABLE t (id int PRIMARY KEY, n numeric(8,2), f float8, g numeric, "
    "d date, z timestamptz, w timestamp)"
)


def test_what_is_neither_number_nor_date_lands_as_null_and_is_told(pg: Execute, postgres_url: str) -> None:
    """NaN, infinity, days before Christ and after 9999 have no place in JSON or in a warehouse's date."""
    pg(_BROKEN_TABLE, BROKEN)
    house = House(postgres_url, {"t": {"table": "t"}})

    report = house.well()

    rows = {row["id"]: [k for k, v in row.items() if v is None] for row in house.rows()}
    assert {1: ["n"], 2: ["f", "d"], 3: ["g", "z", "w"], 4: [], 5: ["n", "f", "g", "d", "z", "w"]} == rows
    (warning,) = report.streams["t"].warnings
    assert warning.startswith("7 values")


def test_marks_are_read_in_columns_that_are_never_null(pg: Execute, postgres_url: str) -> None:
    """There numbers are written as they are, and NaN is no JSON."""
    pg(
        "CREATE TABLE t (f float8 NOT NULL, n numeric(8,2) NOT NULL, d date NOT NULL, s text NOT NULL)",
        "INSERT INTO t VALUES ('NaN', 'NaN', 'infinity', ':NaN, \"NaN\" \\'), (1, 1, '2024-01-01', 'x')",
    )
    house = House(postgres_url, {"t": {"table": "t"}})

    house.well()

    assert [{"f": None, "n": None, "d": None, "s": ':NaN, "NaN" \\'}] == [
        r for r in house.rows() if r["s"] != "x"
    ]


def test_their_rows_are_quarantined_where_the_file_says_so(pg: Execute, postgres_url: str) -> None:
    """With every fault and its place; the healthy rows land."""
    pg(_BROKEN_TABLE, BROKEN)
    house = House(postgres_url, {"t": {"table": "t", "not_finite": "quarantine"}})

    report = house.well()

    assert (1, 4) == (report.streams["t"].rows, report.streams["t"].rejected)
    assert [4] == [row["id"] for row in house.rows()]
    found = {one["record"]["id"]: {fault["pointer"] for fault in one["reasons"]} for one in house.rejected()}
    assert {1: {"/n"}, 2: {"/f", "/d"}, 3: {"/g", "/z", "/w"}, 5: {"/w"}} == found


MYSQL = {
    "tiny": ("TINYINT(1)", "2", 2),
    "big": ("BIGINT UNSIGNED", "18446744073709551615", 18446744073709551615),
    "filled": ("INT(8) ZEROFILL", "42", 42),
    "amount": ("DECIMAL(30,10)", "'12345678901234567890.1234567890'", Decimal("12345678901234567890.1234567890")),
    "double_": ("DOUBLE", "0.1", Decimal("0.1")),
    "tiny_double": ("DOUBLE", "2.2250738585072014e-308", Decimal("2.2250738585072014e-308")),
    "day": ("DATE", "'2024-02-29'", "2024-02-29"),
    "at": ("DATETIME(6)", "'2024-03-01 01:23:45.000001'", "2024-03-01T01:23:45.000001Z"),
    "stamp": ("TIMESTAMP", "'2024-03-01 01:23:45'", "2024-03-01T01:23:45Z"),
    "clock": ("TIME(3)", "'-838:59:59.000'", "-838:59:59.000"),
    "year_": ("YEAR", "2024", 2024),
    "text_": ("LONGTEXT", f"_utf8mb4 X'{(WILD + CONTROLS).encode().hex()}'", WILD + CONTROLS),
    "latin": ("VARCHAR(10) CHARACTER SET latin1", "'é'", "é"),
    "none": ("VARCHAR(10)", "NULL", None),
    "kind": ("ENUM('a','b\"c')", "'b\"c'", 'b"c'),
    "kinds": ("SET('a','b')", "'a,b'", "a,b"),
    "doc": ("JSON", "'{\"a\": [1.10,\\n null], \"b\": \"x\\\\ny\"}'", {"a": [Decimal("1.10"), None], "b": "x\ny"}),
    "bytes": ("LONGBLOB", "CONCAT(X'00FF0A22', REPEAT('x', 100))", BYTES),
    "bits": ("BIT(8)", "b'10000001'", 129),
    "token": ("UUID", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "address": ("INET6", "'::1'", "::1"),
    "place": ("POINT", "ST_GeomFromText('POINT(1 2)')", "POINT(1 2)"),
}  # fmt: skip


def test_every_type_of_mysql_arrives_exactly(my: Execute, my_url: str) -> None:
    """As for PostgreSQL."""
    columns = ", ".join(f"`{name}` {kind} NULL" for name, (kind, _, _) in MYSQL.items())
    my(f"CREATE TABLE t ({columns})", f"INSERT INTO t SELECT {', '.join(v for _, v, _ in MYSQL.values())}")
    house = House(my_url, {"t": {"table": "t"}})

    house.well()

    (row,) = house.rows()
    assert {name: value for name, (_, _, value) in MYSQL.items()} == row
    contract = last_contract(house.store, "shop", "t", clock=house.clock)
    assert contract is not None
    assert [] == Validator.for_contract(contract).check(house.texts()[0].encode())
    (amount,) = [column for column in contract.columns() if column.name == "amount"]
    assert (30, 10) == (amount.precision, amount.scale)


def test_a_day_in_no_calendar_of_mysql_lands_as_null(my: Execute, my_url: str) -> None:
    """MySQL keeps 0000-00-00 and 2024-02-00 when nobody forbids it."""
    my(
        "SET SESSION sql_mode = ''",
        "CREATE TABLE t (id int PRIMARY KEY, d date, a datetime)",
        "INSERT INTO t VALUES (1, '0000-00-00', '2024-00-01 00:00:00'), (2, '2024-02-00', NULL)",
        "INSERT INTO t VALUES (3, '2024-01-01', '2024-01-01')",
    )
    house = House(my_url, {"t": {"table": "t"}})

    report = house.well()

    assert [{"id": 1, "d": None, "a": None}, {"id": 2, "d": None, "a": None}] == house.rows()[:2]
    assert "2024-01-01T00:00:00Z" == house.rows()[2]["a"]
    assert report.streams["t"].warnings[0].startswith("3 values")


@pytest.mark.parametrize("left_out", ["secret", "id"])
def test_columns_can_be_left_out(pg: Execute, postgres_url: str, left_out: str) -> None:
    """They are never asked for, so a user who may not read them can be the one who reads."""
    pg(
        "CREATE TABLE t (id int PRIMARY KEY, secret text, name text)",
        "INSERT INTO t VALUES (1, 'x', 'a')",
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN",
        "GRANT USAGE ON SCHEMA public TO reader",
        "GRANT SELECT (id, name) ON t TO reader" if left_out == "secret" else "GRANT SELECT ON t TO reader",
    )
    house = House(
        postgres_url.replace("//sluice", "//reader"), {"t": {"table": "t", "leave_out": [left_out]}}
    )

    house.well()

    assert [left_out not in row and row["name"] == "a" for row in house.rows()] == [True]
    pg("DROP OWNED BY reader", "DROP ROLE reader")


def test_masks_and_a_contract_of_the_file_see_every_record(pg: Execute, postgres_url: str) -> None:
    """A masked column leaves the process masked; what breaks the contract is quarantined, masked as well."""
    pg(
        "CREATE TABLE t (id int PRIMARY KEY, card text, age int)",
        "INSERT INTO t VALUES (1, '4111111111111111', 30), (2, '4222222222222222', -1)",
    )
    contract = {"type": "object", "properties": {"card": {"type": "string"}, "age": {"type": "integer"}}}
    house = House(
        postgres_url,
        {"t": {"table": "t", "mask": {"card": "partial"}, "primary_key": "id", "contract": contract}},
    )
    source = house.source
    assert source.spec.streams["t"].mask

    house.well()

    assert {"************1111", "************2222"} == {row["card"] for row in house.rows()}
    everything = b"".join(house.store.get(info.key) for info in house.store.list(""))
    assert b"4111111111111111" not in everything


def test_read_table_gives_the_rows_without_a_landing_zone(pg: Execute, postgres_url: str) -> None:
    """For the inputs of a pipeline."""
    from shared.common.fakes import DictSecrets
    from shared.ingestion.sql_connect import Database
    from shared.ingestion.sql_session import read_table
    from shared.ingestion.sql_spec import SqlAuth

    pg(
        "CREATE TABLE t AS SELECT i AS id, 'NaN'::float8 AS f FROM generate_series(1, 2500) i",
        "ALTER TABLE t ADD PRIMARY KEY (id)",
    )
    database = Database(
        postgres_url.replace("sluice@", ""), SqlAuth(username="U"), DictSecrets({"U": "sluice"})
    )
    blocks = list(read_table(database, "t", rows=1000))

    rows = [json.loads(line) for block, _ in blocks for line in block.splitlines()]
    assert [{"id": i, "f": None} for i in range(1, 2501)] == sorted(rows, key=lambda row: row["id"])
    assert 2500 == sum(count for _, count in blocks)
