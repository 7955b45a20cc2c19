"""Values on their way through Snowflake: the type of each column, and how text becomes one exactly or not at all.

What COPY reads is kept as text first (or as the JSON that it was), because a cast inside COPY rounds 1.5 to 2
and a decimal to its scale without a word, takes `20240101` for seconds since 1970, and knows no base64. Then
one query counts what is no value of its column, before anything is cast.

Facts that shaped this: numbers with a point are exact in a VARIANT up to 38 digits, those with an exponent are
doubles; a backslash in a text of SQL escapes; REGEXP_LIKE looks at the whole text; TRY_TO_DATE without a format
takes numbers.
"""

from __future__ import annotations

import re

from shared.contracts.columns import Column, ColumnType
from shared.warehouse.ddl import digits

MOMENT = "TIMESTAMP_TZ(9)"
INTEGER = "NUMBER(38,0)"
EXACT = 2**53
"""Beyond it a FLOAT rounds integers."""

_TYPES = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INTEGER: INTEGER,
    ColumnType.NUMBER: "FLOAT",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: MOMENT,
    # Only text keeps the offset of a time of day in every warehouse.
    ColumnType.TIME: "VARCHAR",
    ColumnType.JSON: "VARIANT",
    ColumnType.UUID: "VARCHAR(36)",
    ColumnType.BINARY: "BINARY",
}
_KINDS = {
    "FLOAT": ColumnType.NUMBER,
    "BOOLEAN": ColumnType.BOOLEAN,
    "DATE": ColumnType.DATE,
    "TIMESTAMP_TZ": ColumnType.TIMESTAMP,
    "VARIANT": ColumnType.JSON,
    "BINARY": ColumnType.BINARY,
}
_SHAPE = re.compile(r"(\w+)(?:\((\d+)(?:,\s*(\d+))?\))?")

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
_RFC_3339 = f"{_DATE}([Tt ]{_CLOCK}([Zz]|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
_LEAP, _LAST = "(:[0-9][0-9]):60([.][0-9]+)?", r"\1:59.999999"
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def text(value: str) -> str:
    r"""A text of SQL. A backslash would escape what follows it.

    >>> print(text("it's a \\"))
    'it''s a \\'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def type_of(column: Column) -> str:
    """The type of a column, in a stage and in a final table."""
    if column.type is ColumnType.DECIMAL:
        total, scale = digits(column)
        return f"NUMBER({total},{scale})"
    return _TYPES[column.type]


def column_of(name: str, kind: str) -> Column | None:
    """The column that a type of Snowflake stands for; None for types that we do not use.

    >>> column_of("n", "NUMBER(10,2)"), column_of("n", "TIMESTAMP_NTZ(9)")
    (Column(name='n', type=<ColumnType.DECIMAL: 'decimal'>, ... precision=10, scale=2), None)
    """
    found = _SHAPE.fullmatch(kind)
    word, first, second = found.groups() if found else (kind, None, None)
    if word == "NUMBER":
        total, scale = int(first or 38), int(second or 0)
        if scale == 0:
            return Column(name, ColumnType.INTEGER)
        return Column(name, ColumnType.DECIMAL, precision=total, scale=scale)
    if word == "VARCHAR":
        return Column(name, ColumnType.UUID if first == "36" else ColumnType.STRING)
    return Column(name, _KINDS[word]) if word in _KINDS else None


def holds(known: str, wanted: str) -> bool:
    """Whether a column of the type `known` takes all values of `wanted` as it is.

    >>> (
    ...     holds("NUMBER(38,0)", "NUMBER(10,0)"),
    ...     holds("NUMBER(38,9)", "NUMBER(38,0)"),
    ...     holds("VARCHAR(16777216)", "VARCHAR"),
    ... )
    (True, False, True)
    """
    one, other = _SHAPE.fullmatch(known), _SHAPE.fullmatch(wanted)
    if one is None or other is None or one[1] != other[1]:
        return False
    if one[1] == "NUMBER":
        scales = int(one[3] or 0), int(other[3] or 0)
        wholes = int(one[2] or 38) - scales[0], int(other[2] or 38) - scales[1]
        return scales[0] >= scales[1] and wholes[0] >= wholes[1]
    # 36 characters are ours, for uuid; any other length is somebody's own choice.
    return one[1] != "VARCHAR" or one[2] != "36" or other[2] == "36"


def raw_type(column: Column, *, csv: bool) -> str:
    """What COPY puts a field into: text, but for nested values and numbers that a text could bend."""
    if csv:
        return "VARCHAR"
    match column.type:
        case ColumnType.JSON | ColumnType.DECIMAL:
            return "VARIANT"
        case ColumnType.NUMBER:
            return "FLOAT"
        case _:
            return "VARCHAR"


def value(column: Column, raw: str, *, csv: bool) -> str:
    """The value of a column out of the raw one; null where that is none (`wrong` tells which)."""
    match column.type:
        case ColumnType.INTEGER:
            return f"TRY_TO_DECIMAL({raw}, 38, 0)"
        case ColumnType.NUMBER:
            return f"TRY_TO_DOUBLE({raw})" if csv else raw
        case ColumnType.DECIMAL:
            total, scale = digits(column)
            return f"TRY_TO_DECIMAL({_digits(raw, csv=csv)}, {total}, {scale})"
        case ColumnType.BOOLEAN:
            return f"TRY_TO_BOOLEAN({raw})"
        case ColumnType.DATE:
            return f"TRY_TO_DATE({raw}, 'YYYY-MM-DD')"
        case ColumnType.TIMESTAMP:
            # No warehouse knows the 60th second of a leap second: it becomes the last moment of the 59th.
            return f"TRY_CAST(REGEXP_REPLACE(UPPER({raw}), {text(_LEAP)}, {text(_LAST)}) AS {MOMENT})"
        case ColumnType.JSON:
            return f"STRIP_NULL_VALUE(TRY_PARSE_JSON({raw}))" if csv else f"STRIP_NULL_VALUE({raw})"
        case ColumnType.UUID:
            return f"LOWER({raw})"
        case ColumnType.BINARY:
            return f"TRY_TO_BINARY({raw}, 'BASE64')"
        case _:
            return raw


def wrong(column: Column, raw: str, *, csv: bool) -> str | None:
    """Whether a raw value is none of the column, or would be rounded; None when every text is one."""
    given, made = f"{raw} IS NOT NULL", value(column, raw, csv=csv)
    match column.type:
        case ColumnType.INTEGER:
            return f"{given} AND (NOT {_like(raw, '[+-]?[0-9]+([.]0*)?')} OR {made} IS NULL)"
        case ColumnType.DECIMAL:
            return _rounded(column, raw, made, csv=csv)
        case ColumnType.TIMESTAMP:
            return f"{given} AND (NOT {_like(raw, _RFC_3339)} OR {made} IS NULL)"
        case ColumnType.DATE:
            return f"{given} AND (NOT {_like(raw, _DATE)} OR {made} IS NULL)"
        case ColumnType.UUID:
            return f"{given} AND NOT {_like(raw, _UUID)}"
        case ColumnType.JSON if csv:
            return f"{given} AND TRY_PARSE_JSON({raw}) IS NULL"
        case ColumnType.BOOLEAN | ColumnType.BINARY:
            return f"{given} AND {made} IS NULL"
        case ColumnType.NUMBER if csv:
            return f"{given} AND {made} IS NULL"
        case _:
            return None


def widened(known: Column, wanted: Column, field: str) -> str:
    """The values of an existing column `field` as the wider type `wanted`."""
    target = type_of(wanted)
    match known.type, wanted.type:
        case ColumnType.TIMESTAMP, ColumnType.STRING:
            # As RFC 3339 writes it, which is how the rows to come are written.
            utc = f"CONVERT_TIMEZONE('UTC', {field})"
            clock = f"REGEXP_REPLACE(TO_VARCHAR({utc}, 'HH24:MI:SS.FF6'), '[.]000000$', '')"
            return f"TO_VARCHAR({utc}, 'YYYY-MM-DD') || 'T' || {clock} || 'Z'"
        case ColumnType.JSON, ColumnType.STRING:
            return f"TO_JSON({field})"
        case ColumnType.BINARY, ColumnType.STRING:
            return f"BASE64_ENCODE({field})"
        case _:
            return f"CAST({field} AS {target})"


def _digits(raw: str, *, csv: bool) -> str:
    """The text of a decimal, which may have come as a JSON number or as a JSON string."""
    return raw if csv else f"TRIM(CAST(STRIP_NULL_VALUE({raw}) AS VARCHAR), '\"')"


def _rounded(column: Column, raw: str, made: str, *, csv: bool) -> str:
    """No decimal, or one with more digits than its column has."""
    _, scale = digits(column)
    number = _digits(raw, csv=csv)
    plain = _like(number, f"[+-]?[0-9]*[.]?[0-9]{{0,{scale}}}0*")
    close = f"ABS(CAST({made} AS FLOAT) - TRY_TO_DOUBLE({number})) <= ABS(TRY_TO_DOUBLE({number})) * 1e-13"
    exact = f"({plain} OR ({_like(number, '.*[eE].*')} AND {close}))"
    given = f"{number} IS NOT NULL"
    if csv:
        return f"{given} AND ({made} IS NULL OR NOT {exact})"
    # A double may have lost digits on its way to text.
    double = f"AS_DOUBLE({raw})"
    bent = f"(TYPEOF({raw}) = 'DOUBLE' AND ABS(CAST({made} AS FLOAT) - {double}) > ABS({double}) * 1e-13)"
    return f"{given} AND ({made} IS NULL OR NOT {exact} OR {bent})"


def _like(value: str, pattern: str) -> str:
    return f"REGEXP_LIKE({value}, {text(pattern)})"
