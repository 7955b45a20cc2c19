"""Takes a file that is whole already into the landing zone, byte for byte, as a part."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from shared.common.errors import Violation
from shared.common.ports import ObjectStore
from shared.landing.commit import Part
from shared.landing.layout import PartName
from shared.landing.reader import RowCounter
from shared.landing.writer import put_part

_BLOCK = 1024 * 1024


def adopt(store: ObjectStore, file: Path, name: PartName, *, folder: str, format: str) -> Part:
    """Put `file` under the keys of `folder` and say what it is; its rows are counted on the way, in constant memory.

    Raises `Violation` when the file is not what its format says (not gzip, cut off, no header line).
    """
    sha256, stored = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            stored += len(block)
    with file.open("rb") as stream:
        rows, raw = _count(stream, format)
    digest = sha256.hexdigest()
    key, etag = put_part(store, file, partial(name.key, folder, format=format), sha256=digest)
    return Part(key=key, rows=rows, bytes=stored, raw_bytes=raw, sha256=digest, etag=etag)


def _count(stream: BinaryIO, format: str) -> tuple[int, int]:
    """Records, and bytes before compression."""
    text = cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if format.endswith(".gz") else stream
    counter, raw = RowCounter(csv=format.startswith("csv")), 0
    try:
        while block := text.read(_BLOCK):
            raw += len(block)
            counter.feed(block)
    except (EOFError, OSError, zlib.error) as error:
        raise Violation(f"the file is not whole {format}: {error}") from None
    if format.startswith("csv") and not raw:
        raise Violation("a CSV file without a header line", hint="an empty table still has its columns")
    return counter.rows, raw
