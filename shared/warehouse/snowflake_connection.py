"""One connection to Snowflake: runs statements, refuses DDL in our transaction, and tells errors in our words.

Any DDL (also CREATE TABLE AS, also of temporary tables) commits the transaction that is open on Snowflake,
without a word: half of a load would be published. So between `begin` and `commit` only reading and changing of
rows gets through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from shared.common.errors import Misconfigured, Refused, SluiceError, Transient, Violation

Row = tuple[Any, ...]

# TRUNCATE is left out: it is DML on Snowflake, but forgets which files were loaded, and we never need it.
_ROWS = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"})
_NOT_CODE = re.compile(
    r"""'(?:[^'\\]|''|\\.)*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | //[^\n]* | /\*.*?\*/""", re.S | re.X
)
_NO_WAREHOUSE, _MISSING, _NO_SCHEMA, _DENIED, _NO_FILE = 606, 2003, 2043, 3001, 91016
_CONFIGURED = frozenset({_NO_WAREHOUSE, _MISSING, _NO_SCHEMA, 90105, 90106, 251001, 251007})
_GONE = frozenset({390111, 390112, 390114})
# Sign-in: the numbers of JWT in the old and in the new order among them.
_SIGN_IN = (range(390000, 391000), range(394300, 394400))
_BUSY = frozenset({604, 625, 630, 603, 90073})


class Connection:
    """A connection of the Snowflake connector, opened by `connect` and, when it broke, opened again.

    Not for use by several threads at once. `broken`: Snowflake ended the session, or nobody knows whether it did.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._raw = connect()
        self.open_transaction = False
        self.broken = False

    @property
    def session(self) -> object:
        """What is another one after the connection was opened again."""
        return self._raw

    def reconnect(self) -> None:
        """A new session. Temporary tables of the old one are gone, and so is what it had not committed."""
        raw, self._raw = self._raw, self._connect()
        self.open_transaction = self.broken = False
        with suppress(Exception):  # the old one is of no use anyway
            raw.close(retry=False)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows that a statement answers. Raises as `translated`, and `SluiceError` for DDL in a transaction."""
        self._guard(sql)
        with self._cursor() as cursor:
            cursor.execute(sql, tuple(parameters) or None)
            return [tuple(row) for row in cursor.fetchall()]

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows an INSERT, UPDATE or DELETE changed: Snowflake answers with that number."""
        return int(self.query(sql, parameters)[0][0])

    def begin(self) -> None:
        self.query("BEGIN TRANSACTION")
        self.open_transaction = True

    def commit(self) -> None:
        """Commit. When the answer is lost, nobody knows whether it happened: the ledger says so to the next load."""
        with self._cursor() as cursor:
            cursor.execute("COMMIT")
        self.open_transaction = False

    def rollback(self) -> None:
        """Undo what is open. On a connection that broke Snowflake does it by itself."""
        self.open_transaction = False
        if self.broken:
            return
        with self._cursor() as cursor:
            cursor.execute("ROLLBACK")

    def close(self) -> None:
        """Sign out. What was not committed is undone, temporary tables are gone."""
        with translated():
            self._raw.close(retry=False)

    def _guard(self, sql: str) -> None:
        if not self.open_transaction:
            return
        verb, alone = first_word(sql)
        if verb not in _ROWS or not alone:
            raise SluiceError(
                f"{verb or 'nothing'} in a transaction of a load: Snowflake would commit the half that is done",
                hint="run it before the load; only SELECT, INSERT, UPDATE, DELETE and MERGE, one at a time, go here",
            )

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with translated(self):
            cursor = self._raw.cursor()
            try:
                yield cursor
            finally:
                cursor.close()


def first_word(sql: str) -> tuple[str, bool]:
    r"""The verb of a statement without comments, and whether no other statement follows it.

    >>> first_word("/* why */ select ';' from t;")
    ('SELECT', True)
    >>> first_word("insert into t select 1; drop table t")
    ('INSERT', False)
    """
    code = "".join(
        piece if is_code else " " if piece[0] in "-/" else "x" for is_code, piece in parts_of(sql)
    ).strip()
    head, _, rest = code.partition(";")
    word = re.match(r"[\s(]*([A-Za-z]+)", head)
    return (word[1].upper() if word else ""), not rest.strip()


def parts_of(sql: str) -> Iterator[tuple[bool, str]]:
    """A text of SQL in pieces: code (True), and what only looks like it: texts, quoted names and comments."""
    at = 0
    for found in _NOT_CODE.finditer(sql):
        yield True, sql[at : found.start()]
        yield False, found[0]
        at = found.end()
    yield True, sql[at:]


@contextmanager
def translated(connection: Connection | None = None) -> Iterator[None]:
    """The connector's errors as ours: by Snowflake's own number, else by the class of the SQL state."""
    from snowflake.connector import errors

    try:
        yield
    except errors.Error as error:
        ours = _ours(
            error, transport=not isinstance(error, (errors.ProgrammingError, errors.NotSupportedError))
        )
        if connection is not None and isinstance(ours, Transient):
            connection.broken = error.errno not in _BUSY
        raise ours from error
    except OSError as error:
        if connection is not None:
            connection.broken = True
        raise Transient(f"the connection to Snowflake broke: {type(error).__name__}") from error


def _ours(error: Any, *, transport: bool) -> SluiceError:
    number, state, text = error.errno or 0, str(error.sqlstate or ""), _first_lines(error)
    where = {"query": error.sfqid}
    if number in _GONE:
        return Transient(f"the session with Snowflake ended: {text}", hint="load again", **where)
    if any(number in numbers for numbers in _SIGN_IN) or number == _DENIED or state in ("28000", "42501"):
        return Refused(
            f"Snowflake refused: {text}",
            kind=str(number),
            hint="the role must have been granted what deploy/snowflake grants: sluice warehouse ddl",
            **where,
        )
    if number in _CONFIGURED:
        hint = "sluice warehouse apply makes what is missing; what WAREHOUSE_URL names must exist"
        return Misconfigured(f"Snowflake cannot find what it needs: {text}", hint=hint, **where)
    if type(error).__name__ == "ForbiddenError":
        return Misconfigured(
            f"this account of Snowflake does not answer: {text}",
            hint="write the account identifier as Snowflake shows it: organisation-account",
            **where,
        )
    if number in _BUSY or state.startswith(("08", "40", "57014")):
        return Transient(f"Snowflake could not go on: {text}", hint="load again", **where)
    if number == _NO_FILE:
        return Misconfigured(
            f"Snowflake does not see a part that is there: {text}",
            hint="the stage must point at the landing zone of LANDING_URL, and AWS must trust Snowflake: "
            "sluice warehouse apply",
            **where,
        )
    if state.startswith("22") or 100000 <= number < 101000:
        return Violation(f"Snowflake refused the rows: {text}", **where)
    if transport:
        return Transient(f"Snowflake cannot be reached: {text}", **where)
    return Misconfigured(f"Snowflake does not take the statement: {text}", **where)


def _first_lines(error: Any) -> str:
    """Two lines hold what happened, and to which file and row; the rest is the statement."""
    lines = [line.strip() for line in str(error.raw_msg or error.msg or error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:500]


def missing(error: SluiceError) -> bool:
    """Whether an error says that a table or schema is not there (or is hidden from us, which Snowflake tells
    alike).
    """
    return number_of(error) in (_MISSING, _NO_SCHEMA)


def number_of(error: SluiceError) -> int | None:
    """Snowflake's own number of an error."""
    return getattr(error.__cause__, "errno", None)
