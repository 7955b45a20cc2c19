"""The statements that move rows between a stage and its final table, in the words of any warehouse.

Rows of a stage have a place (`Grammar.place`) that grows in the order of the log. A cursor that is null is older than
any other; of equal cursors the one that landed last wins, also over the row that the final table has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.common.errors import unknown
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    CLOSED_BY,
    COMMIT,
    DELETED,
    IS_CURRENT,
    LEDGER,
    LOADED_AT,
    RUN,
    VALID_FROM,
    VALID_TO,
    literal,
)
from shared.warehouse.ports import Disposition, Stage, TableSpec

BEGINNING = datetime(1000, 1, 1, tzinfo=UTC)
"""From when a version without a cursor is valid: the earliest moment that every warehouse knows."""

_MOMENTS = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
# Also as texts in JSON, for a warehouse that writes a nested one with its quotes.
_NO = "'', '0', '-0', '0.0', '-0.0', '0.00', 'false', 'False', 'FALSE', '\"\"', '\"0\"', '\"false\"'"
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DECIMAL})


def _as_it_is(column: Column, value: str) -> str:
    del column
    return value


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a warehouse says it. `path` is the text at a path inside a nested value, null where it is null; `identity` is
    one text of the keys in `{0}`; `word` is a text that is compared with one that is written out;
    `staged` makes what the final table holds of a column of the stage; `moment` is the type of a time with a zone.

    Templates have `{table}`, its `{alias}`, and `{others}` joined `{on}` a condition.
    """

    quote: Callable[..., str]
    place: str
    path: Callable[[str, Sequence[str]], str]
    moment: str
    identity: str = "concat_ws(chr(31), {0})"
    nulls_last: str = " NULLS LAST"
    same: str = "{0} IS NOT DISTINCT FROM {1}"
    word: str = "{0}"
    delete: str = "DELETE FROM {table} {alias} USING {others} WHERE {on}"
    update: str = "UPDATE {table} {alias} SET {values} FROM {others} WHERE {on}"
    delete_where: str = "DELETE FROM {table} {alias} WHERE {on}"
    staged: Callable[[Column, str], str] = _as_it_is

    def instant(self, at: datetime) -> str:
        """A moment as SQL; sessions have the time zone UTC."""
        return f"CAST('{at.astimezone(UTC).replace(tzinfo=None).isoformat(' ')}' AS {self.moment})"


