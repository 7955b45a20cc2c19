"""SQL that makes tables and columns: the one place that quotes names, and the lattice along which columns widen.

What a type of a contract becomes in each warehouse is the table in docs/decisions/0002-load-protocol.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from shared.common.errors import Misconfigured
from shared.contracts.columns import DIGITS, SCALE, Column, ColumnType

RUN, LOADED_AT, COMMIT = "_sluice_run", "_sluice_loaded_at", "_sluice_commit"
PART = "_sluice_part"
OURS = (RUN, LOADED_AT, COMMIT)
"""Columns of every row: the run that landed it, when it was loaded, the commit that published it. A stage has PART too:
the place of the part that the row came from."""

VALID_FROM, VALID_TO, IS_CURRENT = "valid_from", "valid_to", "is_current"
CLOSED_BY = "_sluice_closed_by"
HISTORY = (VALID_FROM, VALID_TO, IS_CURRENT, CLOSED_BY)
"""Columns of a table that keeps versions: in [valid_from, valid_to) the row was the current one; the commit that ended
it."""

LEDGER = "_sluice"
"""The schema of the ledger, the history of loads and the stages that were kept."""

DELETED = "deleted"
"""The table beside the ledger that remembers deletions by cursor, so that a late row does not undo one."""

_WIDER = {
    frozenset({ColumnType.INTEGER, ColumnType.DECIMAL}): ColumnType.DECIMAL,
    frozenset({ColumnType.INTEGER, ColumnType.NUMBER}): ColumnType.NUMBER,
    frozenset({ColumnType.DECIMAL, ColumnType.NUMBER}): ColumnType.NUMBER,
    frozenset({ColumnType.DATE, ColumnType.TIMESTAMP}): ColumnType.TIMESTAMP,
}


def quoted(*names: str) -> str:
    """An identifier, or several that are the parts of one address.

    >>> print(quoted("recurly", 'a "b" c'))
    "recurly"."a ""b"" c"
    """
    for name in names:
        if not name or "\0" in name:
            raise Misconfigured(
                f"{name!r} cannot be a name in a warehouse", hint="at least one character, and no NUL"
            )
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(value: str | int | Sequence[str] | Sequence[int]) -> str:
    """A text, a number or a list of them as a SQL literal.

    >>> print(literal(["it's", "b"]))
    ['it''s', 'b']
    """
    match value:
        case int():
            return str(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return "[" + ", ".join(literal(item) for item in value) + "]"


def shortened(name: str, length: int, *, size: Callable[[str], int] = len) -> str:
    """A name of at most `length`; a longer one is cut and gets 8 digits of its sha256, so that it stays its own.

    >>> shortened("a_rather_long_name", 16)
    'a_rathe_f14608d6'
    """
    if size(name) <= length:
        return name
    cut = name
    while size(cut) > length - 9:
        cut = cut[:-1]
    return f"{cut}_{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def names_for(
    fields: Iterable[str],
    *,
    taken: Iterable[str] = OURS,
    there: Iterable[str] = (),
    fit: Callable[[str], str] = str,
    fold: Callable[[str], str] = str.casefold,
    owned: Callable[[str], str] = str,
) -> dict[str, str]:
    """The column for each field of a record: its own name or, where that cannot be, one that only this field can have.

    A field keeps the column that it has in the table, whose columns are `there`, and earlier fields come before later
    ones. `fit` makes a name one that the warehouse takes; `fold` is the same for names that it takes for equal, `owned`
    for a name and the column that the table has for it.

    >>> names_for(["id", "Id", "_sluice_run", ""])
    {'id': 'id', 'Id': 'Id_12156e92', '_sluice_run': '_sluice_run_1', '': '_e3b0c442'}
    >>> names_for(["id", "Id"], there=["Id"])
    {'id': 'id_a5614527', 'Id': 'Id'}
    """
    ours, columns = frozenset(taken), list(there)
    choices = {field: _choices(field, ours, fit) for field in fields}
    used = {fold(name) for name in ours}
    names: dict[str, str] = {}
    known = {owned(name) for name in columns}
    for field, tries in choices.items():
        has = (name for name in reversed(tries) if owned(name) in known and fold(name) not in used)
        if (name := next(has, None)) is not None:
            names[field] = name
            used.add(fold(name))
    used.update(map(fold, columns))
    for field, tries in choices.items():
        if field not in names:
            names[field] = next((name for name in tries if fold(name) not in used), tries[-1])
            used.add(fold(names[field]))
    return {field: names[field] for field in choices}


def _choices(field: str, ours: Collection[str], fit: Callable[[str], str]) -> tuple[str, ...]:
    """What a field's column may be called, best first; the last one is never that of another field."""
    if field in ours:
        return (fit(f"{field}_1"),)
    base = field.replace("\0", "_")
    own = fit(f"{base}_{_digest(field)}")
    return (fit(base), own) if field and base == field and field.removesuffix("_1") not in ours else (own,)


