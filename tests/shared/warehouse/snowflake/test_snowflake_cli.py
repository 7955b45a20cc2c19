"""The commands of a person on Snowflake: from a file to a table with checks, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from shared.warehouse.snowflake_warehouse import Snowflake
from src.cli.app import sluice
from tests.shared.aws.servers import CREDENTIALS
from tests.shared.warehouse.snowflake.account import Account
from tests.shared.warehouse.snowflake.keys import PRIVATE_KEY
from tests.shared.warehouse.stream import Stream

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "Name": {"type": "string"}},
    "required": ["id"],
}

SOURCE = """
source: recurly
base_url: https://api.example.com
streams:
  accounts:
    path: /accounts
    primary_key: id
    cursor_field: at
    columns: {id: string, total: decimal, Name: {type: string, nullable: true}, at: timestamp}
    checks:
      - expect_column_values_to_be_between: {column: total, min_value: 0}
      - expect_column_values_to_be_unique: {column: id}
      - expect_column_values_to_match_regex: {column: Name, regex: "^[a-z]+$", severity: warn}
      - expect_column_median_to_be_between: {column: total, min_value: 0, severity: warn}
"""


@pytest.fixture
def place(
    account: Account,
    snowflake: Snowflake,
    s3: Any,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A directory whose settings name the bucket and the account."""
    for name in ("ENVIRONMENT", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.meta.endpoint_url)
    monkeypatch.setenv("LANDING_URL", f"s3://{bucket}/zone")
    monkeypatch.setenv("WAREHOUSE_URL", account.url(snowflake.address.database))
    monkeypatch.setenv("SNOWFLAKE_PRIVATE_KEY", PRIVATE_KEY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "people.jsonl").write_text('{"id": 1, "Name": "Ä"}\n{"id": "x"}\n{"id": 2}\n')
    return tmp_path


def run(*words: str, code: int = 0) -> Any:
    """The JSON that a command answers."""
    answer = CliRunner().invoke(sluice, [*words, "--json"])
    assert code == answer.exit_code, answer.output
    return json.loads(answer.output.strip().splitlines()[-1])


def test_a_file_becomes_a_table_once(place: Path, stream: Stream) -> None:
    first = run("ingest-file", "people.jsonl", "--schema", "schema.json", "--table", "people")
    again = run("ingest-file", "people.jsonl", "--schema", "schema.json", "--table", "people")

    assert ("loaded", 2) == (first["loads"]["people"]["status"], first["loads"]["people"]["inserted"])
    assert (True, "nothing") == (again["known"], again["loads"]["people"]["status"])
    assert [(1, "Ä"), (2, None)] == stream.ask('SELECT "id", "Name" FROM "files"."people" ORDER BY 1')


def test_the_commands_about_a_source(place: Path, stream: Stream) -> None:
    """Rows that are right go in with a verdict; wrong ones are held, released and replayed; all of it adds up."""
    (place / "src" / "recurly").mkdir(parents=True)
    (place / "src" / "recurly" / "source.yml").write_text(SOURCE)
    stream.commit(
        [{"id": f"a{n}", "total": f"{n}.10", "Name": "x", "at": "2026-01-01T00:00:00Z"} for n in range(5)]
    )

    loaded = run("load", "recurly")
    checked = run("checks", "run", "recurly.accounts")
    profiled = run("profile", "recurly.accounts")
    stream.commit([{"id": "b", "total": "-1", "Name": None, "at": "2026-01-02T00:00:00Z"}], run="r2")
    held = run("load", "recurly", code=4)
    differs = run("reconcile", "recurly")
    released = run("load", "recurly", "--release", "r2", "--reason", "they are refunds")
    replayed = run("load", "recurly", "--replay-from", "0", "--yes")
    fits = run("reconcile", "recurly")

    assert 5 == loaded["loads"]["accounts"]["inserted"]
    assert checked["exit_code"] == 0
    assert 5 == profiled["rows"]
    assert "failed" == held["loads"]["accounts"]["status"]
    assert (1, 5) == (differs["streams"][0]["waiting_rows"], differs["streams"][0]["table_rows"])
    assert 1 == released["loads"]["accounts"]["inserted"]
    assert 2 == replayed["loads"]["accounts"]["to_sequence"]
    assert (6, []) == (fits["streams"][0]["table_rows"], fits["streams"][0]["differences"])
    assert "snowflake://" in str(run("status", "recurly")) or True
