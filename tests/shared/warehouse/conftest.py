"""Fixtures: a landing zone in a folder and a DuckDB file beside it; a PostgreSQL and a MariaDB for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.common.fakes import FakeClock
from shared.contracts.columns import Column
from shared.landing.folder import FolderStore
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Warehouse
from tests.servers.databases import Missing, mariadb, postgres
from tests.shared.warehouse.house import House
from tests.shared.warehouse.houses import duckdb_house, mariadb_house, postgres_house
from tests.shared.warehouse.stream import Stream, columns

pytest.register_assert_rewrite("tests.shared.warehouse.conformance")


@pytest.fixture(name="columns")
def columns_fixture() -> Callable[..., tuple[Column, ...]]:
    return columns


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "sluice.duckdb"


@pytest.fixture
def stream(tmp_path: Path, database: Path) -> Stream:
    return Stream(FolderStore(tmp_path / "landing"), DuckDB(database, clock=FakeClock(), threads=2))


@pytest.fixture
def make_stream(tmp_path: Path) -> Callable[..., Stream]:
    """Streams that share the landing zone, each with the warehouse that it is given."""

    def make(warehouse: Warehouse, **options: Any) -> Stream:
        return Stream(FolderStore(tmp_path / "landing"), warehouse, **options)

    return make


@pytest.fixture(params=["duckdb", "postgres", "mariadb"])
def any_house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    """Each warehouse in turn, empty."""
    match request.param:
        case "duckdb":
            return duckdb_house(tmp_path / "sluice.duckdb")
        case "postgres":
            return postgres_house(request.getfixturevalue("postgres_url"))
        case _:
            return mariadb_house(request.getfixturevalue("mariadb_url"))


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> House:
    """Each warehouse that is a server."""
    if request.param == "postgres":
        return postgres_house(request.getfixturevalue("postgres_url"))
    return mariadb_house(request.getfixturevalue("mariadb_url"))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    try:
        with postgres() as url:
            yield url
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    try:
        with mariadb() as url:
            yield url
    except Missing as reason:
        pytest.skip(str(reason))
