"""No DDL in a transaction of ours (fakesnow would let it pass), and errors named by who must act."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snowflake.connector import errors

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.warehouse.snowflake_connection import Connection, first_word, parts_of, translated


class Cursor:
    """Notes what it is given."""

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    def execute(self, sql: str, parameters: Any = None) -> None:
        self._seen.append(sql)

    def fetchall(self) -> list[tuple[int]]:
        return [(1,)]

    def close(self) -> None: ...


class Raw:
    """A connection that has no server."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def cursor(self) -> Cursor:
        return Cursor(self.seen)

    def close(self, *, retry: bool) -> None: ...


@pytest.fixture
def raw() -> Raw:
    return Raw()


@pytest.fixture
def connection(raw: Raw) -> Connection:
    return Connection(lambda: raw)


DDL = [
    "CREATE TABLE t (a INT)",
    "create or replace temporary table t as select 1",
    "CREATE TEMPORARY STAGE s",
    "ALTER TABLE t ADD COLUMN a INT",
    "ALTER SESSION SET QUERY_TAG = 'x'",
    "DROP TABLE IF EXISTS t",
    "TRUNCATE TABLE t",
    "GRANT SELECT ON TABLE t TO ROLE r",
    "COPY INTO t FROM @s",
    "USE SCHEMA s",
    "BEGIN",
    "CALL p()",
    "EXECUTE IMMEDIATE 'DROP TABLE t'",
    "UNDROP TABLE t",
    "COMMENT ON TABLE t IS 'x'",
    "-- SELECT\nDROP TABLE t",
    "/* SELECT */ DROP TABLE t",
    "// SELECT\nDROP TABLE t",
    "SELECT 1; DROP TABLE t",
    "INSERT INTO t SELECT ';' ; DROP TABLE t",
    "INSERT INTO t VALUES ('it''s \\'; x'); DROP TABLE t",
    "WITH a AS (SELECT 1) SELECT * FROM a; CREATE TABLE t (a INT)",
    "",
]


@pytest.mark.parametrize("sql", DDL)
def test_in_a_transaction_only_rows_are_read_and_changed(sql: str, connection: Connection, raw: Raw) -> None:
    connection.begin()

    with pytest.raises(SluiceError, match="Snowflake would commit the half that is done"):
        connection.query(sql)

    assert ["BEGIN TRANSACTION"] == raw.seen


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("sql", DDL[:-1])
def test_before_and_behind_a_transaction_anything_goes(
    sql: str, end: str, connection: Connection, raw: Raw
) -> None:
    connection.query(sql)
    connection.begin()
    getattr(connection, end)()
    connection.query(sql)

    assert [sql, "BEGIN TRANSACTION", end.upper(), sql] == raw.seen


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "(SELECT 1) UNION (SELECT 2)",
        "-- why\nUPDATE t SET a = 'create; drop' WHERE \"drop;\" = $$;$$;",
        "/* why; */ MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1",
        "DELETE FROM t USING s WHERE t.a = s.a",
        "WITH a AS (SELECT 1) SELECT * FROM a",
    ],
)
def test_rows_go_through(sql: str, connection: Connection, raw: Raw) -> None:
    connection.begin()
    connection.query(sql)

    assert sql == raw.seen[-1]


@given(st.text(alphabet="ab'\"$-/*;\\\n ", max_size=40))
def test_taking_sql_apart_loses_nothing(sql: str) -> None:
    assert sql == "".join(piece for _, piece in parts_of(sql))
    verb, alone = first_word(sql)
    assert not verb or verb.isalpha()
    assert isinstance(alone, bool)


@pytest.mark.parametrize(
    ("error", "ours", "broken"),
    [
        (errors.ProgrammingError("no such table", errno=2003, sqlstate="42S02"), Misconfigured, False),
        (errors.ProgrammingError("no warehouse", errno=606, sqlstate="57P03"), Misconfigured, False),
        (errors.ProgrammingError("syntax", errno=1003, sqlstate="42000"), Misconfigured, False),
        (
            errors.ProgrammingError("Remote file 'x' was not found", errno=91016, sqlstate="22000"),
            Misconfigured,
            False,
        ),
        (errors.ProgrammingError("insufficient privileges", errno=3001, sqlstate="42501"), Refused, False),
        (errors.ForbiddenError(msg="HTTP 403", errno=250001, sqlstate="08001"), Misconfigured, False),
        (errors.ProgrammingError("no current schema", errno=90106, sqlstate="22000"), Misconfigured, False),
        (errors.DatabaseError("JWT is invalid", errno=394304, sqlstate="28000"), Refused, False),
        (errors.DatabaseError("role not granted", errno=390186, sqlstate="08001"), Refused, False),
        (errors.ProgrammingError("Numeric value 'x'", errno=100038, sqlstate="22018"), Violation, False),
        (errors.ProgrammingError("out of range", errno=100132, sqlstate="22003"), Violation, False),
        (errors.ProgrammingError("lock timeout", errno=625, sqlstate="57014"), Transient, False),
        (errors.ProgrammingError("canceled", errno=604, sqlstate="57014"), Transient, False),
        (
            errors.ProgrammingError("Session no longer exists", errno=390111, sqlstate="08003"),
            Transient,
            True,
        ),
        (errors.OperationalError("could not connect", errno=250003), Transient, True),
        (errors.InternalServerError(msg="HTTP 500", errno=290500), Transient, True),
        (errors.InterfaceError("connection is closed", errno=252006), Transient, True),
        (ConnectionResetError("reset"), Transient, True),
    ],
)
def test_errors_say_who_must_act(
    error: Exception, ours: type[SluiceError], broken: bool, connection: Connection
) -> None:
    with pytest.raises(ours, match=r"\S") as caught, translated(connection):
        raise error

    assert (ours, broken) == (type(caught.value), connection.broken)


def test_an_error_names_the_query(connection: Connection) -> None:
    with pytest.raises(Violation, match="Numeric value 'abc'") as caught, translated(connection):
        raise errors.ProgrammingError(
            "Numeric value 'abc' is not recognized\n  File 'a.jsonl.gz', line 3, character 5",
            errno=100038, sqlstate="22018", sfqid="01b2-0000",
        )  # fmt: skip

    assert "line 3" in caught.value.message
    assert "01b2-0000" == caught.value.where["query"]
