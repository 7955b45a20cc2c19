"""The local disk: scratch files of living writers, the leftovers of dead ones, and what the disk answers."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from shared.common.errors import Refused, SluiceError, Transient

SUFFIX = ".scratch"
IDLE = 3600.0
"""Seconds without a write after which a scratch file that no process holds is taken for a dead writer's."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def disk_error(error: OSError, doing: str, *, path: Path) -> SluiceError:
    """The error of ours that says who must act on what the disk answered."""
    match error.errno:
        case code if code in _FULL:
            return Transient(
                f"the disk is full: could not {doing}",
                hint="free space (on Lambda: raise the ephemeral storage) and run again; nothing was committed",
                path=path,
            )
        case code if code in _DENIED:
            return Refused(
                f"the disk denies access: could not {doing} ({error.strerror})",
                hint="this user needs to read and write there",
                path=path,
            )
        case _:
            return Transient(f"the disk failed: could not {doing} ({error.strerror or error})", path=path)


def open_scratch(folder: Path) -> tuple[BinaryIO, Path]:
    """A new file in `folder`, locked for as long as it is open, so that `sweep` sees that its writer lives."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=SUFFIX)
    except OSError as error:
        raise disk_error(error, "create a scratch file", path=folder) from error
    file = os.fdopen(handle, "wb", buffering=0)
    with suppress(OSError):  # where a drive has no locks, age alone must tell the dead from the living
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file, Path(name)


def sweep(folder: Path, *, idle: float = IDLE) -> list[Path]:
    """Delete scratch files that nobody holds and nobody wrote to for `idle` seconds; returns them.

    Age is measured by the file system's own clock, which on a network drive may differ from ours.
    """
    old = [path for path in folder.glob(f"*{SUFFIX}") if path.is_file()] if folder.is_dir() else []
    if not old:
        return []
    try:
        os.utime(folder)
        now = folder.stat().st_mtime
    except OSError as error:
        raise disk_error(error, "look at the scratch folder", path=folder) from error
    return [path for path in old if _swept(path, before=now - idle)]


def _swept(path: Path, *, before: float) -> bool:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime > before:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # its writer lives, somebody else swept it, or it is another user's: not ours to delete
        return False
    return True
