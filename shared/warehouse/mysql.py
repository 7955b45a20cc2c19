r"""MySQL (8 and later) and MariaDB (10.5 and later) as a warehouse: rows go in by INSERT with many rows.

A row is sent as the JSON array that it is, in round brackets: MySQL reads JSON's quotes, numbers and most of its
escapes as its own. LOAD DATA LOCAL is not used: with LOCAL a value that does not fit is changed with a warning, and
most servers forbid it. A schema is a database here. DDL commits, so none is in the transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation
from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import (
    DELETED,
    LEDGER,
)
from shared.warehouse.dml import Grammar
from shared.warehouse.mysql_rows import SPELLING, values_line
from shared.warehouse.mysql_types import (
    MOMENT,
    MOST_DIGITS,
    MOST_SCALE,
    OURS_TYPES,
    TAKEN,
    TYPES,
    backticked,
    column_of,
    fit,
    fold,
    spelled,
    type_of,
)
from shared.warehouse.ports import Stage
from shared.warehouse.relational import Relational, parsed
from shared.warehouse.relational_door import ROW, positional

if TYPE_CHECKING:
    import pymysql

_INDEX = "sluice_key"
_INDEX_BYTES = 3072
_PREFIX = 191
_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"
_WAIT = 30
_STATEMENT = 4 << 20
_PREPARE = (
    """CREATE TABLE IF NOT EXISTS {ledger} (
    source VARCHAR(190), stream VARCHAR(190), sequence BIGINT NOT NULL, run VARCHAR(190), loaded_at DATETIME(6),
    PRIMARY KEY (source, stream)) {options}""",
    """CREATE TABLE IF NOT EXISTS {deleted} (
    source VARCHAR(190), stream VARCHAR(190), identity LONGTEXT, moment DATETIME(6),
    number DECIMAL(65,20), word LONGTEXT, INDEX (source, stream, identity(191))) {options}""",
    """CREATE TABLE IF NOT EXISTS {loads} (
    number BIGINT AUTO_INCREMENT PRIMARY KEY, `load` VARCHAR(190), source VARCHAR(190), stream VARCHAR(190), final TEXT,
    disposition VARCHAR(20), from_sequence BIGINT, to_sequence BIGINT, run VARCHAR(190), inserted BIGINT,
    updated BIGINT, started_at DATETIME(6), loaded_at DATETIME(6), note TEXT, deleted BIGINT) {options}""",
)
_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1698})
_OF_ROWS = frozenset(
    {1048, 1062, 1136, 1264, 1265, 1292, 1300, 1366, 1367, 1406, 1411, 3140, 3141, 3819, 4025}
)
_ISO = "REPLACE(DATE_FORMAT({}, '%Y-%m-%dT%H:%i:%s.%fZ'), '.000000Z', 'Z')"


def _path(field: str, steps: Sequence[str]) -> str:
    path = "$" + "".join("." + '"' + step.replace('"', '\\"') + '"' for step in steps)
    found = f"JSON_EXTRACT({field}, _utf8mb4 x'{path.encode().hex()}')"
    return f"CASE WHEN JSON_TYPE({found}) = 'NULL' THEN NULL ELSE JSON_UNQUOTE({found}) END"


def _staged(column: Column, value: str) -> str:
    return f"FROM_BASE64({value})" if column.type is ColumnType.BINARY else value


GRAMMAR = Grammar(
    quote=backticked,
    place=ROW,
    path=_path,
    moment=MOMENT,
    identity="CONCAT_WS(CHAR(31 USING utf8mb4), {0})",
    nulls_last="",  # nulls are the smallest of all
    same="{0} <=> {1}",
    word="CAST({0} AS BINARY)",  # a nested value has another collation
    delete="DELETE {alias} FROM {table} {alias} JOIN {others} ON {on}",
    update="UPDATE {table} {alias} JOIN {others} ON {on} SET {values}",
    delete_where="DELETE {alias} FROM {table} {alias} WHERE {on}",
    staged=_staged,
)


def mysql(url: str) -> Relational:
    """The warehouse at `mysql://user:password@host:3306` (options of PyMySQL behind `?`)."""
    return Relational(
        parsed(url, driver="mysql+pymysql"),
        door=MySQLDoor,
        explain=explained,
        charset="utf8mb4",
        connect_timeout=30,
        program_name="sluice",
    )


class MySQLDoor:
    """See `relational_door.Door`."""

    grammar = GRAMMAR
    ours: Mapping[str, str] = OURS_TYPES
    taken: Sequence[str] = TAKEN
    most_digits = (MOST_DIGITS, MOST_SCALE)

    def __init__(self, pooled: Any) -> None:
        self._pooled = pooled
        self._connection: pymysql.connections.Connection[Any] = pooled.driver_connection
        self._connection.autocommit(True)
        ((version, packet),) = self.query("SELECT version(), @@max_allowed_packet")
        self._is_mariadb = "mariadb" in str(version).lower()
        # Equal means equal: no folding of letters, and no blanks that count for nothing.
        self._collation = "utf8mb4_nopad_bin" if self._is_mariadb else "utf8mb4_0900_bin"
        self._options = f"ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {self._collation}"
        self._packet = int(packet)
        self.run(f"SET NAMES utf8mb4 COLLATE {self._collation}")
        self.run(f"SET SESSION sql_mode = '{_MODE}', time_zone = '+00:00', lock_wait_timeout = {_WAIT}")
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self.spelling = SPELLING

    def fit(self, name: str) -> str:
        return fit(name)

    def fold(self, name: str) -> str:
        return fold(name)

    def type_of(self, column: Column, *, wide: bool = False) -> str:
        return type_of(column, wide=wide)

    def stage_type(self, column: Column, *, wide: bool) -> str:
        # Base64, because text with bytes in it would have to be one or the other.
        return "LONGTEXT" if column.type is ColumnType.BINARY else self.type_of(column, wide=wide)

    def column_of(self, name: str, kind: str) -> Column | None:
        return column_of(name, kind)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        with self._connection.cursor() as cursor:
            return int(cursor.execute(*_bound(sql, parameters)))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(*_bound(sql, parameters))
            return [tuple(map(_read, row)) for row in cursor.fetchall()]

    def types(self, address: tuple[str, str]) -> dict[str, str]:
        sql = (
            "SELECT column_name, column_type FROM information_schema.columns "
            "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
        )
        found = {str(name): spelled(str(kind)) for name, kind in self.query(sql, address)}
        if found and self._is_mariadb and "LONGTEXT" in found.values():
            nested = (
                "SELECT constraint_name FROM information_schema.check_constraints "
                "WHERE constraint_schema = ? AND table_name = ? AND check_clause LIKE 'json_valid(%'"
            )
            found |= {str(name): "JSON" for (name,) in self.query(nested, address) if name in found}
        return found

    def prepare(self) -> None:
        self._schema(LEDGER)
        for statement in _PREPARE:
            names = {name: backticked(LEDGER, name) for name in ("ledger", "loads", DELETED)}
            self.run(statement.format(**names, options=self._options))
        there = self.types((LEDGER, "loads"))
        for name, kind in (("note", "TEXT"), ("deleted", "BIGINT")):
            if name not in there:
                self.run(f"ALTER TABLE {backticked(LEDGER, 'loads')} ADD COLUMN {name} {kind}")

    def _schema(self, name: str) -> None:
        """Make a database; one that is there needs no right to make databases."""
        if not self.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = ?", (name,)):
            self.run(f"CREATE DATABASE {backticked(name)} CHARACTER SET utf8mb4 COLLATE {self._collation}")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        if self.query(f"SELECT GET_LOCK('{LEDGER}', {_WAIT})") != [(1,)]:
            raise Transient(f"another loader has been changing tables for {_WAIT} seconds", hint="load again")
        try:
            yield
        finally:
            if self._connection.open:
                self.query(f"SELECT RELEASE_LOCK('{LEDGER}')")

    def create_stage(self, name: str, kinds: Mapping[str, str], *, keys: Sequence[str]) -> str:
        # An alias in DELETE is looked for in the current database, of which there must be one.
        self._connection.select_db(LEDGER)
        stage = backticked(LEDGER, name)
        listed = [f"{backticked(column)} {kind}" for column, kind in kinds.items()]
        if keys:
            listed.append(_index(kinds, keys))
        self.run(f"DROP TEMPORARY TABLE IF EXISTS {stage}")
        self.run(f"CREATE TEMPORARY TABLE {stage} ({', '.join(listed)}) {self._options}")
        return stage

    def line(self, row: Sequence[Any], plain: bool) -> bytes:
        return values_line(row, plain=plain)

    def send(self, stage: Stage, lines: Iterable[bytes]) -> int:
        head = f"INSERT INTO {stage.name} VALUES ".encode()
        most, limit = self._packet - 1024 - len(head), min(_STATEMENT, self._packet - 1024)
        some, size, taken = list[bytes](), len(head), 0
        for line in lines:
            if some and size + len(line) > limit:
                taken += self._sent(head, some)
                some, size = [], len(head)
            if len(line) > most:
                raise Violation(
                    f"a record of {len(line):,} bytes is more than the server's max_allowed_packet ({self._packet:,})",
                    hint="raise max_allowed_packet on the server",
                )
            some.append(line)
            size += len(line) + 1
        return taken + (self._sent(head, some) if some else 0)

    def _sent(self, head: bytes, lines: list[bytes]) -> int:
        return int(self._connection.query(head + b",".join(lines)))

    def create_table(
        self, address: tuple[str, str], kinds: Mapping[str, str], *, keys: Sequence[str]
    ) -> None:
        self._schema(address[0])
        listed = [f"{backticked(column)} {kind}" for column, kind in kinds.items()]
        if keys:
            listed.append(_index(kinds, keys))
        self.run(f"CREATE TABLE IF NOT EXISTS {backticked(*address)} ({', '.join(listed)}) {self._options}")

    def widen(self, address: tuple[str, str], name: str, *, before: Column, after: str) -> None:
        table, field, new = backticked(*address), backticked(name), backticked(self.taken[0])
        value = {
            ColumnType.BOOLEAN: f"IF({field}, 'true', 'false')",
            ColumnType.TIMESTAMP: _ISO.format(field),
            ColumnType.BINARY: f"REPLACE(TO_BASE64({field}), '\\n', '')",
        }.get(before.type)
        kinds = {**self.types(address), name: after}
        keys = self._keys(address)
        index = [f"ADD {_index(kinds, keys)}"] if keys else []
        unindex = [f"DROP INDEX {_INDEX}"] if keys else []
        if after != TYPES[ColumnType.STRING] or value is None:
            self.run(f"ALTER TABLE {table} {', '.join([*unindex, f'MODIFY {field} {after}', *index])}")
            return
        if self.taken[0] not in kinds:
            self.run(f"ALTER TABLE {table} ADD COLUMN {new} {after}")
        self.run(f"LOCK TABLES {table} WRITE")
        try:
            self.run(f"UPDATE {table} SET {new} = CASE WHEN {field} IS NULL THEN NULL ELSE {value} END")
            swap = [*unindex, f"DROP COLUMN {field}", f"CHANGE {new} {field} {after}", *index]
            self.run(f"ALTER TABLE {table} {', '.join(swap)}")
        finally:
            self.run("UNLOCK TABLES")

    def _keys(self, address: tuple[str, str]) -> list[str]:
        """The columns of our index on a final table."""
        sql = (
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? "
            f"AND index_name = '{_INDEX}' ORDER BY seq_in_index"
        )
        return [str(name) for (name,) in self.query(sql, address)]

    def drop_superfluous(self, stage: str, places: str) -> None:
        # By way of a second table, since MySQL reads a temporary one only once in a statement.
        other = backticked(LEDGER, "superfluous")
        self.run(f"DROP TEMPORARY TABLE IF EXISTS {other}")
        self.run(f"CREATE TEMPORARY TABLE {other} (place BIGINT PRIMARY KEY)")
        self.run(f"INSERT INTO {other} {places}")
        self.run(f"DELETE s FROM {stage} s JOIN {other} o ON s.{ROW} = o.place")
        self.run(f"DROP TEMPORARY TABLE {other}")

    def look_over(self, stage: str, columns: Sequence[str]) -> None:
        del stage, columns  # its index is enough

    def pin(self, table: str) -> None:
        self.query(f"SELECT 1 FROM {table} LIMIT 1")

    def is_fault_of_rows(self, error: Exception) -> bool:
        return _number(error) in _OF_ROWS

    def close(self) -> None:
        self._pooled.close()


def explained(error: Exception) -> SluiceError | None:
    """An error of PyMySQL as one of ours."""
    import pymysql

    if not isinstance(error, pymysql.err.Error):
        return None
    number, text = _number(error), str(error.args[-1] if error.args else error)
    if number in _DENIED:
        return Refused(f"MySQL denies it: {text}", hint="grant what docs/warehouses.md lists")
    if number == 1049:
        return Misconfigured(f"MySQL has no such database: {text}", hint="correct WAREHOUSE_URL")
    if number in _OF_ROWS or isinstance(error, pymysql.err.DataError | pymysql.err.IntegrityError):
        return Violation(f"MySQL refused the rows: {text}")
    if isinstance(
        error, pymysql.err.OperationalError | pymysql.err.InternalError | pymysql.err.InterfaceError
    ):
        return Transient(f"MySQL could not go on: {text}", hint="load again; the ledger knows what is done")
    return None


def _number(error: Exception) -> int:
    found = error.args[0] if error.args else 0
    return found if isinstance(found, int) else 0


def _bound(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    if not parameters:
        return (sql,)
    plain = tuple(
        value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
        for value in parameters
    )
    return positional(sql), plain


def _read(value: Any) -> Any:
    """Times of MySQL have no zone: ours are UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def _index(kinds: Mapping[str, str], keys: Sequence[str]) -> str:
    """An index on the key; of texts on as much of their beginning as an index may hold."""
    texts = sum(kinds[key] == TYPES[ColumnType.STRING] for key in keys) or 1
    prefix = min(_PREFIX, (_INDEX_BYTES - 64 * len(keys)) // 4 // texts)
    listed = [
        backticked(key) + (f"({prefix})" if kinds[key] == TYPES[ColumnType.STRING] else "") for key in keys
    ]
    return f"INDEX {_INDEX} ({', '.join(listed)})"
