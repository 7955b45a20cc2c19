"""Every warehouse of ours, on a real server, holds the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.warehouse.conformance import WarehouseSuite
from tests.shared.warehouse.house import House
from tests.shared.warehouse.houses import duckdb_house, mariadb_house, postgres_house


class TestDuckDB(WarehouseSuite):
    @pytest.fixture
    def house(self, tmp_path: Path) -> House:
        return duckdb_house(tmp_path / "sluice.duckdb")


class TestPostgres(WarehouseSuite):
    @pytest.fixture
    def house(self, postgres_url: str) -> House:
        return postgres_house(postgres_url)


class TestMariaDB(WarehouseSuite):
    @pytest.fixture
    def house(self, mariadb_url: str) -> House:
        return mariadb_house(mariadb_url)
