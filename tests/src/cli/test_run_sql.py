"""`sluice run` with a database: checked, landed and loaded like any other source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from src.cli.app import sluice
from tests.servers.databases import Missing, postgres

SOURCE = """
type: sql
source: crm
url: {url}
auth: {{username: CRM_USER}}
streams:
  orders: {{table: orders, cursor_field: changed_at}}
  lines: {{table: order_lines, mask: {{note: drop}}}}
"""
TABLES = """
CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(12,2) NOT NULL, token uuid, changed_at timestamptz NOT NULL,
  tags text[], raw bytea);
INSERT INTO orders SELECT i, i * 1.10, md5(i::text)::uuid, '2024-01-01'::timestamptz + i * interval '1 second',
  ARRAY['a', i::text], '\\x00ff' FROM generate_series(1, 300) i;
CREATE TABLE order_lines (orders_id bigint, place int, note text, PRIMARY KEY (orders_id, place));
INSERT INTO order_lines SELECT i / 3, i % 3, 'secret' FROM generate_series(0, 899) i;
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    try:
        with postgres() as found:
            yield found
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[Callable[..., Result]]:
    import psycopg

    for name in ("ENVIRONMENT", "LANDING_URL", "WAREHOUSE_URL", "BUCKET_NAME", "SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRM_USER", "sluice")
    monkeypatch.chdir(tmp_path)
    Path("src/crm").mkdir(parents=True)
    Path("src/crm/source.yml").write_text(SOURCE.format(url=url.replace("sluice@", "")))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(TABLES)

        def run(*arguments: str, sql: str = "") -> Result:
            if sql:
                connection.execute(sql.encode())
            return CliRunner().invoke(sluice, arguments, prog_name="sluice")

        yield run


def table(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(".sluice/warehouse.duckdb", read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_tables_become_tables_with_their_own_types(call: Callable[..., Result]) -> None:
    """The key and the types are the catalogue's; a masked column does not arrive."""
    checked = call("check", "crm")
    done = call("run", "crm", "--json")

    assert (0, 0) == (checked.exit_code, done.exit_code), checked.output + done.output
    assert "orders: public.orders has 6 columns, id" in checked.output
    types = dict(
        table("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders'")
    )
    assert ("BIGINT", "DECIMAL(12,2)", "UUID") == (types["id"], types["total"], types["token"])
    assert ("TIMESTAMP WITH TIME ZONE", "JSON", "BLOB") == (types["changed_at"], types["tags"], types["raw"])
    assert [(300, Decimal("49665.00"))] == table("SELECT count(*), sum(total) FROM crm.orders")
    assert [(900,)] == table("SELECT count(*) FROM crm.lines")
    names = table("SELECT column_name FROM information_schema.columns WHERE table_name = 'lines'")
    assert ("note",) not in names


def test_what_changes_is_merged_and_what_is_gone_is_gone(call: Callable[..., Result]) -> None:
    """Merged where there is a cursor, replaced where there is none; new columns come along."""
    call("run", "crm")
    done = call(
        *("run", "crm", "--json"),
        sql="ALTER TABLE orders ADD COLUMN extra date DEFAULT '2024-05-01';"
        "UPDATE orders SET total = 0, changed_at = '2024-06-01' WHERE id = 7;"
        "INSERT INTO orders (id, total, changed_at) VALUES (999, 5, '2024-06-02');"
        "DELETE FROM order_lines WHERE orders_id >= 100",
    )

    assert 0 == done.exit_code, done.output
    answer = json.loads(done.stdout.splitlines()[-1])
    assert "2024-06-02T00:00:00.000000Z" == answer["streams"]["orders"]["cursor"]
    assert 3 == answer["streams"]["orders"]["rows"]
    assert [(301, 0)] == table("SELECT count(*), min(total) FROM crm.orders")
    assert [(7, "2024-05-01"), (999, "2024-05-01")] == table(
        "SELECT id, extra::text FROM crm.orders WHERE extra IS NOT NULL AND id <> 300 ORDER BY id"
    )
    assert [(300,)] == table("SELECT count(*) FROM crm.lines")


def test_loading_needs_no_database(call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract of the catalogue lies in the landing zone."""
    landed = call("run", "crm", "--no-load")
    monkeypatch.delenv("CRM_USER")
    loaded = call("load", "crm")

    assert (0, 0) == (landed.exit_code, loaded.exit_code), loaded.output
    assert [("UUID",)] == table(
        "SELECT data_type FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'token'"
    )


def test_the_name_of_the_reader_is_no_secret(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Only a password is: a name stands in commands and paths."""
    monkeypatch.setenv("WAREHOUSE_URL", "duckdb:///reader_of_crm.duckdb")
    monkeypatch.setenv("CRM_USER", "reader_of_crm")
    failed = call("run", "crm")
    monkeypatch.setenv("CRM_USER", "")

    assert 0 != failed.exit_code
    assert "***" not in failed.output.replace("//***@", "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("url: postgresql://", "url: postgresql://me:s3cret@", "the names of their secrets under `auth`"),
        ("type: sql", "type: sqll", 'unknown type of source "sqll"'),
        ("table: orders,", "tabel: orders,", "tabel"),
        ("cursor_field: changed_at", "incremental: {}", "needs `cursor_field`"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    call: Callable[..., Result], old: str, new: str, said: str
) -> None:
    """And a password in it is not shown."""
    file = Path("src/crm/source.yml")
    file.write_text(file.read_text().replace(old, new))
    done = call("check", "crm")

    assert 2 == done.exit_code, done.output
    assert "source.yml:" in done.output
    assert said in done.output
    assert "s3cret" not in done.output
