"""What every warehouse owes, on Snowflake: the real connector, a bucket, and fakesnow behind `account`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.warehouse.snowflake_warehouse import Snowflake
from tests.shared.warehouse.conformance import WarehouseSuite
from tests.shared.warehouse.house import House
from tests.shared.warehouse.snowflake.account import Account
from tests.shared.warehouse.snowflake.house import SnowflakeHouse
from tests.shared.warehouse.stream import Stream


class TestSnowflake(WarehouseSuite):
    reads_long_numbers = False  # a VARIANT has a double then: docs/warehouses.md, Types

    @pytest.fixture
    def house(
        self, snowflake: Snowflake, account: Account, database: str, bucket: str, s3: Any
    ) -> SnowflakeHouse:
        url = account.url(database)
        return SnowflakeHouse(snowflake, url, cut=account.cut, s3=s3, bucket=bucket)

    def test_a_name_belongs_to_the_column_that_it_got_first(self, house: House, stream: Stream) -> None:
        pytest.skip("columns are in upper case, so whose one is cannot be seen: docs/warehouses.md, Names")

    def altered(self, stream: Stream, change: Callable[[bytes], bytes] | None) -> None:
        store, part = stream.store, stream.log.read(1).draft.parts[0]
        body = store.get(part.key)
        store.delete(part.key)
        if change is not None:
            store.put_new(part.key, change(body))
