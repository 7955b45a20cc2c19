"""What DuckDB does with a stage: one row per key, and the rows into the final table.

Later rows of a stage have larger rowids, since it is filled in the order of the log. A cursor that is null is older
than any other; of equal cursors the one that landed last wins, also over the row that the final table has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.common.errors import unknown
from shared.warehouse.ddl import COMMIT, LOADED_AT, RUN, literal, quoted
from shared.warehouse.ports import Disposition, Stage, TableSpec


@dataclass(frozen=True, slots=True)
class Dml:
    """The statements about one stage and its final table, whose name is `table`."""

    spec: TableSpec
    source: Stage
    table: str

    @property
    def stage(self) -> str:
        return self.source.name

    @property
    def names(self) -> Mapping[str, str]:
        """The column of each field."""
        return self.source.names

    @property
    def keyed(self) -> bool:
        """Whether the table holds one row per key."""
        return bool(self.spec.primary_key) and self.spec.disposition is not Disposition.APPEND

    def keyless(self) -> str:
        """How many rows of the stage have no key."""
        return f"SELECT count(*) FROM {self.stage} s WHERE " + " OR ".join(
            f"{k} IS NULL" for k in self._keys("s")
        )

    def repeated(self) -> str:
        """How many rows of the stage repeat the key of another."""
        return f"SELECT count(*) - count(DISTINCT ({', '.join(self._keys('s'))},)) FROM {self.stage} s"

    def drop_repeated(self) -> str:
        """Leave the newest row per key in the stage."""
        order = ", ".join([*(f"{c} DESC NULLS LAST" for c in self._cursor("s")), "s.rowid DESC"])
        place = f"row_number() OVER (PARTITION BY {', '.join(self._keys('s'))} ORDER BY {order})"
        ranked = f"SELECT s.rowid AS place, {place} AS rank FROM {self.stage} s"
        return f"DELETE FROM {self.stage} WHERE rowid IN (SELECT place FROM ({ranked}) WHERE rank > 1)"

    def drop_late(self) -> str | None:
        """Leave the rows in the stage that are not older than what the final table has; None without a cursor."""
        if self.spec.cursor_field is None:
            return None
        (new,), (old,) = self._cursor("s"), self._cursor("f")
        older = f"({old} IS NOT NULL AND ({new} IS NULL OR {new} < {old}))"
        late = f"SELECT s.rowid FROM {self.stage} s JOIN {self.table} f ON {self._same()} WHERE {older}"
        return f"DELETE FROM {self.stage} WHERE rowid IN ({late})"

    def drop_replaced(self) -> str:
        """Delete the rows of the final table whose key is in the stage."""
        return f"DELETE FROM {self.table} f USING {self.stage} s WHERE {self._same()}"

    def drop_all(self) -> str:
        return f"DELETE FROM {self.table}"

    def any_row(self) -> str:
        return f"SELECT 1 FROM {self.table} LIMIT 1"

    def insert(self) -> str:
        """Insert the stage; one parameter: when it was loaded."""
        fields = ", ".join(quoted(self.names[column.name]) for column in self.source.columns)
        listed = f"{fields}, " if fields else ""
        return (
            f"INSERT INTO {self.table} ({listed}{RUN}, {COMMIT}, {LOADED_AT}) "
            f"SELECT {listed}{RUN}, {COMMIT}, ? FROM {self.stage}"
        )

    def _same(self) -> str:
        pairs = zip(self._keys("s"), self._keys("f"), strict=True)
        return " AND ".join(f"{one} = {other}" for one, other in pairs)

    def _keys(self, alias: str) -> list[str]:
        return [self._field(alias, name) for name in self.spec.primary_key]

    def _cursor(self, alias: str) -> list[str]:
        return [] if self.spec.cursor_field is None else [self._field(alias, self.spec.cursor_field)]

    def _field(self, alias: str, name: str) -> str:
        """A field of the record; `a.b` is text out of the nested value of the column `a`."""
        if name in self.names:
            return f"{alias}.{quoted(self.names[name])}"
        root, _, rest = name.partition(".")
        if not rest or root not in self.names:
            raise unknown("column of a primary_key or cursor_field", name, self.names, table=self.spec.name)
        path = "$" + "".join("." + '"' + part.replace('"', '\\"') + '"' for part in rest.split("."))
        return f"json_extract_string({alias}.{quoted(self.names[root])}, {literal(path)})"
