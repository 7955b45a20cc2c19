"""Snowflake as a house of the conformance suite: its landing zone is a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.aws.s3 import S3Store
from shared.common.clock import SystemClock
from shared.common.ports import ObjectStore
from tests.shared.warehouse.house import House
from tests.shared.warehouse.stream import Stream


@dataclass
class SnowflakeHouse(House):
    """`bucket` holds the landing zone, below `zone/`. Each test has a database of its own, so the source may be
    the same in all of them: the account has seen its statements then.
    """

    source: str = "shop"
    lists: str = "SELECT table_name FROM information_schema.tables WHERE UPPER(table_schema) = UPPER(?)"
    s3: Any = None
    bucket: str = ""

    def tables(self, stream: Stream, schema: str) -> list[str]:
        """In small letters, as tests write them: Snowflake keeps capitals (see `snowflake_url.Names`)."""
        return [name.lower() for name in super().tables(stream, schema)]

    def stream(self, store: ObjectStore | Path, *, name: str = "accounts") -> Stream:
        del store
        zone = S3Store(self.bucket, "zone", clock=SystemClock(), client=self.s3)
        return Stream(zone, self.warehouse, stream=name, source=self.source)
