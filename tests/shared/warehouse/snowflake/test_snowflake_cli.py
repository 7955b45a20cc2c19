"""The commands of a person on Snowflake: from rows to a table with checks, and what is said of it."""

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
      - expect_column_values_to_be_of_type: {column: at, type_: timestamp}
      - expect_table_columns_to_match_set: {column_set: [id, total, Name, at]}
      - expect_table_row_count_to_equal_commit
      - expect_column_values_to_match_regex: {column: Name, regex: "^[a-z]+$", severity: warn}
      - expect_column_median_to_be_between: {column: total, min_value: 0, severity: warn}
      - unexpected_rows_expectation: {unexpected_rows_query: "SELECT * FROM no.table", severity: warn}
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
    (tmp_path / "src" / "recurly").mkdir(parents=True)
    (tmp_path / "src" / "recurly" / "source.yml").write_text(SOURCE)
    return tmp_path


def run(*words: str, code: int = 0) -> Any:
    """The JSON that a command answers."""
    answer = CliRunner().invoke(sluice, [*words, "--json"])
    assert code == answer.exit_code, answer.output
    return json.loads(answer.stdout.strip().splitlines()[-1])


def record(id: str, total: str, name: str | None = "x", day: int = 1) -> dict[str, Any]:
    return {"id": id, "total": total, "Name": name, "at": f"2026-01-{day:02d}T00:00:00Z"}


def table(stream: Stream) -> list[tuple[Any, ...]]:
    return [
        (id, str(total))
        for id, total in stream.ask('SELECT "id", "total" FROM "recurly"."accounts" ORDER BY 1')
    ]


def verdict(run_id: str) -> dict[str, Any]:
    """What `sluice checks show` says of the checks of a run: status, and results by name."""
    (shown,) = run("checks", "show", run_id)["verdicts"]
    return {"status": shown["status"]} | {check["check"]: check for check in shown["checks"]}


def test_a_file_becomes_a_table_once(place: Path, stream: Stream) -> None:
    (place / "schema.json").write_text(json.dumps(SCHEMA))
    (place / "people.jsonl").write_text('{"id": 1, "Name": "Ä"}\n{"id": "x"}\n{"id": 2}\n')
    words = ("ingest-file", "people.jsonl", "--schema", "schema.json", "--table", "people")
    first, again = run(*words), run(*words)

    assert ("loaded", 2) == (first["loads"]["people"]["status"], first["loads"]["people"]["inserted"])
    assert (True, "nothing") == (again["known"], again["loads"]["people"]["status"])
    assert [(1, "Ä"), (2, None)] == stream.ask('SELECT "id", "Name" FROM "files"."people" ORDER BY 1')


def test_checks_let_rows_pass_warn_and_keep_them_out_until_somebody_releases_them(
    place: Path, stream: Stream
) -> None:
    stream.commit([record(f"a{n}", f"{n}.10") for n in range(3)])
    loaded = run("load", "recurly")
    good = verdict("r1")
    stream.commit([record("a0", "7.00", "X", day=2)], run="r2")
    warned = run("load", "recurly")
    loud = verdict("r2")
    before = table(stream)
    stream.commit([record("b", "-1.00", None, day=2), record("c", "1.00", day=2)], run="r3")
    held = run("load", "recurly", code=4)
    bad = verdict("r3")
    after = table(stream)
    kept = stream.ask(
        "SELECT table_name FROM information_schema.tables WHERE LOWER(table_name) LIKE 'stage:recurly:accounts:%'"
    )
    staged = stream.ask(f'SELECT "id" FROM _sluice."{kept[0][0]}" ORDER BY 1')
    released = run("load", "recurly", "--release", "r3", "--reason", "they are refunds")

    assert (3, 1) == (loaded["loads"]["accounts"]["inserted"], warned["loads"]["accounts"]["updated"])
    # A query of somebody's own that Snowflake does not take is that check's fault alone.
    assert "does not exist" in good["unexpected_rows_expectation"]["error"]
    assert {"unexpected_rows_expectation"} == {
        name for name, check in good.items() if name != "status" and not check["success"]
    }
    assert ("warn", False, [{"id": "a0"}]) == (
        loud["status"], loud["expect_column_values_to_match_regex"]["success"],
        loud["expect_column_values_to_match_regex"]["keys"],
    )  # fmt: skip
    wrong = bad["expect_column_values_to_be_between"]
    assert ("fail", 2, 1, 0.5, [{"id": "b"}]) == (
        bad["status"], wrong["considered"], wrong["unexpected"], wrong["share"], wrong["keys"],
    )  # fmt: skip
    assert "failed" == held["loads"]["accounts"]["status"]
    assert [("a0", "7.000000000"), ("a1", "1.100000000"), ("a2", "2.100000000")] == before == after
    assert [("b",), ("c",)] == staged
    assert 2 == released["loads"]["accounts"]["inserted"]
    assert ["a0", "a1", "a2", "b", "c"] == [id for id, _ in table(stream)]


def test_what_else_is_asked_about_a_table(place: Path, stream: Stream) -> None:
    """Checks as the table is now, a profile, a comparison with the log while rows are held, and a replay."""
    stream.commit([record(f"a{n}", f"{n}.10") for n in range(5)])
    run("load", "recurly")
    checked, profiled = run("checks", "run", "recurly.accounts"), run("profile", "recurly.accounts")
    stream.commit([record("b", "-1", day=2)], run="r2")
    run("load", "recurly", code=4)
    differs = run("reconcile", "recurly", code=4)
    run("load", "recurly", "--release", "r2", "--reason", "they are refunds")
    replayed, fits = run("load", "recurly", "--replay-from", "0", "--yes"), run("reconcile", "recurly")

    assert ("warn", 5) == (checked["status"], profiled["rows"])
    assert ["id", "total", "name", "at"] == [column["name"].lower() for column in profiled["columns"]]
    assert (1, 5) == (differs["streams"][0]["waiting_rows"], differs["streams"][0]["table_rows"])
    assert 2 == replayed["loads"]["accounts"]["to_sequence"]
    assert (6, []) == (fits["streams"][0]["table_rows"], fits["streams"][0]["differences"])
