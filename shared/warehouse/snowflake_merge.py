"""The one MERGE that upserts a stage on Snowflake.

MERGE picks a row at will when several of the source fit (or fails, as the account is set), so the source is
narrowed to the newest row of each key once more, although a settled stage has no others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.warehouse.ddl import COMMIT, LOADED_AT, RUN
from shared.warehouse.dml import Dml
from shared.warehouse.ports import Applied, Change
from shared.warehouse.snowflake_connection import Row


@dataclass(frozen=True, slots=True)
class SnowflakeDml(Dml):
    """The statements about one stage and its final table, with MERGE."""

    def merge(self, loaded_at: datetime) -> str:
        """Upsert the stage. A row that is older by cursor than the one in the table is left out."""
        quote = self.grammar.quote
        values = {quote(self.names[c.name]): f"s.{quote(self.names[c.name])}" for c in self.source.columns}
        values |= {RUN: f"s.{RUN}", COMMIT: f"s.{COMMIT}", LOADED_AT: self.grammar.instant(loaded_at)}
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        newer = ""
        if self.spec.cursor_field is not None:
            (new,), (old,) = self._cursor("s"), self._cursor("f")
            newer = f" AND ({old} IS NULL OR {new} >= {old})"
        return (
            f"MERGE INTO {self.table} f USING ({self._newest()}) s ON {self._same()} "
            f"WHEN MATCHED{newer} THEN UPDATE SET {changes} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        )

    def _newest(self) -> str:
        order = ", ".join(
            [*(f"{c} DESC NULLS LAST" for c in self._cursor("n")), f"n.{self.grammar.place} DESC"]
        )
        nth = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(self._keys('n'))} ORDER BY {order})"
        return f"SELECT n.* FROM {self.stage} n QUALIFY {nth} = 1"


def merge(dml: SnowflakeDml, change: Change, *, query: Callable[[str], list[Row]]) -> Applied:
    """Upsert the stage; keys that it says are gone leave the table."""
    deleted = 0
    if dml.remembers:
        query(dml.drop_outlived())
        query(dml.forget_deletions())
        query(dml.remember_deletions())
    if gone := dml.drop_deleted():
        if late := dml.drop_late():
            query(late)
        deleted = int(query(gone)[0][0])
        query(dml.drop_deletions())
    ((inserted, updated, *_),) = query(dml.merge(change.loaded_at))
    return Applied(inserted=int(inserted), updated=int(updated), deleted=deleted)
