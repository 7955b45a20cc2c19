"""Zips whose bytes depend on nothing but what is in them: sorted, one date, one mode."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip can say."""

_FILE = 0o100644 << 16
_UNIX = 3

Entries = Mapping[str, bytes]
"""The files of a zip by path."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that was written; sizes are in bytes."""

    path: Path
    sha256: str
    size: int
    unzipped: int
    files: int


def write_zip(path: Path, entries: Entries, *, level: int = 6) -> Archive:
    """Write a zip and put it into its place whole, or leave what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    method = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
    with zipfile.ZipFile(scratch, "w", method, compresslevel=level or None) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr, info.create_system, info.compress_type = _FILE, _UNIX, method
            archive.writestr(info, entries[name])
    scratch.replace(path)
    return Archive(
        path,
        digest(path),
        path.stat().st_size,
        sum(len(data) for data in entries.values()),
        len(entries),
    )


def read_zip(path: Path) -> dict[str, bytes]:
    """All files of a zip."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
