"""`sluice ingest-file`: from a file to a table, once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from tests.servers.databases import Missing, mariadb, postgres

Call = Callable[..., Result]
RECORDS = Path(__file__).parents[4] / "shared/data/records"
SCHEMA = """columns:
  id: integer
  email: string
  address: {type: json, nullable: true}
"""
BOTH = """{"properties": {
  "a.b": {"type": "string"},
  "a": {"type": "object", "properties": {"b": {"type": "string"}}}}}
"""
LINES = [
    '{"id": 1, "email": "a@example.com"}',
    "",
    "nonsense",
    '{"id": 2, "email": "b", "address": {"city": "X"}}',
]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line in an empty folder with a file and its schema."""
    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("people.yml").write_text(SCHEMA)
    Path("people.jsonl").write_text("\n".join(LINES) + "\n")
    Path("one.yml").write_text("columns: {id: integer}\n")
    Path("both.json").write_text(BOTH)
    Path("bad.json").write_text('{"properties": {"a": {"type": "strin"}}}')

    def run(*arguments: str, given: bytes | None = None) -> Result:
        return CliRunner().invoke(sluice, arguments, input=given, prog_name="sluice")

    return run


def table(sql: str, file: str = ".sluice/warehouse.duckdb") -> list[tuple[Any, ...]]:
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def answered(result: Result) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


def test_a_file_becomes_rows_and_the_same_file_none(call: Call) -> None:
    """What is invalid is told with how often, and where it lies."""
    words = ["ingest-file", "people.jsonl", "--schema", "people.yml", "--table", "people"]
    first = call(*words)
    second = call(*words, "--json")

    assert (0, 0) == (first.exit_code, second.exit_code), first.output
    assert "2 rows landed, 1 rejected" in first.output
    assert "1 x / json" in first.output
    assert answered(second)["known"] is True
    assert [(1, "a@example.com", None), (2, "b", '{"city": "X"}')] == table(
        "SELECT id, email, address FROM files.people ORDER BY id"
    )


def test_standard_input_gzip_and_another_warehouse(call: Call) -> None:
    """The name `-` is a stream; what is in it tells itself what it is."""
    content = gzip.compress("\n".join(LINES).encode())
    done = call(
        *("ingest-file", "-", "--schema", "people.yml", "--table", "people", "--json"),
        *("--warehouse", "duckdb:///other.duckdb", "--primary-key", "id"),
        given=content,
    )

    assert 0 == done.exit_code, done.output
    assert (2, 1) == (answered(done)["rows"], answered(done)["rejected"])
    assert [(2,)] == table("SELECT count(*) FROM files.people", "other.duckdb")
    assert not Path(".sluice/warehouse.duckdb").exists()


def test_a_key_merges_the_rows_of_later_files(call: Call) -> None:
    """Of the rows of a key the one that landed last."""
    words = ["--schema", "people.yml", "--table", "people", "--primary-key", "id"]
    call("ingest-file", "people.jsonl", *words)
    Path("more.csv").write_text('id,email\n2,"new"\n3,c\n')
    done = call("ingest-file", "more.csv", *words)

    assert 0 == done.exit_code, done.output
    assert [(1, "a@example.com"), (2, "new"), (3, "c")] == table(
        "SELECT id, email FROM files.people ORDER BY id"
    )


def test_what_landed_can_be_loaded_later(call: Call) -> None:
    """`files` is a source like any other, without a source.yml."""
    landed = call("ingest-file", "people.jsonl", "--schema", "people.yml", "--table", "people", "--no-load")
    loaded = call("load", "files", "--json")
    shown = call("status", "files")

    assert (0, 0, 0) == (landed.exit_code, loaded.exit_code, shown.exit_code), loaded.output + shown.output
    assert 2 == answered(loaded)["loads"]["people"]["rows"]
    assert "files.people" in shown.output
    assert [(2,)] == table("SELECT count(*) FROM files.people")


def test_rows_that_no_column_holds_are_told(call: Call) -> None:
    """By the command that loads them, and by the status, without its being asked for the source."""
    Path("people.jsonl").write_text(f'{LINES[0]}\n{{"id": {"9" * 100}, "email": "b"}}\n')
    done = call("ingest-file", "people.jsonl", "--schema", "people.yml", "--table", "people")
    shown = call("status")

    assert (0, 0) == (done.exit_code, shown.exit_code), shown.output
    assert "files.people: loaded 1 rows, 1 set aside" in done.output
    assert "warning: files.people: 1 rows that its columns cannot hold are in" in done.output
    assert (
        "files.people: 1 rows that its columns cannot hold are in landing/files/people/aside/" in shown.output
    )


def test_a_file_that_fits_nowhere_fails_and_lands_when_it_is_corrected(call: Call) -> None:
    """Exit code 4, with the first lines; and the table then has each row once."""
    Path("people.csv").write_text("ID;email\n1;a\n2;b\n")
    words = ["ingest-file", "people.csv", "--schema", "people.yml", "--table", "people"]
    wrong = call(*words)
    Path("people.csv").write_text("id,email\n1,a\n2,b\n")
    right = call(*words)

    assert (4, 0) == (wrong.exit_code, right.exit_code), right.output
    assert "none of the 2 lines fits the schema" in wrong.output
    assert "separated by semicolons" in wrong.output
    assert "line 2: " in wrong.output
    assert [(1,), (2,)] == table("SELECT id FROM files.people ORDER BY id")