@dataclass(frozen=True, slots=True)
class Dml:
    """The statements about one stage and its final table, whose name is `table`."""

    spec: TableSpec
    source: Stage
    table: str
    grammar: Grammar

    @property
    def stage(self) -> str:
        return self.source.name

    @property
    def names(self) -> Mapping[str, str]:
        """The column of each field."""
        return self.source.names

    @property
    def keyed(self) -> bool:
        """Whether the table holds one row (or one version at a time) per key."""
        return bool(self.spec.primary_key) and self.spec.disposition is not Disposition.APPEND

    @property
    def timed(self) -> bool:
        """Whether versions begin at the time that their cursor says; else they begin when their commit was made."""
        if self.spec.disposition is not Disposition.SCD2 or self.source.snapshot:
            return False
        return any(c.name == self.spec.cursor_field and c.type in _MOMENTS for c in self.source.columns)

    def keyless(self) -> str:
        """How many rows of the stage have no key."""
        return f"SELECT count(*) FROM {self.stage} s WHERE " + " OR ".join(
            f"{k} IS NULL" for k in self._keys("s")
        )

    def repeated(self) -> str:
        """A row, when rows of the stage repeat the key of another."""
        group = ", ".join(self._identity("s"))
        return f"SELECT 1 FROM {self.stage} s GROUP BY {group} HAVING count(*) > 1 LIMIT 1"

    def superfluous(self) -> str:
        """The places of the rows of the stage that are not the newest of their key, as the column `place`."""
        place, last = self.grammar.place, self.grammar.nulls_last
        order = ", ".join([*(f"{c} DESC{last}" for c in self._cursor("s")), f"s.{place} DESC"])
        nth = f"row_number() OVER (PARTITION BY {', '.join(self._identity('s'))} ORDER BY {order})"
        return (
            f"SELECT place FROM (SELECT s.{place} AS place, {nth} AS nth FROM {self.stage} s) r WHERE nth > 1"
        )

    def drop_superfluous(self) -> str:
        """Leave the newest row of each key in the stage."""
        return f"DELETE FROM {self.stage} WHERE {self.grammar.place} IN ({self.superfluous()})"

    def drop_late(self) -> str | None:
        """Leave the rows in the stage that are not older than what the final table has; None without a cursor."""
        if self.spec.cursor_field is None:
            return None
        (new,), (old,) = self._cursor("s"), self._cursor("f")
        older = f"({old} IS NOT NULL AND ({new} IS NULL OR {new} < {old}))"
        return self._drop(f"{self._same()} AND {older}{self._current()}")

    def drop_replaced(self) -> str:
        """Delete the rows of the final table whose key is in the stage."""
        return self._delete(f"{self.stage} s", self._same())

    def drop_deleted(self) -> str | None:
        """Delete the rows of the final table that the stage says are gone; None where nothing says so."""
        gone = self.gone("s")
        return gone and self._delete(f"{self.stage} s", f"{self._same()} AND {gone}")

    def drop_deletions(self) -> str:
        """Leave the rows in the stage that are no deletions."""
        return f"DELETE FROM {self.stage} WHERE {self.gone('')}"

    def drop_all(self) -> str:
        return f"DELETE FROM {self.table}"

    def any_row(self) -> str:
        return f"SELECT 1 FROM {self.table} LIMIT 1"

    def doubled(self) -> str:
        """How many keys of the final table have more rows, or current versions, than one."""
        current = f" WHERE f.{IS_CURRENT}" if self.spec.disposition is Disposition.SCD2 else ""
        keys = ", ".join(self._keys("f"))
        once = f"SELECT 1 AS one FROM {self.table} f{current} GROUP BY {keys} HAVING count(*) > 1"
        return f"SELECT count(*) FROM ({once}) x"

    def misended(self) -> str:
        """How many versions are current and ended, or ended by no commit."""
        ended = f"f.{VALID_TO} IS NOT NULL AND f.{CLOSED_BY} IS NOT NULL AND NOT f.{IS_CURRENT}"
        current = f"f.{VALID_TO} IS NULL AND f.{IS_CURRENT}"
        fits = f"CASE WHEN ({ended}) OR ({current}) THEN 1 ELSE 0 END"
        return f"SELECT count(*) FROM {self.table} f WHERE {fits} = 0"

    def undo(self, after: int) -> str:
        """Take out of the final table what later commits put there."""
        return f"DELETE FROM {self.table} WHERE {COMMIT} > {after}"

    def insert(self, loaded_at: datetime, *, extra: Mapping[str, str] | None = None) -> str:
        """Insert the stage; `extra` are further columns and their values."""
        fields = {
            self.grammar.quote(self.names[column.name]): self.grammar.staged(
                column, f"s.{self.grammar.quote(self.names[column.name])}"
            )
            for column in self.source.columns
        }
        ours = {RUN: f"s.{RUN}", COMMIT: f"s.{COMMIT}", LOADED_AT: self.grammar.instant(loaded_at)}
        values = {**fields, **ours, **(extra or {})}
        listed = ", ".join(values)
        return f"INSERT INTO {self.table} ({listed}) SELECT {', '.join(values.values())} FROM {self.stage} s"

    def gone(self, alias: str) -> str | None:
        """Whether a row says that its key is gone; never null."""
        name = self.spec.deleted_field
        if name is None:
            return None
        field = self._field(alias, name)
        kind = next((c.type for c in self.source.columns if c.name == name), ColumnType.STRING)
        if kind is ColumnType.BOOLEAN:
            return f"coalesce({field}, FALSE)"
        if kind in _NUMBERS:
            return f"coalesce({field} <> 0, FALSE)"
        if kind is ColumnType.JSON:
            field = self.grammar.path(
                field, ()
            )  # texts, numbers and booleans as a text column would have them
        if kind in (ColumnType.STRING, ColumnType.JSON):
            return f"coalesce({self.grammar.word.format(field)} NOT IN ({_NO}), FALSE)"
        return f"({field} IS NOT NULL)"

    # Deletions that a late row must not undo

    @property
    def remembers(self) -> bool:
        """Whether deletions are remembered: where a row may come that is older than one, by its cursor."""
        named = self.spec.deleted_field is not None and self.spec.cursor_field is not None
        return named and self.keyed and self.spec.disposition is Disposition.MERGE

    def drop_outlived(self) -> str:
        """Leave the rows in the stage that are not older than the deletion of their key."""
        (cursor,) = self._cursor("s")
        on = f"{self._deleted('d')} AND d.identity = {self._one()} AND ({cursor} IS NULL OR {cursor} < d.{self._kept})"
        others = f"{self._graves} d"
        return self.grammar.delete.format(table=self.stage, alias="s", others=others, on=on)

    def forget_deletions(self) -> str:
        """Forget what was remembered of the keys in the stage."""
        on = f"{self._deleted('d')} AND d.identity = {self._one()}"
        return self.grammar.delete.format(table=self._graves, alias="d", others=f"{self.stage} s", on=on)

    def remember_deletions(self) -> str:
        """Remember when the keys went that the stage says are gone."""
        (cursor,) = self._cursor("s")
        return (
            f"INSERT INTO {self._graves} (source, stream, identity, {self._kept}) "
            f"SELECT {literal(self.spec.source)}, {literal(self.spec.stream)}, {self._one()}, {cursor} "
            f"FROM {self.stage} s WHERE {self.gone('s')} AND {cursor} IS NOT NULL"
        )

    @property
    def _graves(self) -> str:
        return self.grammar.quote(LEDGER, DELETED)

    @property
    def _kept(self) -> str:
        """Where the cursor of a deletion stands."""
        kind = next((c.type for c in self.source.columns if c.name == self.spec.cursor_field), None)
        return "moment" if kind in _MOMENTS else "number" if kind in _NUMBERS else "word"

    def _deleted(self, alias: str) -> str:
        source, stream = literal(self.spec.source), literal(self.spec.stream)
        return f"{alias}.source = {source} AND {alias}.stream = {stream}"

    def _one(self) -> str:
        return self.grammar.identity.format(", ".join(self._keys("s")))

    # Versions

    def drop_known(self) -> str:
        """Leave the rows in the stage that differ from the version with the same cursor, or from the current one."""
        pairs = [
            self.grammar.same.format(self.grammar.staged(column, f"s.{name}"), f"f.{name}")
            for column in self.source.columns
            for name in [self.grammar.quote(self.names[column.name])]
        ]
        where = self._same_moment() if self.timed else f"{self._same()}{self._current()}"
        return self._drop(" AND ".join([where, *pairs]))

    def drop_same_moment(self) -> str:
        """Delete the versions whose key and cursor are in the stage."""
        return self._delete(f"{self.stage} s", self._same_moment())

    def insert_versions(self, loaded_at: datetime, at: datetime) -> str:
        """Insert the stage as versions: those that are no deletions are the current ones."""
        moment = self.grammar.instant(at)
        if self.timed:
            (cursor,) = self._cursor("s")
            begin = self.grammar.instant(BEGINNING)
            moment = f"coalesce(CAST({cursor} AS {self.grammar.moment}), {begin})"
        gone = self.gone("s") or "FALSE"
        extra = {
            VALID_FROM: moment,
            VALID_TO: f"CASE WHEN {gone} THEN {moment} END",
            IS_CURRENT: f"CASE WHEN {gone} THEN FALSE ELSE TRUE END",
            CLOSED_BY: f"CASE WHEN {gone} THEN s.{COMMIT} END",
        }
        return self.insert(loaded_at, extra=extra)

    def drop_unborn(self) -> str | None:
        """Leave out deletions of what is not there; None where nothing is deleted."""
        gone = self.gone("s")
        if gone is None:
            return None
        there = f"SELECT 1 FROM {self.table} f WHERE {self._same()}{self._current()}"
        on = f"{gone} AND NOT EXISTS ({there})"
        return self.grammar.delete_where.format(table=self.stage, alias="s", on=on)

    def close_replaced(self, at: datetime, commit: int) -> str:
        """End the current versions whose key is in the stage."""
        return self.grammar.update.format(
            table=self.table,
            alias="f",
            values=self._ended(at, commit),
            others=f"{self.stage} s",
            on=f"{self._same()}{self._current()}",
        )

    def close_missing(self, at: datetime, commit: int) -> str:
        """End the current versions whose key is not in the stage (of a snapshot)."""
        missing = ""
        if any(self.source.rows):
            missing = f" AND NOT EXISTS (SELECT 1 FROM {self.stage} s WHERE {self._same()})"
        return f"UPDATE {self.table} f SET {self._ended(at, commit)} WHERE f.{IS_CURRENT}{missing}"

    def chain(self, *, every: bool = False) -> str:
        """Let each version end where the next one of its key begins: of the keys in the stage, or of all."""
        keys = self._keys("v")
        over = f"OVER (PARTITION BY {', '.join(keys)} ORDER BY v.{VALID_FROM})"
        gone = self.gone("v") or "FALSE"
        named = ", ".join(f"{key} AS key_{number}" for number, key in enumerate(keys))
        known = "" if every else f" WHERE EXISTS (SELECT 1 FROM {self.stage} s WHERE {self._same('s', 'v')})"
        inner = (
            f"SELECT {named}, v.{VALID_FROM} AS begins, {gone} AS gone, v.{COMMIT} AS own, "
            f"lead(v.{VALID_FROM}) {over} AS ends, lead(v.{COMMIT}) {over} AS ended_by FROM {self.table} v{known}"
        )
        on = [f"{key} = x.key_{number}" for number, key in enumerate(self._keys("f"))]
        values = {
            VALID_TO: "CASE WHEN x.gone THEN x.begins ELSE x.ends END",
            IS_CURRENT: "CASE WHEN x.gone OR x.ends IS NOT NULL THEN FALSE ELSE TRUE END",
            CLOSED_BY: "CASE WHEN x.gone THEN x.own ELSE x.ended_by END",
        }
        return self.grammar.update.format(
            table=self.table,
            alias="f",
            values=", ".join(f"{name} = {value}" for name, value in values.items()),
            others=f"({inner}) x",
            on=" AND ".join([*on, f"f.{VALID_FROM} = x.begins"]),
        )

    def reopen(self, after: int) -> str:
        """Make versions current again that later commits ended."""
        return (
            f"UPDATE {self.table} SET {VALID_TO} = NULL, {IS_CURRENT} = TRUE, {CLOSED_BY} = NULL "
            f"WHERE {CLOSED_BY} > {after} AND {COMMIT} < {CLOSED_BY}"
        )

    def _ended(self, at: datetime, commit: int) -> str:
        end = f"greatest({self.grammar.instant(at)}, {VALID_FROM})"
        return f"{VALID_TO} = {end}, {IS_CURRENT} = FALSE, {CLOSED_BY} = {commit}"

    def _current(self) -> str:
        return f" AND f.{IS_CURRENT}" if self.spec.disposition is Disposition.SCD2 else ""

    def _same_moment(self) -> str:
        (new,), (old,) = self._cursor("s"), self._cursor("f")
        return f"{self._same()} AND {self.grammar.same.format(new, old)}"

    def _drop(self, on: str) -> str:
        """Delete rows of the stage that have such a row in the final table."""
        return self.grammar.delete.format(table=self.stage, alias="s", others=f"{self.table} f", on=on)

    def _delete(self, others: str, on: str) -> str:
        return self.grammar.delete.format(table=self.table, alias="f", others=others, on=on)

    def _same(self, one: str = "s", other: str = "f") -> str:
        pairs = zip(self._keys(one), self._keys(other), strict=True)
        return " AND ".join(f"{left} = {right}" for left, right in pairs)

    def _identity(self, alias: str) -> list[str]:
        """What one row of the settled stage is told from another by."""
        return self._keys(alias) + (self._cursor(alias) if self.timed else [])

    def _keys(self, alias: str) -> list[str]:
        return [self._field(alias, name) for name in self.spec.primary_key]

    def _cursor(self, alias: str) -> list[str]:
        return [] if self.spec.cursor_field is None else [self._field(alias, self.spec.cursor_field)]

    def _field(self, alias: str, name: str) -> str:
        """A field of the record; `a.b` is text out of the nested value of the column `a`."""
        prefix = f"{alias}." if alias else ""
        if name in self.names:
            return prefix + self.grammar.quote(self.names[name])
        root, _, rest = name.partition(".")
        if not rest or root not in self.names:
            raise unknown(
                "column of a primary_key, cursor_field or deleted_field",
                name,
                self.names,
                table=self.spec.name,
            )
        return self.grammar.path(prefix + self.grammar.quote(self.names[root]), rest.split("."))
