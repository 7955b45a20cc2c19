"""The warehouses that this machine can have: a DuckDB file, and databases at the URL of a running server."""

from __future__ import annotations

from pathlib import Path

from shared.common.fakes import FakeClock
from shared.warehouse.duckdb_file import DuckDB
from src.wiring import open_warehouse
from tests.shared.warehouse.house import House


def duckdb_house(path: Path) -> House:
    return House(DuckDB(path, clock=FakeClock(), threads=1), f"duckdb:///{path}", rounds=True)


def postgres_house(url: str) -> House:
    import psycopg

    def cut() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice'"
            )

    return House(open_warehouse(url), url, cut=cut, nul="\ufffd")


def mariadb_house(url: str) -> House:
    import pymysql
    from sqlalchemy.engine import make_url

    from shared.warehouse.mysql_types import backticked

    address = make_url(url)

    def cut() -> None:
        with pymysql.connect(
            host=address.host, port=address.port or 0, user="root", autocommit=True
        ) as connection:
            cursor = connection.cursor()
            mine = connection.thread_id()
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE user = 'root' AND id <> %s", (mine,)
            )
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")

    return House(open_warehouse(url), url, quote=backticked, cut=cut)
