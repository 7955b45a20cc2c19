"""Reads parts and proves them: what a commit says of a part is checked against what the store holds."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from isal import igzip, isal_zlib

from shared.common.errors import Violation
from shared.common.ports import ObjectInfo, ObjectStore
from shared.landing.commit import Commit, Part
from shared.landing.disk import disk_error
from shared.landing.layout import format_of
from shared.landing.log import CommitLog

_CHUNK = 256 * 1024
_CORRUPT: tuple[Any, ...] = (igzip.BadGzipFile, EOFError, isal_zlib.error)
_HINT = "parts are never changed once they are written: restore it from the bucket's versions, or rewind and land again"


def read_part(store: ObjectStore, part: Part) -> BinaryIO:
    """A stream of the records of `part`, decompressed, in constant memory.

    At the end of the stream it is checked: sha256 and size as stored, and the number of records (lines of JSON; rows
    of CSV by RFC 4180, without the header that each part begins with). Reading raises `Violation` naming the part when
    something differs, or when the part is missing; what was read before must then not be used.
    """
    try:
        stored = _Hashed(store.open(part.key), part)
    except KeyError:
        raise Violation("a part is missing", hint=_HINT, part=part.key) from None
    zipped = format_of(part.key).endswith(".gz")
    records: Any = igzip.open(stored) if zipped else stored  # type: ignore[no-untyped-call]
    return io.BufferedReader(_Proven(records, stored, part), _CHUNK)


def verify(store: ObjectStore, commit: Commit) -> list[Violation]:
    """What is wrong with the parts that `commit` names: missing ones and wrong sizes. One HEAD a part, no content."""
    found = []
    for part in (*commit.draft.parts, *commit.draft.rejected_parts):
        info = store.head(part.key)
        if info is None or info.size != part.bytes:
            what = (
                "is missing" if info is None else f"has {info.size} bytes where {part.bytes} were committed"
            )
            place = {"source": commit.source, "stream": commit.stream, "sequence": commit.sequence}
            found.append(Violation(f"a part {what}", hint=_HINT, part=part.key, **place))
    return found


def orphans(store: ObjectStore, log: CommitLog, *, older_than: datetime) -> Iterator[ObjectInfo]:
    """Parts that no commit names and that were last changed before `older_than`: left by runs that died or lost.

    A part that a living run is about to commit is one too, so `older_than` must lie before the beginning of every
    run that still works; a day is plenty. Reads the whole log, and keeps the keys of all parts in memory.
    """
    # Listed first: what is committed while the log is read was in the listing as an orphan, and is not one then.
    old = [
        info
        for folder in (log.layout.data, log.layout.rejected)
        for info in store.list(folder)
        if info.modified < older_than
    ]
    named = {
        part.key for commit in log.since(0) for part in (*commit.draft.parts, *commit.draft.rejected_parts)
    }
    return (info for info in old if info.key not in named)


class _Hashed(io.RawIOBase):
    """The stored bytes, hashed and counted as they are read."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        super().__init__()
        self._file = file
        self._part = part
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except OSError as error:
            raise disk_error(error, "read a part", path=Path(self._part.key)) from error
        buffer[: len(data)] = data
        self._sha256.update(data)
        self._bytes += len(data)
        return len(data)

    def prove(self) -> None:
        while self.read(_CHUNK):  # what follows the compressed records, if anything
            pass
        if self._bytes != self._part.bytes:
            raise _broken(self._part, f"it has {self._bytes} bytes, {self._part.bytes} were committed")
        if self._sha256.hexdigest() != self._part.sha256:
            raise _broken(self._part, "its sha256 is not the committed one")

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Proven(io.RawIOBase):
    """The records, counted as they are read; the end is reached only when everything fits."""

    def __init__(self, records: Any, stored: _Hashed, part: Part) -> None:
        super().__init__()
        self._records = records
        self._stored = stored
        self._part = part
        self._counter = RowCounter(csv=format_of(part.key).startswith("csv"))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._records.read(len(buffer))
        except _CORRUPT as error:
            raise _broken(self._part, f"it cannot be decompressed: {error}") from error
        if not data:
            self._prove()
            return 0
        buffer[: len(data)] = data
        self._counter.feed(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._records.close()
            self._stored.close()
        super().close()

    def _prove(self) -> None:
        self._stored.prove()
        if self._counter.rows != self._part.rows:
            raise _broken(
                self._part, f"it holds {self._counter.rows} records, {self._part.rows} were committed"
            )


class RowCounter:
    r"""Counts records in chunks of JSON lines or CSV; line ends within quoted CSV fields end no record.

    >>> counter = RowCounter(csv=True)
    >>> counter.feed(b'id,text\r\n1,"a\nb"\r\n2,"')
    >>> counter.feed(b'c""\n"\r\n')
    >>> counter.rows
    2
    """

    def __init__(self, *, csv: bool) -> None:
        self._csv = csv
        self._ends = 0
        self._quoted = False
        self._last = b"\n"

    def feed(self, data: bytes) -> None:
        """Count `data`, which follows what was fed before."""
        self._last = data[-1:] or self._last
        if not self._csv:
            self._ends += data.count(b"\n")
            return
        pieces = data.split(b'"')  # a doubled quote closes and opens again, which comes to the same
        self._ends += sum(piece.count(b"\n") for piece in pieces[self._quoted :: 2])
        self._quoted ^= len(pieces) % 2 == 0

    @property
    def rows(self) -> int:
        """Records so far: a last line without an end counts, the header of CSV does not."""
        return max(0, self._ends + (self._last != b"\n") - self._csv)


def _broken(part: Part, what: str) -> Violation:
    return Violation(f"a part is not what was committed: {what}", hint=_HINT, part=part.key)
