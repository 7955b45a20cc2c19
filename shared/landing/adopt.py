"""Takes a file that is whole already into the landing zone, byte for byte, as a part."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from shared.common.errors import Violation
from shared.common.ports import ObjectStore
from shared.landing.commit import Part
from shared.landing.layout import PartName
from shared.landing.writer import TAKES

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
        rows, raw = _count(stream, format, str(name.run))
    digest = sha256.hexdigest()
    for take in range(1, TAKES + 1):
        key = name.key(folder, format=format, take=take)
        try:
            etag = store.put_file(key, file, sha256=digest)
        except FileExistsError:
            continue
        return Part(key=key, rows=rows, bytes=stored, raw_bytes=raw, sha256=digest, etag=etag)
    raise Violation(
        f"{TAKES} parts with other content lie under this name already", key=name.key(folder, format=format)
    )


def _count(stream: BinaryIO, format: str, run: str) -> tuple[int, int]:
    """Records and bytes before compression. A CSV record ends at a line end outside of quotes (RFC 4180)."""
    text = cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if format.endswith(".gz") else stream
    is_csv = format.startswith("csv")
    lines = raw = 0
    quoted, ended = False, True
    try:
        while block := text.read(_BLOCK):
            raw += len(block)
            if is_csv and (quoted or b'"' in block):
                pieces = block.split(b'"')
                for number, piece in enumerate(pieces):
                    if number:
                        quoted = not quoted
                    if not quoted:
                        lines += piece.count(b"\n")
            else:
                lines += block.count(b"\n")
            ended = block.endswith(b"\n")
    except (EOFError, OSError, zlib.error) as error:
        raise Violation(f"the file is not whole {format}: {error}", run=run) from None
    if not ended or quoted:
        lines += 1
    if is_csv and lines == 0:
        raise Violation(
            "a CSV file without a header line", hint="an empty table still has its columns", run=run
        )
    return lines - is_csv, raw
