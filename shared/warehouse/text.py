"""Opening parts as lines of bytes, whatever their format."""

from __future__ import annotations

import csv
import io
from typing import IO

from shared.warehouse.ports import StagedPart


def opened(part: StagedPart) -> IO[bytes]:
    """The bytes of a part before compression."""
    if not part.format.endswith(".gz"):
        return part.file.open("rb")
    from isal import igzip

    stream: IO[bytes] = igzip.open(part.file, "rb")  # type: ignore[no-untyped-call]
    return stream


def csv_header(part: StagedPart) -> list[str]:
    """The names in the first line of a CSV part."""
    with opened(part) as body, io.TextIOWrapper(body, encoding="utf-8", newline="") as text:
        return next(csv.reader(text), [])
