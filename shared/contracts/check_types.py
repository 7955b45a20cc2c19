"""Whether a check can be answered at all by a column of its type, as far as the contract tells the type.

A warehouse says so only when the rows have been staged, and then in the middle of the night. What only some
warehouses refuse, or what depends on the values, is left to them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from uuid import UUID

from shared.contracts import expectations as e
from shared.contracts.columns import ColumnType
from shared.contracts.expectation import Between, Expectation, OfRows, PairMap
from shared.contracts.row_condition import (
    AllOf,
    AnyOf,
    Compare,
    Condition,
    Field,
    IsIn,
    IsTrue,
    Not,
    Value,
)

Types = Mapping[str, ColumnType]
Misfit = tuple[str, str]
"""The argument that does not fit, and why."""

NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DECIMAL})
TIMES = frozenset({ColumnType.DATE, ColumnType.TIMESTAMP})
_NO_NUMBERS = frozenset(
    {ColumnType.STRING, ColumnType.TIME, ColumnType.JSON, ColumnType.UUID, ColumnType.BINARY}
)
_NO_TIMES = frozenset(
    {*NUMBERS, ColumnType.BOOLEAN, ColumnType.TIME, ColumnType.JSON, ColumnType.UUID, ColumnType.BINARY}
)
_OF_NUMBERS = (
    e.ExpectColumnMeanToBeBetween,
    e.ExpectColumnMedianToBeBetween,
    e.ExpectColumnSumToBeBetween,
    e.ExpectColumnStdevToBeBetween,
)
_OF_VALUES = (
    e.ExpectColumnValuesToBeBetween,
    e.ExpectColumnMinToBeBetween,
    e.ExpectColumnMaxToBeBetween,
)
_SETS = (
    e.ExpectColumnValuesToBeInSet,
    e.ExpectColumnValuesToNotBeInSet,
    e.ExpectColumnDistinctValuesToBeInSet,
    e.ExpectColumnDistinctValuesToEqualSet,
    e.ExpectColumnDistinctValuesToContainSet,
)
_REGEX = (e.ExpectColumnValuesToMatchRegex, e.ExpectColumnValuesToNotMatchRegex)

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_TIME = re.compile(
    r"(?P<year>[0-9]{1,4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"([Tt ]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2})(:(?P<second>[0-9]{1,2})(\.[0-9]+)?)?"
    r"\s*([Zz]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_BROKEN = (
    "unterminated character set",
    "unterminated subpattern",
    "unbalanced parenthesis",
    "nothing to repeat",
)
"""What no dialect of regular expressions takes."""

_WORDS = frozenset(
    """
    VARCHAR VARCHAR2 CHAR NCHAR NVARCHAR BPCHAR TEXT STRING CHARACTER CHARACTER_VARYING CITEXT NAME TINYTEXT MEDIUMTEXT
    LONGTEXT ENUM SET CLOB
    INTEGER INT INT1 INT2 INT4 INT8 INT16 INT32 INT64 INT128 SMALLINT MEDIUMINT TINYINT BIGINT HUGEINT LONG SHORT SIGNED
    BYTEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT UINT8 UINT16 UINT32 UINT64 UINT128 INT_UNSIGNED
    TINYINT_UNSIGNED SMALLINT_UNSIGNED MEDIUMINT_UNSIGNED BIGINT_UNSIGNED SERIAL BIGSERIAL VARINT BIGNUM NUMBER NUMERIC
    DECIMAL DEC FIXED MONEY
    DOUBLE DOUBLE_PRECISION FLOAT FLOAT4 FLOAT8 REAL DECFLOAT
    BOOLEAN BOOL LOGICAL BIT VARBIT BITSTRING BIT_VARYING
    DATE DATETIME TIME TIMETZ TIME_WITH_TIME_ZONE TIME_WITHOUT_TIME_ZONE TIME_NS TIMESTAMP TIMESTAMPTZ TIMESTAMP_TZ
    TIMESTAMP_LTZ TIMESTAMP_NTZ TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIMESTAMP_WITH_TIME_ZONE
    TIMESTAMP_WITHOUT_TIME_ZONE TIMESTAMP_WITH_LOCAL_TIME_ZONE YEAR INTERVAL
    JSON JSONB VARIANT OBJECT ARRAY STRUCT MAP UNION LIST VECTOR XML HSTORE
    UUID INET INET4 INET6 CIDR MACADDR OID POINT LINE POLYGON GEOMETRY GEOGRAPHY TSVECTOR NULL
    BLOB BYTEA BINARY VARBINARY BYTES TINYBLOB MEDIUMBLOB LONGBLOB
    """.split()
)
"""Words for types of the four warehouses and their relatives, with `_` for a space."""


def misfits(check: Expectation, types: Types) -> Iterator[Misfit]:
    """What of a check no rows could answer."""
    if isinstance(check, OfRows) and check.condition is not None:
        yield from (("row_condition", why) for why in _condition(check.condition, types))
    match check:
        case e.ExpectColumnValuesToBeOfType(type_=word) if not _is_type(word):
            yield "type_", f'no warehouse has a type "{word}"; write the word of yours, or one of {_listed()}'
        case e.ExpectMulticolumnSumToEqual(column_list=columns):
            for name in columns:
                if types.get(name) in _NO_NUMBERS | TIMES:
                    yield "column_list", f"{name} has type {types[name]}, which has no sum"
        case e.ExpectTableToBeFresh(column=name) if types.get(name) in _NO_TIMES:
            yield "column", f"{name} has type {types[name]} and is no time"
        case PairMap(column_a=one, column_b=other):
            if why := _apart(one, other, types):
                yield "column_B", why
    column = getattr(check, "column", None)
    if isinstance(column, str):
        yield from _of_column(check, column, types.get(column))


def _of_column(check: Expectation, column: str, kind: ColumnType | None) -> Iterator[Misfit]:
    if isinstance(check, _REGEX) and (why := _regex(check.regex)):
        yield "regex", why
    if isinstance(check, Between) and not isinstance(check, _OF_VALUES):
        for name, bound in _bounds(check):
            if isinstance(bound, str) and not _is_number(bound):
                yield name, f'"{bound}" is no number'
    if kind is None:
        return
    if isinstance(check, _OF_NUMBERS):
        mean = isinstance(check, e.ExpectColumnMeanToBeBetween)
        if kind in _NO_NUMBERS or (kind in TIMES and not mean):
            yield "column", f"{column} has type {kind}, which has no {check.name().split('_')[2]}"
    if isinstance(check, _OF_VALUES):
        yield from ((name, why) for name, bound in _bounds(check) if (why := _against(column, kind, bound)))
    if isinstance(check, _SETS):
        yield from (("value_set", why) for value in check.value_set if (why := _against(column, kind, value)))


def _bounds(check: Between) -> Iterator[tuple[str, Value]]:
    for name in ("min_value", "max_value"):
        bound = getattr(check, name)
        if bound is not None:
            yield name, bound


def _condition(condition: Condition, types: Types) -> Iterator[str]:
    match condition:
        case AllOf(conditions) | AnyOf(conditions):
            for inner in conditions:
                yield from _condition(inner, types)
        case Not(inner):
            yield from _condition(inner, types)
        case Compare(column, _, Field(other)):
            if why := _apart(column, other, types):
                yield why
        case Compare(column, _, str() | int() | float() as operand) if column in types:
            if why := _against(column, types[column], operand):
                yield why
        case IsIn(column, values) if column in types:
            yield from filter(None, (_against(column, types[column], value) for value in values))
        case IsTrue(column) if types.get(column) in _NO_NUMBERS | TIMES:
            yield f"{column} has type {types[column]}: compare it with something"


def _against(column: str, kind: ColumnType, value: Value) -> str:
    """Why a column cannot be compared with a value; empty when it can."""
    shown = (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if value in (True, False)
        else str(value)
    )
    what = f"{column} has type {kind} and cannot be compared with {shown}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in NUMBERS:
        return "" if not isinstance(value, str) or _is_number(value) else f"{what}, which is no number"
    if kind in TIMES:
        right = isinstance(value, str) and _is_time(value)
        return "" if right else f"{what}: write it as 2026-11-20 or 2026-11-20T10:15:00Z"
    match kind:
        case ColumnType.STRING | ColumnType.TIME if not isinstance(value, str):
            return f"{what}: put it into quotes" if number else what
        case ColumnType.UUID if not (isinstance(value, str) and _is_uuid(value)):
            return f"{what}, which is no UUID"
        case ColumnType.BOOLEAN if isinstance(value, str):
            return f"{what}: write true or false"
    return ""


def _apart(one: str, other: str, types: Types) -> str:
    """Why two columns cannot be compared with each other: numbers with times or texts, times with texts of any kind."""
    a, b = types.get(one), types.get(other)
    if a is None or b is None or a == b:
        return ""
    plain = {ColumnType.STRING, ColumnType.UUID, ColumnType.TIME, ColumnType.BOOLEAN}
    for kinds, others in ((NUMBERS, TIMES | plain), (TIMES, NUMBERS | plain)):
        if (a in kinds and b in others) or (b in kinds and a in others):
            return f"{one} has type {a} and {other} has type {b}: they cannot be compared"
    return ""


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text.strip().lower() in (
            "infinity",
            "-infinity",
            "epoch",
            "now",
            "today",
            "yesterday",
            "tomorrow",
        )
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    try:
        date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return False
    return hour <= 24 and minute < 60 and second <= 60


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _is_type(word: str) -> bool:
    if word in set(ColumnType):
        return True
    plain = re.sub(r"\[[0-9]*\]", "", re.sub(r"\(.*\)", " ", word, flags=re.DOTALL)).upper()
    name = "_".join(plain.split())
    return name in _WORDS or any(name == f"{known}_UNSIGNED" for known in _WORDS)


def _listed() -> str:
    return ", ".join(ColumnType)


def _regex(pattern: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `[[:alpha:]]`, which warehouses know and Python wonders about
        try:
            re.compile(pattern)
        except re.error as error:
            if any(broken in error.msg for broken in _BROKEN):
                return f"{pattern} is no regular expression: {error.msg}"
    return ""
