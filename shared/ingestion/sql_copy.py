"""What `COPY … TO STDOUT` sends, taken from libpq directly, in blocks.

psycopg's own iteration goes through two generators and an event loop for every row, which costs as much as reading it.
Here the socket is waited for only when libpq has no whole row left; no lock of Python is held meanwhile.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

BLOCK = 64 * 1024
"""Bytes that are handed on at once."""


def copied(connection: Any, statement: str) -> Iterator[tuple[bytes, int]]:
    """The rows of a COPY on a psycopg connection, as blocks and the number of rows in each.

    Raises psycopg's errors. A connection whose rows were not all taken can only be closed.
    """
    from psycopg import errors, pq

    libpq = connection.pgconn
    polled = select.poll()
    polled.register(libpq.socket, select.POLLIN)
    libpq.send_query(statement.encode())
    while libpq.flush():
        select.select([libpq.socket], [libpq.socket], [])
        libpq.consume_input()
    result = _result(libpq, polled)
    if result.status != pq.ExecStatus.COPY_OUT:
        _drained(libpq, polled)
        raise errors.error_from_result(result)
    yield from _blocks(libpq, polled)
    result = _result(libpq, polled)
    _drained(libpq, polled)
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise errors.error_from_result(result)


def _blocks(libpq: Any, polled: Any) -> Iterator[tuple[bytes, int]]:
    """Rows are copied behind each other at once, while they are in the processor's cache, and not kept in a list."""
    held, rows, take = bytearray(), 0, libpq.get_copy_data
    while True:
        length, row = take(1)
        if length > 0:
            held += row
            rows += 1
            if len(held) >= BLOCK:
                yield bytes(held), rows
                held, rows = bytearray(), 0
        elif length == 0:
            polled.poll()
            libpq.consume_input()
        else:
            break
    if held:
        yield bytes(held), rows


def _result(libpq: Any, polled: Any) -> Any:
    while libpq.is_busy():
        polled.poll()
        libpq.consume_input()
    return libpq.get_result()


def _drained(libpq: Any, polled: Any) -> None:
    """Take what follows a statement's result, so that the connection is free for the next one."""
    while _result(libpq, polled) is not None:
        pass
