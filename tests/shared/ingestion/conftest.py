"""The bench of this room's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.databases import Missing, mariadb, postgres
from tests.shared.ingestion.acme import Bench

Execute = Callable[..., Any]
"""Runs SQL statements in a database, outside of what is tested; returns the rows of the last one."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for this room; its database is emptied before each test that asks for `pg`."""
    try:
        with postgres() as url:
            yield url
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """A MariaDB server for this room."""
    try:
        with mariadb() as url:
            yield url
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def pg(postgres_url: str) -> Iterator[Execute]:
    """Statements in an empty schema `public`."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")

        def execute(*statements: str) -> Any:
            cursor = None
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor is not None and cursor.description else None

        yield execute


@pytest.fixture
def my(mariadb_url: str) -> Iterator[Execute]:
    """Statements in an empty database `shop`."""
    import pymysql

    port = int(mariadb_url.rpartition(":")[2])
    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True, charset="utf8mb4")
    try:
        with connection.cursor() as cursor:

            def execute(*statements: str) -> Any:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())

            execute("DROP DATABASE IF EXISTS shop", "CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop")
            yield execute
    finally:
        connection.close()


@pytest.fixture
def my_url(my: Execute, mariadb_url: str) -> str:
    return f"{mariadb_url}/shop"
