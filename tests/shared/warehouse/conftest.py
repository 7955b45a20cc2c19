"""Fixtures: a landing zone in a folder and a DuckDB file beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.common.fakes import FakeClock
from shared.contracts.columns import Column
from shared.landing.folder import FolderStore
from shared.warehouse.duckdb_file import DuckDB
from shared.warehouse.ports import Warehouse
from tests.shared.warehouse.stream import Stream, columns


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
