"""Writes parts: records stream through gzip into a scratch file, which the store takes when it is whole.

The bytes of a part depend on its records only: the gzip header has no time and no name, and igzip is fed in blocks of
one size whatever the chunks were (on one kind of processor: igzip has other code, and other output, for others).
Compression runs in the caller's thread and lets go of the GIL. A thread of its own per part was measured to gain
nothing beside a producer that is busy in Python: it waits for the GIL after each block (switch interval, 5 ms).
Memory is a few blocks a part, whatever the number of records.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from isal import isal_zlib

from shared.common.errors import Violation
from shared.common.ports import Clock, ObjectStore
from shared.landing.commit import Part
from shared.landing.disk import disk_error, open_scratch, sweep
from shared.landing.layout import Layout, PartName, known_format
from shared.landing.log import CommitLog

BLOCK = 256 * 1024
"""Bytes that go through the compressor at once."""
TAKES = 100
"""Names that are tried for one part, see `layout`."""

_GZIP = 31  # zlib's wbits for a gzip header and trailer around a window of 32 KB


class Landing:
    """The landing zone of one stream: its log, and new parts. Sweeps the scratch folder when it is made."""

    def __init__(self, store: ObjectStore, source: str, stream: str, clock: Clock) -> None:
        self.layout = Layout(source, stream)
        self.log = CommitLog(store, source, stream, clock)
        self._store = store
        self._clock = clock
        sweep(store.scratch())

    def part(
        self,
        run: str,
        attempt: int,
        window: int = 0,
        index: int = 0,
        format: str = "jsonl.gz",
        *,
        level: int = 1,
    ) -> PartWriter:
        """A new part. `attempt`, `window` and `index` must tell it from all others of the run."""
        name = PartName(run, attempt, window, index, self._clock.now().date())
        return PartWriter(self._store, name, folder=self.layout.data, format=format, level=level)

    def reject(self, run: str, attempt: int, window: int = 0, index: int = 0) -> RejectWriter:
        """A new part for records that broke the contract."""
        name = PartName(run, attempt, window, index, self._clock.now().date())
        return RejectWriter(self._store, name, folder=self.layout.rejected)


class PartWriter:
    """One part on its way, for one thread. `rows` and `size` (bytes before compression) count what was written.

    A bound on the size of parts looks at `size`: it depends on the records only, so a repeated run cuts where the
    first one did.

    Nothing of it is in the store before `close`; `abort`, or leaving it to the garbage collector, leaves nothing.
    """

    def __init__(
        self, store: ObjectStore, name: PartName, *, folder: str, format: str = "jsonl.gz", level: int = 1
    ) -> None:
        self.rows = 0
        self.size = 0
        self._store = store
        self._name = name
        self._folder = folder
        self._format = known_format(format)
        self._compressor = _compressor(format, level)
        self._sha256 = hashlib.sha256()
        self._stored = 0
        self._pending: list[bytes] = []
        self._held = 0
        self._file, self._path = open_scratch(store.scratch())

    def write(self, chunk: bytes, rows: int) -> None:
        """Add whole records. Raises `Transient` when the disk is full; the part is gone then."""
        if self._file.closed:
            raise ValueError("this part is closed")
        self.rows += rows
        self.size += len(chunk)
        self._pending.append(chunk)
        self._held += len(chunk)
        if self._held >= BLOCK:
            self._pump()

    def close(self) -> Part:
        """Put the part into the store and say what it is.

        Raises:
            ValueError: no record was written: there is no part, as after `abort`.
            Transient, Refused: the disk or the store failed; the scratch file is gone.
        """
        try:
            if self._file.closed or not self.rows:
                raise ValueError(
                    "this part is closed" if self._file.closed else "a part without records is none"
                )
            self._finish()
            key, etag = self._put()
        finally:
            self.abort()
        return Part(
            key=key,
            rows=self.rows,
            bytes=self._stored,
            raw_bytes=self.size,
            sha256=self._sha256.hexdigest(),
            etag=etag,
        )

    def abort(self) -> None:
        """Drop the part; nothing happens when it is closed."""
        self._pending.clear()
        if not self._file.closed:
            self._file.close()
            self._path.unlink(missing_ok=True)

    def __del__(self) -> None:
        if hasattr(self, "_path"):
            self.abort()

    def _pump(self, *, all_of_it: bool = False) -> None:
        data = memoryview(self._pending[0] if len(self._pending) == 1 else b"".join(self._pending))
        whole = len(data) if all_of_it else len(data) - len(data) % BLOCK
        for start in range(0, whole, BLOCK):
            self._store_bytes(self._compressor.compress(data[start : min(start + BLOCK, whole)]))
        self._pending = [bytes(data[whole:])] if whole < len(data) else []
        self._held = len(data) - whole

    def _finish(self) -> None:
        self._pump(all_of_it=True)
        self._store_bytes(self._compressor.flush())

    def _store_bytes(self, data: bytes | memoryview) -> None:
        self._sha256.update(data)
        self._stored += len(data)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.abort()
            raise disk_error(error, "write a part", path=self._path) from error

    def _put(self) -> tuple[str, str]:
        keys = partial(self._name.key, self._folder, format=self._format)
        return put_part(self._store, self._path, keys, sha256=self._sha256.hexdigest())


def put_part(store: ObjectStore, file: Path, keys: Callable[..., str], *, sha256: str) -> tuple[str, str]:
    """Upload a part under the first of its names (`keys(take=1)` …) that is free; returns the key and the etag."""
    for take in range(1, TAKES + 1):
        try:
            return keys(take=take), store.put_file(keys(take=take), file, sha256=sha256)
        except FileExistsError:
            continue
    raise Violation(
        f"{TAKES} parts with other content lie under this name already",
        hint="give each process of a run its own attempt, and each part its own window and index",
        key=keys(take=TAKES),
    )


class RejectWriter(PartWriter):
    """A part of records that broke the contract: JSON lines of `reason`, `pointer` and `record` (or `text`)."""

    def add(self, record: bytes, *, reason: str, pointer: str = "", **where: Any) -> None:
        r"""Add one record as it came, masks applied by the caller. `pointer` (RFC 6901) says what in it is wrong.

        Bytes that are no JSON are kept as `text`, undecodable ones as `\xNN`. `where` adds e.g. a line number.
        """
        self.write(rejection(record, reason=reason, pointer=pointer, **where), 1)


def rejection(record: bytes, *, reason: str, pointer: str = "", **where: Any) -> bytes:
    r"""The line that quarantines `record`.

    >>> rejection(b'{"id": 1.50}', reason="not an integer", pointer="/id", line=3)
    b'{"reason":"not an integer","pointer":"/id","line":3,"record":{"id": 1.50}}\n'
    >>> rejection(b'{"id": \xff', reason="not JSON")
    b'{"reason":"not JSON","pointer":"","text":"{\\"id\\": \\\\xff"}\n'
    """
    head = _json({"reason": reason, "pointer": pointer, **where})
    try:
        json.loads(record.decode(), parse_constant=_no_json)
        # Line ends stand between tokens only; the rest stays as it came, so that no number changes.
        tail = b',"record":' + record.translate(_ONE_LINE).strip()
    except (ValueError, RecursionError):
        tail = b',"text":' + _json(record.decode("utf-8", "backslashreplace"))
    return head[:-1] + tail + b"}\n"


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def _json(value: Any) -> bytes:
    # A lone surrogate has no UTF-8; its backslash form is JSON's own escape.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


class _Compressor(Protocol):
    def compress(self, data: memoryview, /) -> bytes | memoryview: ...
    def flush(self) -> bytes: ...


class _Plain:
    """Stores records as they are."""

    def compress(self, data: memoryview, /) -> memoryview:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(format: str, level: int) -> _Compressor:
    if not format.endswith(".gz"):
        return _Plain()
    compressor: _Compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, _GZIP)
    return compressor
