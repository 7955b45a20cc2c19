"""What differs between the warehouses in the SQL of checks and profiles: a value per warehouse.

Every name goes through `quote` and every value through `literal`; nothing else of a check becomes SQL. The statements
have no placeholders: whoever runs them must hand them over as they are (psycopg and PyMySQL: without parameters).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.common.errors import Misconfigured, unknown
from shared.warehouse.ddl import quoted

Row = tuple[Any, ...]
Query = Callable[[str], Sequence[Sequence[Any]]]
"""Runs one SELECT and returns its rows; works again after a statement that failed."""


def _doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _backslashed(text: str) -> str:
    r"""For warehouses in whose texts a backslash means something.

    >>> print(_backslashed("a\\b"))
    'a\\b'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _hexed(text: str) -> str:
    """MySQL: whether a backslash escapes is a setting of the server, so a text with one is written as its bytes."""
    return f"_utf8mb4 x'{text.encode().hex()}'" if "\\" in text else _doubled(text)


def _backticked(*names: str) -> str:
    quoted(*names)  # refuses what can be no name
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Templates have `{x}` for an expression, `{p}` for a pattern and `{t}` for a table."""

    name: str
    quote: Callable[..., str] = quoted
    text: Callable[[str], str] = _doubled
    columns: str = ""
    """Lists the columns of a table in their order; the first two values are name and type."""
    same_name: str = "{x} = {y}"
    """Whether a name in the catalogue `{x}` is the one that was asked for, `{y}`."""
    cast_text: str = "CAST({x} AS VARCHAR)"
    double: str = "CAST({x} AS DOUBLE PRECISION)"
    mean: str = "{x}"
    """What is averaged, so that no digits are lost."""
    exact: str = "{x}"
    """A text so that equal means equal: no collation that folds letters."""
    spelled: str = "{x}"
    """A text so that a pattern tells upper from lower case."""
    regex: str = "regexp_like({x}, {p})"
    length: str = "char_length({x})"
    has_filter: bool = False
    tuples: str = "{x}"
    """Several columns in `count(DISTINCT …)`."""
    median: str | None = None
    day: str = "CAST({x} AS DATE)"
    rows_in_order: str | None = None
    """The order in which rows came, where the warehouse keeps it."""
    texts: frozenset[str] = frozenset()
    """Types (without their length) of which values are text."""
    synonyms: Mapping[str, str] = field(default_factory=dict)

    def literal(self, value: str | int | float | bool) -> str:
        """A value as SQL. Raises `Misconfigured` for what SQL cannot hold."""
        match value:
            case bool():
                return "TRUE" if value else "FALSE"
            case int():
                return str(value)
            case float() if math.isfinite(value):
                return repr(value)
            case str() if "\0" not in value:
                return self.text(value)
        raise Misconfigured(
            f"{value!r} cannot be compared with in a warehouse", hint="a text without NUL, a finite number"
        )

    def listed(self, values: Sequence[str | int | float | bool]) -> str:
        return ", ".join(self.literal(value) for value in values)

    def counted(self, condition: str | None, *, what: str = "*") -> str:
        """How many rows fulfil a condition, or how many of them have a value of `what`."""
        if condition is None:
            return f"count({what})"
        if self.has_filter:
            return f"count({what}) FILTER (WHERE {condition})"
        return f"count(CASE WHEN {condition} THEN {'1' if what == '*' else what} END)"

    def aggregated(self, function: str, what: str, condition: str | None) -> str:
        """`function` has `{x}` where the values go."""
        if condition is None or self.has_filter:
            tail = "" if condition is None else f" FILTER (WHERE {condition})"
            return function.format(x=what) + tail
        return function.format(x=f"CASE WHEN {condition} THEN {what} END")

    def kind(self, declared: str) -> str:
        """A type without its length, in one spelling.

        >>> DUCKDB.kind("varchar(20)"), POSTGRES.kind("int8"), MYSQL.kind("bigint(20) unsigned")
        ('VARCHAR', 'BIGINT', 'BIGINT UNSIGNED')
        """
        word = " ".join(declared.upper().replace(",", " , ").split())
        head, _, rest = word.partition("(")
        tail = rest.partition(")")[2]
        plain = " ".join(f"{head} {tail}".split())
        return self.synonyms.get(plain, plain)

    def is_text(self, declared: str) -> bool:
        return self.kind(declared) in self.texts


def _types(**groups: str) -> Mapping[str, str]:
    """`BIGINT="INT8 LONG"`: words that mean the same; `_` stands for a space in the first one."""
    found = {}
    for name, words in groups.items():
        for word in words.split(", "):
            found[word] = name.replace("_", " ")
    return MappingProxyType(found)


DUCKDB = Dialect(
    "duckdb",
    columns="SELECT column_name, column_type FROM (DESCRIBE {t})",
    regex="regexp_matches({x}, {p})",
    length="length({x})",
    has_filter=True,
    tuples="({x})",
    median="median(CAST({x} AS DOUBLE))",
    rows_in_order="rowid",
    texts=frozenset({"VARCHAR"}),
    synonyms=_types(
        VARCHAR="TEXT, STRING, CHAR, BPCHAR, CHARACTER VARYING",
        BIGINT="INT8, LONG",
        INTEGER="INT, INT4, SIGNED",
        SMALLINT="INT2, SHORT",
        TINYINT="INT1",
        DOUBLE="FLOAT8, DOUBLE PRECISION",
        FLOAT="REAL, FLOAT4",
        BOOLEAN="BOOL, LOGICAL",
        DECIMAL="NUMERIC",
        BLOB="BYTEA, BINARY, VARBINARY",
        TIMESTAMP="DATETIME, TIMESTAMP WITHOUT TIME ZONE",
        TIMESTAMP_WITH_TIME_ZONE="TIMESTAMPTZ",
    ),
)

POSTGRES = Dialect(
    "postgresql",
    columns=(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = {p}::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ),
    regex="{x} ~ {p}",
    has_filter=True,
    tuples="({x})",
    median="percentile_cont(0.5) WITHIN GROUP (ORDER BY CAST({x} AS DOUBLE PRECISION))",
    rows_in_order="ctid",
    texts=frozenset({"TEXT", "CHARACTER VARYING", "CHARACTER"}),
    synonyms=_types(
        CHARACTER_VARYING="VARCHAR",
        CHARACTER="CHAR, BPCHAR",
        BIGINT="INT8",
        INTEGER="INT, INT4",
        SMALLINT="INT2",
        DOUBLE_PRECISION="FLOAT8, DOUBLE, FLOAT, DOUBLE_PRECISION",
        REAL="FLOAT4",
        BOOLEAN="BOOL",
        NUMERIC="DECIMAL",
        TIMESTAMP_WITHOUT_TIME_ZONE="TIMESTAMP",
        TIMESTAMP_WITH_TIME_ZONE="TIMESTAMPTZ",
        TIME_WITHOUT_TIME_ZONE="TIME",
    ),
)

MYSQL = Dialect(
    "mysql",
    quote=_backticked,
    text=_hexed,
    columns="DESCRIBE {t}",
    cast_text="CAST({x} AS CHAR)",
    double="({x} + 0e0)",
    mean="({x} + 0e0)",
    exact="CAST({x} AS BINARY)",
    spelled="(CONVERT({x} USING utf8mb4) COLLATE utf8mb4_bin)",
    regex="{x} REGEXP {p}",
    texts=frozenset({"VARCHAR", "CHAR", "TEXT", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "ENUM", "SET"}),
    synonyms=_types(
        INT="INTEGER",
        BOOLEAN="BOOL",
        DECIMAL="NUMERIC, DEC, FIXED",
        DOUBLE="DOUBLE PRECISION, FLOAT8",
        FLOAT="FLOAT4",
    ),
)

SNOWFLAKE = Dialect(
    "snowflake",
    text=_backslashed,
    columns="DESCRIBE TABLE {t}",
    # Names of ours are kept in capital letters, unless the URL says names=exact.
    same_name="UPPER({x}) = UPPER({y})",
    double="CAST({x} AS DOUBLE)",
    mean="CAST({x} AS DOUBLE)",
    # RLIKE and REGEXP_LIKE match the whole value; the pattern may match anywhere.
    regex="regexp_instr({x}, {p}) > 0",
    length="length({x})",
    median="median(CAST({x} AS DOUBLE))",
    texts=frozenset({"VARCHAR"}),
    synonyms=_types(
        VARCHAR="TEXT, STRING, CHAR, CHARACTER, NCHAR, NVARCHAR",
        NUMBER="DECIMAL, NUMERIC, INT, INTEGER, BIGINT, SMALLINT, TINYINT",
        FLOAT="DOUBLE, DOUBLE PRECISION, REAL, FLOAT4, FLOAT8",
        BINARY="VARBINARY",
        TIMESTAMP_NTZ="DATETIME",
    ),
)

DIALECTS = MappingProxyType(
    {one.name: one for one in (DUCKDB, POSTGRES, MYSQL, SNOWFLAKE)} | {"postgres": POSTGRES, "mariadb": MYSQL}
)


def dialect_of(url: str) -> Dialect:
    """The dialect of the warehouse at a SQLAlchemy URL (`postgresql+psycopg://…`). Raises `Misconfigured`."""
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme not in DIALECTS:
        raise unknown("kind of warehouse", scheme, DIALECTS, setting="WAREHOUSE_URL")
    return DIALECTS[scheme]


def columns_of(query: Query, table: str, dialect: Dialect) -> dict[str, str]:
    """The columns of a table (a name as it stands in SQL) with their types in the warehouse's words, in order."""
    rows = query(dialect.columns.format(t=table, p=dialect.text(table)))
    return {_plain(row[0]): _plain(row[1]) for row in rows}


def _plain(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