def test_a_corrected_schema_lands_what_was_refused_and_says_so(call: Call) -> None:
    """Whoever repeats a command without correcting anything is told what is left, and how it would land."""
    words = ["ingest-file", "people.jsonl", "--schema", "people.yml", "--table", "people"]
    Path("people.jsonl").write_text("\n".join([*LINES[:2], '{"id": 3}', LINES[3]]))
    first, same = call(*words), call(*words)
    Path("people.yml").write_text(SCHEMA.replace("email: string", "email: {type: string, nullable: true}"))
    corrected, after = call(*words), call(*words, "--again")

    assert [0, 0, 0, 0] == [one.exit_code for one in (first, same, corrected, after)], corrected.output
    assert 'line 3: "email" is a required property' in first.output
    assert "1 of its lines were rejected then: with a corrected schema they land" in same.output
    assert "has landed before, in commit 1, under another schema" in corrected.output
    assert "1 rows landed, 0 rejected" in corrected.output
    assert "warning: people.jsonl has landed before, in commit 2" in after.output
    assert [(1, 2), (2, 2), (3, 2)] == table("SELECT id, count(*) FROM files.people GROUP BY id ORDER BY id")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.jsonl", "--schema", "people.yml", "--table", "t"], 2, "cannot read nothing.jsonl"),
        (["people.jsonl", "--schema", "none.yml", "--table", "t"], 2, "cannot read none.yml"),
        (["people.jsonl", "--schema", "people.yml", "--table", "a.b"], 2, "cannot be the name of a stream"),
        (["people.jsonl", "--schema", "people.yml", "--table", "People"], 2, "call it people"),
        (
            ["people.jsonl", "--schema", "people.yml", "--table", "t", "--primary-key", "ID"],
            2,
            "known: address, email, id",
        ),
        (
            ["people.jsonl", "--schema", "people.yml", "--table", "t", "--max-rejected", "10%"],
            4,
            "1 of 3 lines break",
        ),
        (
            ["people.jsonl", "--schema", "people.yml", "--table", "t", "--max-rejected", "much"],
            2,
            "is no share",
        ),
        (
            ["people.jsonl", "--schema", "people.yml", "--table", "t", "--warehouse", "x"],
            2,
            "--warehouse is no URL",
        ),
        (
            ["people.jsonl", "--schema", "people.yml", "--table", "t", "--warehouse", "oracle://db/x"],
            2,
            'unknown kind of warehouse "oracle"',
        ),
        (["people.jsonl", "--schema", "both.json", "--table", "t"], 2, "both.json:2:"),
        (["people.jsonl", "--schema", "one.yml", "--table", "t"], 2, "say --nested json"),
        (["people.jsonl", "--schema", "bad.json", "--table", "t"], 2, "bad.json:1:31"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_lands(call: Call, words: list[str], code: int, said: str) -> None:
    done = call("ingest-file", *words)

    assert code == done.exit_code, done.output
    assert said in done.output
    assert not list(Path().glob(".sluice/landing/landing/files/*/log/*"))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    try:
        with postgres() as one, mariadb() as other:
            yield {"postgresql": one, "mysql": other}
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the sample records are not there")
@pytest.mark.parametrize("kind", ["duckdb", "postgresql", "mysql"])
def test_the_sample_events_land_twice_as_they_must(call: Call, kind: str, servers: dict[str, str]) -> None:
    """Two rows in the table and five in quarantine, also after the second time, in every warehouse."""
    url = servers.get(kind, "duckdb:///w.duckdb")
    words = ["ingest-file", str(RECORDS / "events.jsonl"), "--schema", str(RECORDS / "event.schema.json")]
    for _ in range(2):
        done = call(*words, "--table", "events", "--warehouse", url, "--json")
        assert 0 == done.exit_code, done.output

    found = _events(kind, url)
    assert [(1, "a@example.com", "2021-06-14"), (2, "b@example.com", "2021-06-14")] == found
    rejected = list(Path().glob(".sluice/landing/landing/files/events/rejected/*/*/*.gz"))
    lines = [
        json.loads(line)["line"]
        for file in rejected
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert [3, 4, 5, 6, 7] == lines


def _events(kind: str, url: str) -> list[tuple[Any, ...]]:
    names = ["event_type", "data.user_email", "processing_date"]
    if kind == "mysql":
        import pymysql

        port = int(url.rpartition(":")[2])
        connection = pymysql.connect(host="127.0.0.1", port=port, user="root")
        sql = "SELECT `event_type`, `data.user_email`, `processing_date` FROM `files`.`events` ORDER BY 1"
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                rows = list(cursor.fetchall())
        finally:
            connection.close()
    else:
        quoted = ", ".join(f'"{name}"' for name in names)
        sql = f"SELECT {quoted} FROM files.events ORDER BY 1"
        if kind == "duckdb":
            rows = table(sql, "w.duckdb")
        else:
            import psycopg

            with psycopg.connect(url) as one:
                rows = one.execute(sql.encode()).fetchall()
    return [(number, email, str(day)) for number, email, day in rows]
