"""Where Snowflake finds the parts of a load: in the bucket of the landing zone, or uploaded from this machine.

A bucket is read in place through an external stage with a storage integration: no key of AWS is in Snowflake,
and no data passes through this process. A landing zone in a local folder is uploaded, into a stage that ends
with the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.common.errors import Misconfigured
from shared.warehouse.ddl import LEDGER
from shared.warehouse.ports import StagedPart
from shared.warehouse.snowflake_connection import Connection
from shared.warehouse.snowflake_values import text

STAGE = "landing"
"""The external stage, in the schema of the ledger; `deploy/snowflake` makes it."""

_UPLOADS = "uploads"


class Files(Protocol):
    """Tells COPY where parts are."""

    @property
    def stage(self) -> str:
        """The stage as it stands behind FROM."""

    def names(self, connection: Connection, parts: Sequence[StagedPart], places: Sequence[int]) -> list[str]:
        """The names of the parts in the stage, where they are put if need be. `places` are theirs in the load."""


class Bucket:
    """The landing zone at `url` (`s3://bucket/prefix`), seen through the external stage."""

    stage = f"@{LEDGER}.{STAGE}"

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") + "/"
        self._prefix: str | None = None

    def names(self, connection: Connection, parts: Sequence[StagedPart], places: Sequence[int]) -> list[str]:
        if self._prefix is None:
            self._prefix = self._checked(connection)
        return [self._prefix + part.key for part in parts]

    def _checked(self, connection: Connection) -> str:
        """What names in the stage begin with. A stage of another place would load other files of the same names."""
        found = connection.query(f"SHOW STAGES LIKE {text(STAGE)} IN SCHEMA {LEDGER}")
        urls = [str(cell) for row in found for cell in row if str(cell).startswith("s3://")]
        if not urls:
            raise Misconfigured(
                f"the database has no stage {LEDGER}.{STAGE}, or our role may not use it",
                hint="sluice warehouse apply makes it",
            )
        if not urls[0].endswith("/") or not self.url.startswith(urls[0]):
            raise Misconfigured(
                f"the stage {LEDGER}.{STAGE} points at {urls[0]}, and the landing zone is {self.url}",
                hint="sluice warehouse apply corrects it (CREATE STAGE IF NOT EXISTS would leave it as it is)",
            )
        return self.url.removeprefix(urls[0])


class Uploads:
    """Parts that lie on this machine are put into a temporary stage of the session."""

    stage = f"@{LEDGER}.{_UPLOADS}"

    def __init__(self) -> None:
        self._session: object = None
        self._loads = 0

    def names(self, connection: Connection, parts: Sequence[StagedPart], places: Sequence[int]) -> list[str]:
        if self._session is not connection.session:
            connection.query(f"CREATE TEMPORARY STAGE IF NOT EXISTS {LEDGER}.{_UPLOADS}")
            self._session = connection.session
        self._loads += 1
        found = []
        for part, place in zip(parts, places, strict=True):
            # In a folder of its own: parts of different runs are called alike.
            folder = f"{self._loads}/{place}"
            source = text(f"file://{part.file}")
            connection.query(f"PUT {source} {self.stage}/{folder}/ AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
            found.append(f"{folder}/{part.file.name}")
        return found
