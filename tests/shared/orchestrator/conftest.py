"""Fixtures: a PostgreSQL for all tests of the dispatcher, and databases in it that are empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest

from tests.servers.databases import Missing, postgres

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    try:
        with postgres() as url:
            yield url
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def make_database(server_url: str) -> Iterator[Callable[[str], str]]:
    """Empty databases, by name; their URLs. They go after the test: the server shall have little to write."""
    made: list[str] = []

    def execute(statement: str) -> None:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def make(name: str) -> str:
        made.append(f"{name}_{next(_NUMBERS)}")
        execute(f'CREATE DATABASE "{made[-1]}"')
        return server_url.rpartition("/")[0] + f"/{made[-1]}"

    yield make
    for name in made:
        execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(make_database: Callable[[str], str]) -> str:
    return make_database("events")