def join(one: ColumnType, other: ColumnType) -> ColumnType:
    """The narrowest type that takes the values of both: the lattice along which columns widen.

    integer < decimal < number, date < timestamp, and text takes everything.

    >>> join(ColumnType.INTEGER, ColumnType.NUMBER).value, join(ColumnType.DATE, ColumnType.BOOLEAN).value
    ('number', 'string')
    """
    return one if one == other else _WIDER.get(frozenset({one, other}), ColumnType.STRING)


def merged(existing: Iterable[Column], wanted: Iterable[Column]) -> tuple[Column, ...]:
    """The columns of a table that has `existing` and must take in rows with `wanted`; nothing is ever dropped."""
    columns = {column.name: column for column in existing}
    for column in wanted:
        known = columns.get(column.name)
        columns[column.name] = column if known is None else _wider(known, column)
    return tuple(columns.values())


def held(
    column: Column,
    known: Column | None,
    *,
    most: int,
    scale: int = 1000,
    rounds: Callable[[str], bool] = lambda name: False,
) -> Column:
    """A column with the wider of its type and the one that is `known` in the table.

    It is text where that is a decimal of more digits than the warehouse has, and where a double would round integers:
    `rounds` tells whether a column of the table has such (an integer with a precision is one).
    """
    kinds = (None if known is None else known.type, column.type)
    if known is not None and (
        (kinds == (ColumnType.INTEGER, ColumnType.NUMBER) and rounds(known.name))
        or (kinds == (ColumnType.NUMBER, ColumnType.INTEGER) and column.precision is not None)
    ):
        return replace(column, type=ColumnType.STRING, precision=DIGITS)
    if known is not None:
        (one,) = merged([replace(known, name=column.name)], [column])
        if one.type is ColumnType.DECIMAL:
            column = replace(column, precision=one.precision, scale=one.scale)
        column = replace(column, type=one.type)
    if column.type is ColumnType.DECIMAL and not (
        (column.precision or DIGITS) <= most and (column.scale or 0) <= scale
    ):
        return replace(column, type=ColumnType.STRING)
    return column


def digits(column: Column) -> tuple[int, int]:
    """Digits in all and behind the point, of a decimal."""
    scale = SCALE if column.scale is None else column.scale
    return DIGITS if column.precision is None else column.precision, scale


def create_table(address: tuple[str, ...], columns: Iterable[tuple[str, str]]) -> str:
    """`columns` are names with their types in the warehouse's own words."""
    listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
    return f"CREATE TABLE IF NOT EXISTS {quoted(*address)} ({listed})"


def add_column(address: tuple[str, ...], name: str, kind: str) -> str:
    return f"ALTER TABLE {quoted(*address)} ADD COLUMN IF NOT EXISTS {quoted(name)} {kind}"


def _wider(known: Column, column: Column) -> Column:
    kind = join(known.type, column.type)
    if kind is not ColumnType.DECIMAL:
        return replace(known, type=kind)
    sides = [digits(side) if side.type is kind else (DIGITS - SCALE, 0) for side in (known, column)]
    scale = max(scale for _, scale in sides)
    whole = max(total - scale for total, scale in sides)
    most = max(DIGITS, *(total for total, _ in sides))
    return replace(known, type=kind, precision=min(most, whole + scale), scale=scale)
